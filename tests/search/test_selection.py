"""The rules, against numbers worked out by hand and against loops written differently."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hrmgym.errors import ConfigError
from hrmgym.search import selection
from hrmgym.search.settings import TreeSettings


def test_ucb1_follows_what_has_no_visits_first_and_then_the_sum() -> None:
    assert selection.ucb1([0.9, 0.5, 0.5], [3, 0, 0]) == 1
    means, visits = [0.6, 0.4], [90, 10]
    sums = [m + math.sqrt(2 * math.log(100) / n) for m, n in zip(means, visits, strict=True)]
    assert selection.ucb1(means, visits) == int(np.argmax(sums)) == 1
    assert selection.ucb1(means, visits, c=0) == 0


def test_puct_is_alphazeros() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        means, priors = rng.random(7), rng.dirichlet(np.ones(7))
        visits = rng.integers(0, 9, 7)
        total = int(visits.sum())
        c = 1.25 + np.log((total + 19652 + 1) / 19652)
        wanted = np.argmax(means + c * priors * np.sqrt(max(1, total)) / (1 + visits))
        assert selection.puct(list(means), list(visits), list(priors), total) == wanted


def test_swe_search_adds_exploration_and_both_terms_of_depth() -> None:
    """Each term alone decides between two nodes that are the same otherwise."""
    same = {"means": [0.5, 0.5], "visits": [4, 4], "parent_visits": [9, 9], "depths": [2, 2]}
    assert selection.swe_search(**same) == 0
    for change in (
        {"means": [0.5, 0.6]},
        {"visits": [4, 3]},
        {"parent_visits": [9, 90]},
        {"depths": [3, 1]},
    ):
        assert selection.swe_search(**{**same, **change}) == 1, change
    near = {**same, "depths": [1, 4], "alpha": 0.0, "gamma": 0.0}
    assert selection.swe_search(**near) == 0
    assert selection.swe_search(**{**near, "depths": [4, 1], "gamma": 0.1}) == 1
    assert selection.swe_search(**{**near, "depths": [4, 1], "alpha": 0.1}) == 1


def test_the_improved_policy_is_the_softmax_of_the_paper() -> None:
    logits = np.array([1.0, 0.2, -0.3, -2.0])
    priors = np.exp(logits) / np.exp(logits).sum()
    means, visits, value = np.array([0.2, 0.9, 0.0, 0.0]), np.array([3, 2, 0, 0]), 0.4
    visited = visits > 0
    weighed = (priors * means)[visited].sum() / priors[visited].sum()
    mixed = (value + visits.sum() * weighed) / (1 + visits.sum())
    completed = np.where(visited, means, mixed)
    scores = np.log(priors) + (50 + 3) * 0.1 * completed
    wanted = np.exp(scores) / np.exp(scores).sum()
    found = selection.improved_policy(list(means), list(visits), list(priors), value)
    assert found == pytest.approx(list(wanted))
    # Edges that are not opened keep their share without being looked at.
    fewer = selection.improved_policy([0.2, 0.9], [3, 2], list(priors[:2]), value)
    assert fewer == pytest.approx(list(wanted[:2]))


def test_gumbel_inside_evens_out_shares_of_visits() -> None:
    assert selection.gumbel_interior([0.5, 0.5], [0, 0], [0.7, 0.3], 0.5) == 0
    assert selection.gumbel_interior([0.5, 0.5], [3, 0], [0.7, 0.3], 0.5) == 1
    assert selection.mixed_value([0.5], [0], [1.0], 0.3) == 0.3


@pytest.mark.parametrize(
    ("considered", "simulations"), [(16, 128), (4, 9), (8, 8), (1, 5), (16, 3)]
)
def test_halving_gives_each_of_the_first_edges_the_same_and_the_best_most(
    considered: int, simulations: int
) -> None:
    plan = selection.halving(considered, simulations)
    assert len(plan) == simulations
    visits = [0] * considered
    for at in plan:
        visits[visits.index(at)] += 1  # of those with so many visits, the first is the best
    assert sum(visits) == simulations
    assert visits == sorted(visits, reverse=True)
    assert plan.count(0) == min(considered, simulations)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "pukt"}, "did you mean 'puct'"),
        ({"considered": 0}, "considered: 0 is less than 1"),
        ({"c_init": -1.0}, "c_init: -1.0"),
        ({"virtual_loss": math.nan}, "virtual_loss: nan"),
        ({"discount": 0.0}, "discount"),
        ({"widening": (1.0, 2.0)}, "widening"),
        ({"most_depth": 0}, "most_depth"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TreeSettings(**changes)  # type: ignore[arg-type]
