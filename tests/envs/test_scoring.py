"""Scores: the estimator against a brute count, the intervals against published numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.scoring import bootstrap, estimate, pass_at_k, wilson
from hrmgym.errors import UserError


@given(n=st.integers(1, 7), c=st.integers(0, 7), k=st.integers(1, 7))
def test_pass_at_k_is_the_share_of_draws_with_a_solved_episode(n: int, c: int, k: int) -> None:
    c, k = min(c, n), min(k, n)
    draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_k_is_exact_for_many_episodes() -> None:
    assert pass_at_k(200, 0, 100) == 0.0
    assert pass_at_k(200, 101, 100) == 1.0
    assert pass_at_k(200, 1, 100) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("n", "c", "k", "text"),
    [
        (5, 6, 1, "solved episodes: 6 should be between 0 and the 5 that were played"),
        (5, -1, 1, "solved episodes: -1 should be between 0 and the 5 that were played"),
        (5, 1, 6, "pass@6 needs at least 6 episodes a task; there are 5"),
        (5, 1, 0, "pass@0 needs at least 1 episodes a task; there are 5"),
    ],
)
def test_pass_at_k_refuses_impossible_counts(n: int, c: int, k: int, text: str) -> None:
    with pytest.raises(UserError) as error:
        pass_at_k(n, c, k)
    assert str(error.value) == text


# Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3.
@pytest.mark.parametrize(
    ("r", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(r: int, n: int, low: float, high: float) -> None:
    assert wilson(r, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(n=st.integers(1, 500), share=st.floats(0, 1), level=st.floats(0.5, 0.99))
def test_wilson_holds_the_proportion_and_is_symmetric(n: int, share: float, level: float) -> None:
    successes = round(share * n)
    low, high = wilson(successes, n, level)
    assert 0.0 <= low <= successes / n <= high <= 1.0
    mirror_low, mirror_high = wilson(n - successes, n, level)
    assert low == pytest.approx(1 - mirror_high, abs=1e-12)
    assert high == pytest.approx(1 - mirror_low, abs=1e-12)


def test_wilson_is_exact_at_the_ends() -> None:
    assert wilson(0, 40)[0] == 0.0
    assert wilson(40, 40)[1] == 1.0


@pytest.mark.parametrize(("successes", "n", "level"), [(1, 0, 0.95), (3, 2, 0.95), (1, 2, 1.0)])
def test_wilson_refuses_impossible_arguments(successes: int, n: int, level: float) -> None:
    with pytest.raises(UserError):
        wilson(successes, n, level)


def test_bootstrap_agrees_with_the_normal_interval_for_many_values() -> None:
    values = np.random.default_rng(0).random(400).tolist()
    half = 1.959964 * np.std(values) / math.sqrt(len(values))
    low, high = bootstrap(values)
    assert low == pytest.approx(np.mean(values) - half, abs=0.003)
    assert high == pytest.approx(np.mean(values) + half, abs=0.003)


def test_bootstrap_depends_on_its_seed_alone() -> None:
    values = [0.0, 0.5, 1.0, 1.0, 0.25]
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3)
    assert bootstrap(values, 0.5, seed=3) != bootstrap(values, 0.95, seed=3)
    with pytest.raises(UserError, match="at least one value"):
        bootstrap([])


def test_estimate_picks_wilson_for_single_episodes_and_the_bootstrap_for_several() -> None:
    single = estimate([1.0, 0.0, 1.0], binary=True, method="auto", confidence=0.95, seed=0)
    assert (single.method, single.low, single.high) == ("wilson", *wilson(2, 3))
    several = estimate([0.5, 0.2, 1.0], binary=False, method="auto", confidence=0.95, seed=0)
    assert (several.method, several.low, several.high) == (
        "bootstrap",
        *bootstrap([0.5, 0.2, 1.0]),
    )
    assert several.value == pytest.approx(1.7 / 3)


def test_estimate_is_never_certain_because_all_tasks_went_the_same_way() -> None:
    none_solved = estimate([0.0] * 9, binary=False, method="bootstrap", confidence=0.95, seed=0)
    assert (none_solved.low, none_solved.high) == wilson(0, 9)
    assert none_solved.method == "wilson"


@pytest.mark.parametrize("method", ["wilson", "jackknife"])
def test_estimate_refuses_a_method_that_does_not_apply(method: str) -> None:
    with pytest.raises(UserError):
        estimate([0.5], binary=False, method=method, confidence=0.95, seed=0)
