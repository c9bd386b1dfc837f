"""Fitting the n-gram policy's file: what goes in, where it is kept, and the command."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from hrmgym.errors import DataError
from hrmgym.policies.config import NgramConfig
from hrmgym.policies.lexeme_model import LexemeModel
from hrmgym.trainers import ngram
from hrmgym.trainers.data.corpus import CorpusFunction
from hrmgym.trainers.data.heldout import is_held_out
from hrmgym.trainers.ngram import fit, main, training_texts, with_file

FUNCTIONS = [
    CorpusFunction(f"f{n}", f"def f{n}(x):\n    return x * {n}\n", "", "here") for n in range(200)
]
OTHERS = [CorpusFunction("g", "def g(z):\n    return z\n", "", "there")]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small corpus, and the cache's folder."""
    monkeypatch.setenv("HRMGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ngram, "stdlib_functions", lambda: tuple(FUNCTIONS))
    monkeypatch.setattr(ngram, "package_functions", lambda: tuple(OTHERS))
    return tmp_path / "cache"


def test_held_out_functions_are_left_out(corpus: Path) -> None:
    held_out = [one.code for one in FUNCTIONS if is_held_out(one.code)]
    assert held_out
    assert not {*held_out} & {*training_texts(False)}
    assert len(training_texts(False)) == len(FUNCTIONS) - len(held_out)
    assert OTHERS[0].code in training_texts(True)
    assert OTHERS[0].code not in training_texts(False)


def test_a_file_is_fitted_once_for_each_choice_and_kept(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = with_file(NgramConfig(kind="ngram"))
    assert first.file is not None
    assert LexemeModel.load(first.file).to_bytes() == fit(training_texts(False)).to_bytes()
    both = with_file(NgramConfig(kind="ngram", packages=True))
    assert both.file != first.file
    assert {str(path) for path in corpus.iterdir()} == {first.file, both.file}
    monkeypatch.setattr(ngram, "fit", None)  # not called any more
    assert with_file(NgramConfig(kind="ngram")) == first
    assert with_file(first) is first


def test_a_broken_file_is_made_anew_with_a_warning(
    corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = with_file(NgramConfig(kind="ngram"))
    assert made.file is not None
    whole = Path(made.file).read_bytes()
    Path(made.file).write_bytes(whole[:100])
    with caplog.at_level(logging.WARNING):
        assert with_file(NgramConfig(kind="ngram")) == made
    assert "building it anew" in caplog.text
    assert Path(made.file).read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_named(corpus: Path) -> None:
    corpus.write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot be written; set HRMGYM_CACHE"):
        with_file(NgramConfig(kind="ngram"))


def test_the_command_writes_what_the_policy_loads(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.safetensors"
    assert main([str(path), "--packages"]) == 0
    assert f"{len(training_texts(True))} functions" in capsys.readouterr().out
    assert "x" in LexemeModel.load(path).common
    with pytest.raises(DataError, match="cannot be written"):
        main([os.fspath(tmp_path / "no" / "folder")])
