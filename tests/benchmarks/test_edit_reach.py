"""benchmarks/edit_reach.py says how many fixes are legal edits; no kinds of a test split."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.task import Task
from hrmgym.errors import DataError
from hrmgym.tests.tiny import calls, task

FOLDER = Path(__file__).parents[2] / "benchmarks"
OLD = "def f(a, b):\n    if a < b:\n        return a\n    return b - 1\n"
NONE = calls("f.py", "f")
WANTED = {
    "one": OLD.replace("<", "<="),
    "two": OLD.replace("<", "<=").replace("b - 1", "b + 1"),
    "none": "def f(a, b):\n    return sorted([b, a, 17, 19, 23])[a:b] or {a: b}\n",
}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("edit_reach")


class Three(Benchmark):
    """Three tasks: their fixes are one edit, two, and neither."""

    name = "three"
    splits = ("tuning", "test")
    split_by_package = True

    def tasks(self, split: str) -> Sequence[Task]:
        return [task(name, OLD, text, NONE, NONE) for name, text in WANTED.items()]


@pytest.mark.parametrize(("split", "tells"), [("tuning", True), ("test", False)])
def test_what_is_counted(
    module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    split: str,
    tells: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "make_benchmark", lambda name: Three())
    assert module.main(["three", "--split", split, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["tasks"], told["at_one"], told["at_two"]) == (3, 1, 1)
    assert 0 < told["lean_median"] < told["edits_median"]
    assert ("kinds" in told) == tells
    if tells:
        assert told["kinds"]["comparison"] == 1


def test_only_one_edit_where_that_is_asked(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "make_benchmark", lambda name: Three())
    assert module.main(["three", "--one", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["at_two"] == 0


def test_a_reference_in_several_files_or_none_is_told(module: ModuleType) -> None:
    one = task("same", OLD, OLD, NONE, NONE)
    with pytest.raises(DataError, match="'same': its reference changes 0 files, not one"):
        module.look(one, 1)
    other = replace(one, reference={**one.reference, "g.py": "x = 1\n", "h.py": "x = 2\n"})
    with pytest.raises(DataError, match="changes 2 files"):
        module.look(other, 1)
