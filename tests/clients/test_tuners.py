"""Optuna and Ray Tune over the Python API, as docs/api.md shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hrmgym import api
from hrmgym.experiments.run import RunFolder
from hrmgym.tests.package.test_api import TINY

pytestmark = pytest.mark.nightly


@pytest.mark.filterwarnings("default")
def test_optuna_prunes_what_its_pruner_says(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")

    def objective(trial: Any) -> float:
        gamma = trial.suggest_float("gamma", 0.5, 0.99)

        def report(now: api.Metrics) -> None:
            if "eval/mean_reward" in now.values:
                trial.report(now.values["eval/mean_reward"], now.step)
                if trial.should_prune():
                    raise optuna.TrialPruned

        overrides = {**TINY, "trainer.gamma": gamma, "seed": trial.number}
        result = api.train("demo", overrides, callback=report, runs=tmp_path)
        return result.scores["pass@1"]

    # Nothing reaches that reward: after its first trial every one is pruned at once.
    pruner = optuna.pruners.ThresholdPruner(lower=1e6, n_warmup_steps=0)
    never = optuna.create_study(direction="maximize", pruner=pruner)
    never.optimize(objective, n_trials=1)
    assert [one.state.name for one in never.trials] == ["PRUNED"]
    assert list(never.trials[0].intermediate_values) == [8]
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    study.optimize(objective, n_trials=2)
    assert [one.state.name for one in study.trials] == ["COMPLETE"] * 2
    assert list(study.trials[0].intermediate_values) == [8, 16]
    statuses = sorted(RunFolder(path).status for path in tmp_path.iterdir())
    assert statuses == ["finished", "finished", "stopped"]


@pytest.mark.filterwarnings("default")
def test_ray_tune_gets_every_evaluation_and_the_score(tmp_path: Path) -> None:
    tune = pytest.importorskip("ray.tune")
    import ray

    def trainable(config: dict[str, Any]) -> None:
        def report(now: api.Metrics) -> None:
            if "eval/mean_reward" in now.values:
                tune.report({"step": now.step, **now.values})

        result = api.train("demo", {**TINY, **config}, callback=report, runs=tmp_path / "runs")
        tune.report({"step": -1, **result.scores})

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        tuner = tune.Tuner(
            trainable,
            param_space={"trainer.gamma": tune.grid_search([0.5, 0.9])},
            run_config=tune.RunConfig(storage_path=str(tmp_path / "ray"), verbose=0),
        )
        results = tuner.fit()
    finally:
        ray.shutdown()
    assert not results.errors
    assert len(results) == 2
    for one in results:
        assert list(one.metrics_dataframe["step"])[:2] == [8, 16]
        assert "pass@1" in one.metrics
    gammas = {RunFolder(path).experiment.trainer.gamma for path in (tmp_path / "runs").iterdir()}  # type: ignore[union-attr]
    assert gammas == {0.5, 0.9}
