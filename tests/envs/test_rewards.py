"""Tests of the reward terms."""

from __future__ import annotations

import pytest

from hrmgym.envs.rewards import DEFAULT_WEIGHTS, TERMS, Rewards, Transition
from hrmgym.errors import ConfigError, UnknownNameError
from hrmgym.tests.tiny import double_task, state_of


def step(**changes: object) -> Transition:
    fields: dict[str, object] = {
        "before": state_of(double_task(), passing=0.25),
        "after": state_of(double_task(), passing=0.75),
        "refused": False,
        "terminated": False,
        "solved": False,
    }
    return Transition(**(fields | changes))  # type: ignore[arg-type]


def test_each_term_is_weighted() -> None:
    rewards = Rewards({"solved": 2.0, "progress": 4.0, "illegal": -3, "step": -1.0})
    assert rewards(step()) == {"solved": 0, "progress": 2.0, "illegal": 0, "step": -1.0}
    assert rewards(step(refused=True))["illegal"] == -3
    assert rewards(step(terminated=True, solved=True))["solved"] == 2.0


def test_progress_can_be_lost_again() -> None:
    there, back = step(), step(before=step().after, after=step().before)
    rewards = Rewards({"progress": 1.0})
    assert rewards(there)["progress"] + rewards(back)["progress"] == 0


def test_a_wrong_submission_is_one_that_ends_unsolved() -> None:
    rewards = Rewards({"wrong_submit": -1.0})
    assert rewards(step(terminated=True))["wrong_submit"] == -1.0
    assert rewards(step(terminated=True, solved=True))["wrong_submit"] == 0
    assert rewards(step())["wrong_submit"] == 0


def test_terms_of_ones_own() -> None:
    rewards = Rewards({"mine": lambda one: float(len(one.after.files))})
    assert rewards(step()) == {"mine": 1.0}


def test_the_defaults_are_terms() -> None:
    assert DEFAULT_WEIGHTS.keys() <= TERMS.keys()
    assert Rewards()(step()).keys() == DEFAULT_WEIGHTS.keys()


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"solvd": 1.0}, "unknown reward term 'solvd'; did you mean 'solved'"),
        ({"solved": "much"}, "reward term 'solved': a weight or a function, got 'much'"),
        ({"solved": True}, "a weight or a function, got True"),
    ],
)
def test_wrong_terms_are_named(terms: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        Rewards(terms)  # type: ignore[arg-type]
