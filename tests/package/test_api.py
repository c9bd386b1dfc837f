"""Training and scoring from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hrmgym import api
from hrmgym.errors import ConfigError
from hrmgym.experiments.loader import load
from hrmgym.experiments.run import RunFolder
from hrmgym.tests.experiments.test_train import TASKS

TINY = {
    "policy": {
        "kind": "hrm",
        "hidden_size": 16,
        "num_heads": 2,
        "H_layers": 1,
        "L_layers": 1,
        "H_cycles": 1,
        "L_cycles": 1,
    },
    "trainer": {
        "kind": "ppo",
        "total_timesteps": 16,
        "n_envs": 2,
        "n_steps": 4,
        "batch_size": 8,
        "n_epochs": 1,
        "eval_every": 8,
        "eval_episodes": 1,
    },
    "trainer.warm_start": None,
    "benchmark.tasks": TASKS[:1],
    "env.max_steps": np.int64(2),
    "score.before": False,
    "device": "cpu",
}


@pytest.mark.slow
def test_a_training_reports_what_it_logs_and_returns_what_it_left(tmp_path: Path) -> None:
    seen: list[api.Metrics] = []
    result = api.train("demo", TINY, callback=seen.append, runs=tmp_path)
    assert RunFolder(result.run).status == "finished"
    assert {one.phase for one in seen} == {"ppo"}
    assert {one.run for one in seen} == {result.run}
    evaluations = [one.step for one in seen if "eval/success_rate" in one.values]
    assert evaluations == [8, 16]
    assert result.metrics["eval/mean_reward"] == seen[-1].values.get(
        "eval/mean_reward", result.metrics["eval/mean_reward"]
    )
    assert result.checkpoint == result.run / "checkpoints" / "latest"
    assert result.best == result.run / "checkpoints" / "best"
    assert not result.stopped
    assert set(result.scores) == {"pass@1"}

    scored = api.score("demo", TINY, checkpoint=result.checkpoint, runs=tmp_path)
    assert scored.scores == result.scores
    assert RunFolder(scored.run).status == "finished"
    assert (
        scored.report["hashes"]["checkpoint"] == result.reports["trained"]["hashes"]["checkpoint"]
    )


@pytest.mark.slow
def test_a_callback_ends_a_training_that_can_go_on(tmp_path: Path) -> None:
    class Pruned(Exception):
        """As a tuner's own."""

    def raises(now: api.Metrics) -> None:
        raise Pruned

    result = api.train("demo", TINY, callback=lambda now: now.step >= 8, runs=tmp_path)
    assert result.stopped
    assert result.scores == {}
    assert result.checkpoint is not None
    assert RunFolder(result.run).status == "stopped"
    with pytest.raises(Pruned):
        api.train(resume=result.run, callback=raises)
    assert RunFolder(result.run).status == "stopped"
    again = api.train(resume=result.run, overrides={"trainer.gamma": 0.5})
    assert again.run == result.run
    assert again.scores
    assert RunFolder(result.run).status == "finished"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1e-5, "a=1e-05"),
        (True, "a=true"),
        (None, "a=null"),
        ("no", 'a="no"'),
        ((1, 2), "a=[1, 2]"),
        (np.float64(0.5), "a=0.5"),
        (np.arange(2), "a=[0, 1]"),
        (Path("x"), 'a="x"'),
        ({"b": [Path("x")]}, 'a={"b": ["x"]}'),
    ],
)
def test_values_of_python_become_values_of_yaml(value: object, expected: str) -> None:
    assert api._words({"a": value}) == [expected]


def test_what_is_swept_by_a_tuner_arrives(tmp_path: Path) -> None:
    found = api._experiment("demo", {"trainer.learning_rate": 1e-5, "name": "on"})
    assert found.trainer is not None
    assert found.trainer.kind == "ppo"
    assert (found.trainer.learning_rate, found.name) == (1e-5, "on")
    assert api._experiment(found, ()) == found


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: api.train(), "an experiment, or a run to resume"),
        (lambda: api.train("demo", resume="x"), "not both"),
        (lambda: api.train(resume="x", runs="y"), "stays where it is"),
        (lambda: api.train("score-katas-random"), "has no trainer; use score"),
        (lambda: api.train("demo", {"trainer.gama": 1}), "did you mean 'gamma'"),
        (lambda: api.train("demo", "trainer.gamma=1"), "should be a list or a mapping"),
        (lambda: api.score("demo", {"seed": object()}), "object is no value"),
        (lambda: api.score(load("demo"), {"seed": 1}), "not a loaded one"),
        (lambda: api.train("katas-ppo-sweep"), "describes several"),
    ],
)
def test_mistakes_are_said_before_anything_is_done(
    call: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HRMGYM_RUNS", str(tmp_path / "runs"))
    with pytest.raises(ConfigError, match=message):
        call()  # type: ignore[operator]
    assert not (tmp_path / "runs").exists()


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, hrmgym.api; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
