"""Tries whose order every outcome changes, in a real sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.outcome_file import OutcomeFile
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import State
from hrmgym.envs.task import Task, Workspace
from hrmgym.policies.ranked import RankedPolicy
from hrmgym.search.stages import TestRuns, Try
from hrmgym.search.steps import passed
from hrmgym.search.tries import tries
from hrmgym.tests.search.test_ranked_tries import MANY, Wanted
from hrmgym.tests.tiny import OneTask, calls, double_task

BUGGY = """def spread(x, y):
    seen = [x, y]
    seen.reverse()
    size = len(seen) * 2
    last = seen[0] + size
    low = x + y
    return low
"""
FIXED = BUGGY.replace("low = x + y", "low = x - y")


def spread_task() -> Task:
    path = "spread.py"
    cases = [((a, b), a - b) for a, b in ((5, 2), (9, 4), (0, 3), (7, 0))]
    return replace(
        double_task(),
        id="spread",
        workspace=Workspace(files={path: BUGGY}),
        editable=(path,),
        focus=f"{path}::spread",
        reference={path: FIXED},
        visible_tests=calls(path, "spread", *cases[:3]),
        hidden_tests=calls(path, "spread", cases[3]),
    )


@pytest.fixture(scope="module")
def env() -> Iterator[SoftwareEnv]:
    made = SoftwareEnv(OneTask(spread_task()), canvas=96)
    yield made
    made.close()


def found(
    env: SoftwareEnv,
    k: int,
    *,
    feedback: bool,
    seed: int = 0,
    outcomes: OutcomeFile | None = None,
) -> list[Try[State]]:
    policy = RankedPolicy([], MANY, feedback=feedback)
    return list(tries(policy, env, "spread", k, seed, outcomes))


def told(all_: list[Try[State]]) -> list[object]:
    return [(one.run, one.number, one.repeats, one.open, one.result.files) for one in all_]


def first(all_: list[Try[State]]) -> int:
    return next(one.run for one in all_ if passed(one.result))


def test_outcomes_bring_the_fix_forward(env: SoftwareEnv) -> None:
    """Most lines decide nothing: edits of theirs leave the result as it was."""
    plain, fed = (
        [first(found(env, MANY, feedback=which, seed=seed)) for seed in range(5)]
        for which in (False, True)
    )
    assert sum(fed) < sum(plain) / 2, (fed, plain)


def test_each_edit_is_tried_once_and_every_run_counts(env: SoftwareEnv) -> None:
    all_ = found(env, MANY, feedback=True)
    counts = TestRuns()
    for one in all_:
        counts.add(one)
    texts = [one.result.files["spread.py"] for one in all_ if not one.repeats]
    assert len(texts) == len(set(texts)) == counts.proposals
    assert set(texts) == {one.result.files["spread.py"] for one in found(env, MANY, feedback=False)}
    assert counts.runs == 1 + counts.proposals + counts.repeats  # the spectrum is one
    assert all_[0].run == 2


def test_what_was_screened_ahead_is_no_run_and_teaches_nothing(env: SoftwareEnv) -> None:
    """A budget of few runs sees the beginning of what a larger one sees."""
    few, many = (found(env, k, feedback=True) for k in (9, 60))
    assert told(few)[:-1] == told(many)[: len(few) - 1]  # the last run of a budget is final
    assert len(few) == 8


def test_two_runs_and_one_with_known_outcomes_are_the_same(
    env: SoftwareEnv, tmp_path: Path
) -> None:
    plain = told(found(env, 60, feedback=True))
    assert told(found(env, 60, feedback=True)) == plain
    outcomes = OutcomeFile(tmp_path / "outcomes")
    try:
        for _ in range(2):
            assert told(found(env, 60, feedback=True, outcomes=outcomes)) == plain
    finally:
        outcomes.close()


def test_other_hidden_tests_change_nothing_that_is_tried(env: SoftwareEnv) -> None:
    hidden = calls("spread.py", "spread", ((1, 1), "canary"))
    other = SoftwareEnv(OneTask(replace(spread_task(), hidden_tests=hidden)), canvas=96)
    try:
        assert told(found(other, 60, feedback=True)) == told(found(env, 60, feedback=True))
    finally:
        other.close()


def test_edits_that_need_ordinary_runs_are_tried_too() -> None:
    """Here every edit does: the order is then the prior's, and each run counts."""
    from hrmgym.tests.search.test_screening import OwnRules

    own = SoftwareEnv(OwnRules(double_task()), canvas=96)
    try:
        policy = RankedPolicy([Wanted()], MANY, feedback=True)
        some = list(tries(policy, own, "double", 12, 0))
        assert [one.run for one in some] == list(range(1, 13))
        assert len({one.result.files["double.py"] for one in some}) == 12
    finally:
        own.close()
