"""Rankers by themselves and combined: log-probabilities that sum to one, whatever the order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest

from hrmgym.envs.edits.screen import Coverage, TestLines
from hrmgym.policies.frequencies import Frequencies
from hrmgym.policies.ranking import Combined, Ranker, Spectra, normalised, order
from hrmgym.policies.spectrum import Spectrum
from hrmgym.tests.policies.editing import EDITS, PATH, state_of

COUNTS = {"arithmetic": 2, "comparison": 7, "name": 4}
#: The failing test ran all but the last line, the passing one did not enter the `if`.
SPECTRA: Spectra = {
    PATH: Coverage(
        {
            "one": TestLines(passed=False, lines=frozenset({2, 3, 4})),
            "two": TestLines(passed=True, lines=frozenset({2, 3, 5})),
        }
    )
}
RANKERS: Sequence[Ranker] = (
    Combined([]),
    Frequencies(COUNTS),
    Spectrum(),
    Combined([Frequencies(COUNTS), Spectrum()]),
)


@pytest.mark.parametrize("ranker", RANKERS)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_probabilities_sum_to_one_over_the_list(ranker: Ranker, size: int) -> None:
    found = ranker.log_probs(state_of(), EDITS[:size], SPECTRA)
    assert found.shape == (size,)
    assert np.exp(found).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("ranker", RANKERS)
def test_the_order_of_the_list_changes_nothing(ranker: Ranker) -> None:
    state = state_of()
    found = ranker.log_probs(state, EDITS, SPECTRA)
    for numbers in permutations(range(len(EDITS))):
        mixed = ranker.log_probs(state, [EDITS[n] for n in numbers], SPECTRA)
        np.testing.assert_allclose(mixed, found[list(numbers)], atol=1e-12)


def test_several_rankers_are_multiplied() -> None:
    state, parts = state_of(), [Frequencies(COUNTS), Spectrum()]
    product = sum(one.log_probs(state, EDITS, SPECTRA) for one in parts)
    both = Combined(parts).log_probs(state, EDITS, SPECTRA)
    np.testing.assert_allclose(both, product - np.log(np.exp(product).sum()))


def test_what_is_impossible_stays_so() -> None:
    found = normalised(np.array([0.0, -np.inf, 0.0]))
    np.testing.assert_allclose(found, [np.log(0.5), -np.inf, np.log(0.5)])


def test_huge_scores_do_not_overflow() -> None:
    np.testing.assert_allclose(normalised(np.array([1e4, 1e4])), np.log([0.5, 0.5]))


def test_the_most_probable_comes_first_and_equal_ones_in_the_order_of_the_seed() -> None:
    scores = normalised(np.array([0.0, 3.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]))
    orders = {tuple(order(scores, seed).tolist()) for seed in range(20)}
    assert len(orders) > 10
    for one in orders:
        assert one[:2] == (1, 4)
        assert sorted(one) == list(range(8))
    assert order(scores, 3).tolist() == order(scores, 3).tolist()


def test_every_order_of_equal_edits_is_as_likely() -> None:
    first = [int(order(np.zeros(4), seed)[0]) for seed in range(400)]
    assert np.bincount(first, minlength=4).min() > 70  # 100 expected, deviation 8.7


def test_rounding_breaks_no_tie() -> None:
    scores = np.array([0.1 + 0.2, 0.3, 0.3])
    assert len({tuple(order(scores, seed).tolist()) for seed in range(50)}) == 6
