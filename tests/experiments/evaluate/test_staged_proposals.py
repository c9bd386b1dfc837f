"""Proposals under staged limits, in a real sandbox, with programs far from each limit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hrmgym.envs.interfaces.edit import Action, tool_action
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Limits
from hrmgym.envs.tokens import Tokens, load_tokens
from hrmgym.errors import ConfigError
from hrmgym.experiments.evaluate.metrics import values
from hrmgym.experiments.evaluate.proposals import score_task
from hrmgym.experiments.evaluate.records import TaskRecord
from hrmgym.experiments.evaluate.score import score
from hrmgym.experiments.evaluate.tables import report_table
from hrmgym.experiments.loader import load
from hrmgym.experiments.schema import Experiment
from hrmgym.tests.experiments.evaluate.test_proposals import Known, fixing
from hrmgym.tests.experiments.evaluate.test_tables import drawn
from hrmgym.tests.tiny import OneTask, double_task

STAGE_S = 0.1
#: What is slow takes some 0.6 s: six times the stage, a thirtieth of this.
_OWN = Limits(cpu_s=20.0, wall_s=60.0, memory_mb=256)
WRONG, RIGHT = " * 3", " * 2"
SLOW = " * 2 + 0 * sum(range(8**8))"
SLOW_WHERE_HIDDEN = " * 2 + 0 * sum(range(x ** 11))"  # x is 2 and 3 in visible tests, 5 in hidden
SLOW_WRONG = " * 3 + 0 * sum(range(8**8))"


@pytest.fixture(scope="module")
def env() -> Iterator[SoftwareEnv]:
    task = replace(double_task(), limits=_OWN)
    sandbox = {"type": "local", "stages": [STAGE_S]}
    made = SoftwareEnv(OneTask(task), canvas=96, sandbox=sandbox)
    yield made
    made.close()


def edits(env: SoftwareEnv, texts: list[str]) -> list[Action]:
    """Each puts a text in the place of the operator and the number in `double`."""
    start, names = int(fixing(env, "double")[1]), load_tokens()
    actions: list[Action] = []
    for text in texts:
        action, ids = tool_action("edit"), names.encode(text).ids
        action[1:3] = start, start + 2
        action[3 : 3 + len(ids)] = ids
        action[3 + len(ids)] = Tokens.END
        actions.append(action)
    return actions


def scored(env: SoftwareEnv, texts: list[str], ks: tuple[int, ...]) -> TaskRecord:
    item = score_task("double", (), Known(edits(env, texts)), env, ks, seeds=(0,))
    assert item is not None
    return item


def detail(first: int | None, *counts: int) -> dict[str, Any]:
    names = "test_runs", "repeats", "timed_out", "near_limit"
    found = dict(zip(names, counts, strict=True))
    return {"first_passing": first, "first_solving": first, **found}


def told(item: TaskRecord) -> dict[str, Any]:
    (one,) = item.attempts
    return {"test_runs": one.test_runs, **one.numbers}


def test_a_slow_fix_is_found_when_it_is_repeated(env: SoftwareEnv) -> None:
    item = scored(env, [SLOW, WRONG], (1, 2, 4))
    assert told(item) == detail(3, 3, 1, 0, 0)
    assert values("proposals", item, (1, 2, 4)) == {
        **{"solved@1": 0, "solved@2": 0, "solved@4": 1},
        **{"oracle@1": 0, "oracle@2": 0, "oracle@4": 1},
        **{"plausible@1": 0, "plausible@2": 0, "plausible@4": 1},
    }
    assert item.attempts[0].reason == "solved"


def test_without_a_run_left_for_it_a_slow_fix_has_timed_out_and_not_failed(
    env: SoftwareEnv,
) -> None:
    item = scored(env, [SLOW, WRONG], (1, 2))
    assert told(item) == detail(None, 2, 0, 1, 0)
    assert (item.attempts[0].reason, item.attempts[0].failure) == ("timeout", "")


def test_what_comes_to_its_end_under_the_own_limit_has_failed(env: SoftwareEnv) -> None:
    item = scored(env, [SLOW_WRONG], (4,))
    assert told(item) == detail(None, 2, 1, 0, 0)
    assert item.attempts[0].reason == "failed"


def test_nothing_is_repeated_once_a_proposal_solves_the_task(env: SoftwareEnv) -> None:
    item = scored(env, [SLOW, RIGHT, WRONG], (4,))
    assert told(item) == detail(2, 2, 0, 1, 0)
    assert item.attempts[0].reason == "solved"


def test_a_grade_has_the_tasks_own_time(env: SoftwareEnv) -> None:
    item = scored(env, [SLOW_WHERE_HIDDEN], (1,))
    assert told(item) == detail(1, 1, 0, 0, 0)
    assert item.solved


def test_a_run_after_the_proposals_has_the_tasks_own_time_again(env: SoftwareEnv) -> None:
    scored(env, [SLOW], (1,))
    env.reset(options={"files": {"double.py": "def double(x):\n    return x" + SLOW + "\n"}})
    assert env.state.passes


def experiment(*overrides: str) -> Experiment:
    chosen = ["policy=random", "benchmark=katas", "env.canvas=96", "score.k=[1, 2]"]
    task = 'benchmark.tasks=["clock_angle/hand-1"]'
    return load("score-quixbugs-policy", [*chosen, task, *overrides])


def test_a_report_counts_repeats_and_says_the_same_twice() -> None:
    staged = experiment("sandbox.stages=[0.5]")
    report = score(staged)
    data = json.loads(report.to_json())
    assert data["sandbox"]["stages"] == [0.5]
    assert data["test_runs"]["test_runs"] == 2
    assert data["test_runs"]["near_limit"] == 0
    assert score(staged).to_json() == report.to_json()
    text = drawn(report_table(data))
    assert "2 test runs, 0 of them repeats, 0 near a stage's limit" in text
    plain = json.loads(score(experiment()).to_json())
    assert "test_runs" not in plain
    assert plain["scores"] == data["scores"]


def test_stages_are_refused_where_nothing_is_repeated() -> None:
    with pytest.raises(ConfigError, match=r"sandbox\.stages goes with trainer: ppo or score.mode"):
        experiment("sandbox.stages=[0.5]", "score.mode=episodes", "score.k=[1]")
