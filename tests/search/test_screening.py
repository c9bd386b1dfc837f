"""Screening with a file of outcomes: what is known is not run, and counts as if it had been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.outcome_file import OutcomeFile
from hrmgym.envs.sandboxes import executor as executors
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import State
from hrmgym.envs.task import Outcome, Task, TestSpec, Workspace
from hrmgym.policies.ranked import RankedPolicy
from hrmgym.policies.spectrum import Spectrum
from hrmgym.search.stages import TURN, Try
from hrmgym.search.tries import tries
from hrmgym.tests.search.test_ranked_tries import MANY, Wanted
from hrmgym.tests.tiny import (
    DOUBLE,
    DOUBLE_FIXED,
    LOOP,
    LOOP_FIXED,
    OneTask,
    count_task,
    double_task,
)

ENDLESS = LOOP.replace("i += 0", "i -= 0")
WRONG, RIGHT = DOUBLE.replace("+", "-"), DOUBLE_FIXED


class OwnRules(OneTask):
    """The one task, under rules of its own, so that every edit has an ordinary run."""

    def counted(
        self, task: Task, tests: TestSpec, outcome: Outcome, sandbox: executors.TestRunner
    ) -> Outcome:
        return outcome


def tried(
    path: Path | None,
    *texts: str,
    task: Task | None = None,
    k: int = 12,
    kind: type[OneTask] = OneTask,
) -> tuple[list[Try[State]], int]:
    """All tries of k, those of the texts first, and how often the sandbox was asked for a run."""
    task = task or double_task()
    env = SoftwareEnv(kind(task), canvas=96, sandbox={"type": "local", "stages": [0.05]})
    outcomes = None if path is None else OutcomeFile(path)
    try:
        policy = RankedPolicy([Spectrum(), Wanted(*texts)], MANY)
        env.reset()
        before = env.sandbox.counts.runs
        found = list(tries(policy, env, task.id, k, 0, outcomes))
        return found, env.sandbox.counts.runs - before
    finally:
        env.close()
        if outcomes is not None:
            outcomes.close()


def told(found: list[Try[State]]) -> list[object]:
    """Everything of tries but how long they took."""
    return [
        (one.run, one.number, one.repeats, one.open, one.result.files, one.result.outcome)
        for one in found
    ]


def test_tries_are_the_same_with_outcomes_that_are_made_and_with_those_that_are_known(
    tmp_path: Path,
) -> None:
    plain, _ = tried(None, WRONG, RIGHT)
    making, ran = tried(tmp_path / "outcomes", WRONG, RIGHT)
    known, nothing = tried(tmp_path / "outcomes", WRONG, RIGHT)
    assert told(plain) == told(making) == told(known)
    assert (ran > 0, nothing) == (True, 0)


def test_what_is_cut_off_and_its_repeat_are_known(tmp_path: Path) -> None:
    options: dict[str, Any] = {"task": count_task(), "k": TURN}
    making, _ = tried(tmp_path / "outcomes", ENDLESS, LOOP_FIXED, **options)
    known, nothing = tried(tmp_path / "outcomes", ENDLESS, LOOP_FIXED, **options)
    assert told(making) == told(known)
    assert nothing == 0
    repeated = [one for one in known if one.result.files["count.py"] == ENDLESS]
    assert [(one.repeats, one.open) for one in repeated] == [(0, True), (1, False)]


@pytest.mark.parametrize("first", [1, 2, 7])
def test_what_another_order_has_left_unknown_is_run(tmp_path: Path, first: int) -> None:
    """Known and unknown texts alternate: each gets its own outcome, not its neighbour's."""
    tried(tmp_path / "outcomes", RIGHT, WRONG, k=first)
    plain, _ = tried(None, WRONG, RIGHT)
    mixed, ran = tried(tmp_path / "outcomes", WRONG, RIGHT)
    assert told(mixed) == told(plain)
    assert ran > 0


def test_an_edit_that_is_not_screened_is_not_cut_off_by_the_start_of_its_run() -> None:
    """The start takes five times the stage's limit, of the untouched program and of each edit."""
    slow = "import time\nwhile time.process_time() < 0.25:\n    pass\n"
    task = double_task()
    start = Workspace(files={"double.py": slow + DOUBLE})
    found, _ = tried(
        None, slow + WRONG, slow + RIGHT, task=replace(task, workspace=start), k=4, kind=OwnRules
    )
    assert [(one.repeats, one.open, one.result.passes) for one in found[:2]] == [
        (0, False, False),
        (0, False, True),
    ]
