"""Staged limits in an episode, in a real sandbox, with programs far from each limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.experiments.loader import load
from hrmgym.tests.experiments.evaluate.test_staged_proposals import (
    _OWN,
    RIGHT,
    SLOW,
    SLOW_WRONG,
    STAGE_S,
    WRONG,
    edits,
)
from hrmgym.tests.tiny import OneTask, double_task
from hrmgym.trainers.staged import StagedSteps, with_stages
from hrmgym.trainers.tags import STAGE_TAGS

Played = tuple[float, bool, bool, dict[str, Any]]


@contextmanager
def staged(**options: Any) -> Iterator[StagedSteps]:
    sandbox = {"type": "local", "stages": [STAGE_S]}
    task = OneTask(replace(double_task(), limits=_OWN))
    with SoftwareEnv(task, canvas=96, sandbox=sandbox, keep_edits="if_better", **options) as env:
        made = with_stages(env)
        assert isinstance(made, StagedSteps)
        yield made


def played(env: StagedSteps, *texts: str) -> list[Played]:
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    actions = edits(base, list(texts))
    _, info = env.reset(seed=0)
    assert (info["repeats"], info["near_limit"]) == (0, 0)
    found = []
    for action in actions:
        _, reward, terminated, truncated, info = env.step(action)
        found.append((float(reward), terminated, truncated, info))
    assert {*info} == {*env.reset(seed=0)[1]}
    return found


def test_a_slow_fix_ends_the_episode_in_the_place_of_the_last_step() -> None:
    with staged(max_steps=3, max_test_runs=4) as env:
        first, second, last = played(env, SLOW, WRONG, WRONG + " ")
    assert first[1:3] == second[1:3] == (False, False)
    assert not first[3]["kept"]
    assert last[1:3] == (True, False)
    assert last[3]["is_success"]
    assert last[0] > 0.9
    assert last[3]["rewards"]["solved"] == 1
    counts = {name: last[3][name] for name in ("steps", "test_runs", "repeats", "near_limit")}
    assert counts == {"steps": 3, "test_runs": 4, "repeats": 1, "near_limit": 0}


def test_what_fails_under_the_own_limit_too_has_failed() -> None:
    with staged(max_steps=2, max_test_runs=4) as env:
        _, last = played(env, SLOW_WRONG, WRONG)
    assert last[1:3] == (False, True)
    assert (last[3]["reason"], last[3]["repeats"], last[3]["test_runs"]) == ("failed", 1, 3)


def test_without_a_run_left_the_episode_has_timed_out_and_not_failed() -> None:
    with staged(max_steps=2) as env:
        _, last = played(env, SLOW, WRONG)
    assert last[1:3] == (False, True)
    assert (last[3]["reason"], last[3]["repeats"], last[3]["test_runs"]) == ("timeout", 0, 2)


def test_nothing_is_repeated_once_the_task_is_solved_or_the_next_episode_has_begun() -> None:
    with staged(max_steps=4) as env:
        _, last = played(env, SLOW, RIGHT)
        assert last[1]
        assert last[3]["repeats"] == 0
        env.reset(seed=0)
        _, last = played(env, WRONG, RIGHT)
        assert (last[3]["repeats"], last[3]["test_runs"]) == (0, 2)


def test_without_stages_or_tests_of_its_own_the_environment_stays_as_it_is() -> None:
    for options in ({"sandbox": "local"}, {"auto_test": False}):
        given: dict[str, Any] = {"sandbox": {"type": "local", "stages": [1.0]}, **options}
        with SoftwareEnv(OneTask(double_task()), canvas=96, **given) as env:
            assert with_stages(env) is env


def test_an_experiment_that_trains_may_have_stages_and_one_that_only_plays_may_not() -> None:
    assert load("demo", ["sandbox.stages=[0.1]"]).sandbox.stages == (0.1,)
    for other in ("score-katas-random", "pretrain-tiny"):
        with pytest.raises(ConfigError, match=r"sandbox\.stages goes with trainer: ppo or score"):
            load(other, ["sandbox.stages=[0.1]"])


@pytest.mark.nightly
def test_a_training_logs_what_was_repeated(tmp_path: Path) -> None:
    from hrmgym import api
    from hrmgym.tests.clients.pages import TINY

    few = TINY | {"benchmark.tasks": ["seat_groups/hand-1"], "sandbox.stages": [0.1]}
    result = api.train("demo", few, runs=tmp_path)
    assert STAGE_TAGS.keys() <= result.metrics.keys()
    plain = api.train("demo", few | {"sandbox.stages": []}, runs=tmp_path)
    assert not STAGE_TAGS.keys() & plain.metrics.keys()
