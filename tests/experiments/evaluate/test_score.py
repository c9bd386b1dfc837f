"""Scoring: what a report says, on katas, in an environment that is all memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from hrmgym.envs.benchmark import make_benchmark
from hrmgym.errors import CheckpointError, ConfigError, UnknownNameError
from hrmgym.experiments.evaluate.report import Report
from hrmgym.experiments.evaluate.score import score, select_tasks
from hrmgym.experiments.loader import load
from hrmgym.policies.base import Spaces

TASKS = [task.id for task in make_benchmark("katas").tasks("test")[:4]]
SOLVED = TASKS[0]


class OneStepEnv(gymnasium.Env[np.ndarray, int]):
    """Ends after one step; solved on one task, and on every other where the action is 1."""

    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(0, 1, (1,))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        assert options is not None
        self.task = options["task"]
        return np.zeros(1), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        solved = self.task == SOLVED or action == 1
        info = {"is_success": solved, "steps": 1, "test_runs": 1, "tests_passed": 0.5}
        return np.zeros(1), 0.0, True, False, info


class Drawing:
    """Samples the action space, unless it is asked to be deterministic."""

    def __init__(self, spaces: Spaces) -> None:
        self.spaces = spaces

    def act(
        self, observation: Any, *, state: Any = None, deterministic: bool = False
    ) -> tuple[int, Any]:
        return (0 if deterministic else int(self.spaces.action_space.sample())), None


def report(*overrides: str, config: str = "score-quixbugs-noop") -> Report:
    experiment = load(
        config, ["benchmark=katas", f"benchmark.tasks={json.dumps(TASKS)}", *overrides]
    )
    return score(experiment, env_factory=OneStepEnv, policy_factory=Drawing)


def test_a_report_says_what_was_played_and_how() -> None:
    data = report("env.max_steps=5", "seed=7").to_dict()
    assert data["benchmark"] == {"name": "katas", "version": "1", "split": "test", "tasks": 4}
    assert data["seed"] == 7
    assert data["policy"] == {"kind": "noop"}
    assert data["sandbox"]["type"] == "local"
    assert data["environment"]["max_steps"] == 5
    assert data["environment"]["max_test_runs"] == 5  # null in the experiment
    assert data["scores"]["pass@1"]["value"] == 0.25
    assert data["scores"]["pass@1"]["method"] == "wilson"
    assert data["mode"] == "episodes"
    assert data["budget"] == {"attempts": 1, "steps": 5, "test_runs": 5, "seconds": None}
    assert data["official"]["metric"] == "solved"
    assert data["official"]["value"] == 0.25
    assert data["solved_within"]["1"]["value"] == 0.25
    assert data["hashes"]["checkpoint"] is None
    assert len(data["hashes"]["experiment"]) == len(data["hashes"]["tasks"]) == 16
    assert [one["task"] for one in data["outcomes"]] == TASKS
    assert data["outcomes"][0]["tags"]


def test_one_seed_gives_one_report_to_the_byte() -> None:
    options = ("score.deterministic=false", "score.episodes=6", "score.k=[1, 3]")
    first = report(*options, "seed=1").to_json()
    assert report(*options, "seed=1").to_json() == first
    other = json.loads(report(*options, "seed=2").to_json())
    assert other["outcomes"] != json.loads(first)["outcomes"]
    assert list(other["scores"]) == ["pass@1", "pass@3"]
    assert other["scores"]["pass@1"]["method"] == "bootstrap"


def test_a_token_is_not_published() -> None:
    text = report("sandbox=remote", "sandbox.auth_token=s3cret").to_json()
    assert '"type": "remote"' in text
    assert "s3cret" not in text


def test_tasks_are_those_of_the_experiment_in_its_order() -> None:
    benchmark = make_benchmark("katas")
    chosen = load("score-katas-random", [f"benchmark.tasks=[{TASKS[2]}, {TASKS[0]}]"])
    assert [task.id for task in select_tasks(benchmark, chosen)] == [TASKS[2], TASKS[0]]
    whole = load("score-katas-random")
    assert select_tasks(benchmark, whole) == benchmark.tasks("test")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("benchmark=kata", "unknown benchmark 'kata'; did you mean 'katas'?"),
        ("benchmark.tasks=[nope]", "benchmark 'katas': unknown task 'nope'"),
        ("benchmark.eval_split=tset", "benchmark 'katas': unknown split 'tset'"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_played(override: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        score(load("score-katas-random", [override]), env_factory=OneStepEnv)
    assert str(error.value).startswith(message)


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        report("policy=hrm", f"policy.checkpoint={tmp_path}/none")


def test_a_training_task_cannot_be_scored_by_name() -> None:
    train_task = make_benchmark("katas").tasks("train")[0].id
    with pytest.raises(UnknownNameError, match="unknown task"):
        report(f"benchmark.tasks=[{train_task}]")


# --- in the real environment ---------------------------------------------------------------------


def real(*overrides: str) -> Report:
    tasks = f"benchmark.tasks={json.dumps(TASKS[:3])}"
    return score(load("score-katas-random", [tasks, "score.episodes=2", "score.k=[1]", *overrides]))


def test_the_report_does_not_depend_on_the_number_of_processes() -> None:
    assert real("score.workers=2").to_json() == real("score.workers=1").to_json()


def test_the_reference_solves_what_noop_does_not() -> None:
    assert real("policy=reference").to_dict()["scores"]["pass@1"]["value"] == 1.0
    assert real("policy=noop").to_dict()["scores"]["pass@1"]["value"] == 0.0


def test_an_error_in_a_worker_reaches_the_caller() -> None:
    with pytest.raises(ConfigError, match="edit interface only"):
        real("env.interface=shell", "score.workers=2")
