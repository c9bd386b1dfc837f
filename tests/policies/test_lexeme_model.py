"""The n-gram model of lexemes: probabilities by hand, and what a corpus teaches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hrmgym.policies.lexeme_model import BEGIN, ORDER, UNKNOWN, LexemeModel, windows_of

CORPUS = ["a = b\n", "a = b\n", "a = c\n", "c = b\n"]


@pytest.fixture(scope="module")
def model() -> LexemeModel:
    return LexemeModel(CORPUS, least=1)


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
    model = LexemeModel(["x", "x", "x", "y"], least=1)
    lowest = 1 / 3  # x, y and what is not known
    unigram = (1 - 0.75) / 2 + 0.75 * 2 / 2 * lowest  # continuation counts: one context each
    by_hand = unigram
    for order in (2, 3, 4):
        count, total = (3, 4) if order == ORDER else (1, 2)
        by_hand = (count - 0.75) / total + 0.75 * 2 / total * by_hand
    x = model.ids(["x"])
    assert model.log_probs(windows_of(x))[0] == pytest.approx(math.log(by_hand))


def test_rare_lexemes_are_not_known_and_windows_begin_with_nothing() -> None:
    model = LexemeModel(["a b", "a c"], least=2)
    assert model.ids(["b"]).tolist() == [UNKNOWN]
    assert windows_of(model.ids(["a", "a"])).tolist() == [
        [BEGIN, BEGIN, BEGIN, int(model.ids(["a"])[0])],
        [BEGIN, BEGIN, *model.ids(["a", "a"]).tolist()],
    ]
