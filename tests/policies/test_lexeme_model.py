"""The n-gram model of lexemes: probabilities by hand, and what a corpus teaches."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from hrmgym.errors import DataError
from hrmgym.policies.lexeme_model import (
    BEGIN,
    FORMAT,
    ORDER,
    UNKNOWN,
    LexemeModel,
    file_hash,
    windows_of,
)
from hrmgym.trainers.ngram import fit

CORPUS = ["a = b\n", "a = b\n", "a = c\n", "c = b\n"]


@pytest.fixture(scope="module")
def model() -> LexemeModel:
    return fit(CORPUS, least=1)


def test_probabilities_after_any_context_sum_to_one(model: LexemeModel) -> None:
    every = np.arange(1, len(model.common) + 2, dtype=np.uint64)
    for context in ([0, 0, 0], [0, 0, 2], [0, 2, 3], [2, 2, 2]):
        left = np.tile(np.array(context, dtype=np.uint64), (len(every), 1))
        probs = np.exp(model.log_probs(np.column_stack((left, every))))
        assert probs.sum() == pytest.approx(1)
        assert (probs > 0).all()


def test_what_was_seen_more_often_is_likelier(model: LexemeModel) -> None:
    ids = model.ids(["a", " = ", "b", "\n"])
    assert UNKNOWN not in ids
    usual = model.log_probs(windows_of(ids))
    rare = model.log_probs(windows_of(model.ids(["a", " = ", "c", "\n"])))
    assert usual[2] > rare[2]
    assert usual[3] == pytest.approx(rare[3], abs=0.5)


def test_a_probability_by_hand() -> None:
    # After the beginning comes x three times of four, y once; discount 0.75 at every order.
    model = fit(["x", "x", "x", "y"], least=1)
    lowest = 1 / 3  # x, y and what is not known
    unigram = (1 - 0.75) / 2 + 0.75 * 2 / 2 * lowest  # continuation counts: one context each
    by_hand = unigram
    for order in (2, 3, 4):
        count, total = (3, 4) if order == ORDER else (1, 2)
        by_hand = (count - 0.75) / total + 0.75 * 2 / total * by_hand
    x = model.ids(["x"])
    assert model.log_probs(windows_of(x))[0] == pytest.approx(math.log(by_hand))


def test_rare_lexemes_are_not_known_and_windows_begin_with_nothing() -> None:
    model = fit(["a b", "a c"], least=2)
    assert model.ids(["b"]).tolist() == [UNKNOWN]
    assert windows_of(model.ids(["a", "a"])).tolist() == [
        [BEGIN, BEGIN, BEGIN, int(model.ids(["a"])[0])],
        [BEGIN, BEGIN, *model.ids(["a", "a"]).tolist()],
    ]


def test_a_file_gives_the_model_back(model: LexemeModel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(model.to_bytes())
    again = LexemeModel.load(path)
    assert again.common == model.common
    assert again.to_bytes() == model.to_bytes()
    windows = windows_of(model.ids(["c", " = ", "a", "\n", "zz"]))
    assert again.log_probs(windows).tolist() == model.log_probs(windows).tolist()
    assert len(file_hash(path)) == 16


def test_a_file_that_is_none_is_refused(model: LexemeModel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tables = load(model.to_bytes())
    words = {FORMAT: json.dumps(model.common)}
    short = tables | {"2.counts": tables["2.counts"][1:]}
    floats = tables | {"3.keys": tables["3.keys"].astype(np.float64)}
    without = {name: column for name, column in tables.items() if name != "4.totals"}
    for data, message in (
        (b"", "not a fitted n-gram model"),
        (model.to_bytes()[:-40], "not a fitted n-gram model"),
        (save(tables), f"has no '{FORMAT}'"),
        (save(tables, {FORMAT: "["}), "not a fitted n-gram model"),
        (save(short, words), "keys, counts do not belong together"),
        (save(floats, words), "keys, counts do not belong together"),
        (save(without, words), r"4\.totals"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=message) as caught:
            LexemeModel.load(path)
        assert str(path) in str(caught.value)
        assert "hrmgym.trainers.ngram" in str(caught.value)
    with pytest.raises(DataError, match="cannot be read"):
        file_hash(tmp_path / "none")
