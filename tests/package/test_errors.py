"""Errors: nearest names, one line, and the way between processes."""

from __future__ import annotations

import pickle

import pytest

from hrmgym.errors import SandboxUnavailableError, UnknownNameError, UserError, did_you_mean


@pytest.mark.parametrize(
    ("name", "known", "tail"),
    [
        ("kata", ["quixbugs", "katas"], "; did you mean 'katas'?"),
        ("zzz", ["b", "a"], "; known: a, b"),
        ("zzz", [], "; there are none"),
        ("zzz", ["a", "b", "c"], "; known: a, b and 1 more"),
    ],
)
def test_the_nearest_name_is_told_or_all_of_them(name: str, known: list[str], tail: str) -> None:
    assert did_you_mean(name, known, most=2) == tail


def test_an_unknown_name_reads_well_and_is_a_key_error() -> None:
    error = UnknownNameError("split", "tset", ["train", "test"], where="benchmark 'katas': ")
    assert str(error) == "benchmark 'katas': unknown split 'tset'; did you mean 'test'?"
    assert isinstance(error, KeyError)
    assert isinstance(error, UserError)


@pytest.mark.parametrize(
    "error", [UnknownNameError("a", "b", ["c"]), SandboxUnavailableError("no namespaces")]
)
def test_errors_survive_the_way_from_a_worker(error: UserError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
