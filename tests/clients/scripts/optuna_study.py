"""Optuna: a study over trainings, reported and pruned through the callback."""

from pathlib import Path

import optuna

from hrmgym import api
from hrmgym.experiments.run import RunFolder
from hrmgym.tests.clients.pages import TINY

TINY_RUN = TINY | {"benchmark.tasks": ["seat_groups/hand-1"]}


def objective(trial: optuna.Trial) -> float:
    def report(now: api.Metrics) -> None:
        if "eval/mean_reward" in now.values:
            trial.report(now.values["eval/mean_reward"], now.step)
            if trial.should_prune():
                raise optuna.TrialPruned

    gamma = trial.suggest_float("gamma", 0.5, 0.99)
    overrides = {**TINY_RUN, "trainer.gamma": gamma, "seed": trial.number}
    return api.train("demo", overrides, callback=report, runs="runs").scores["pass@1"]


# Nothing reaches that reward: every trial is pruned at its first evaluation.
pruner = optuna.pruners.ThresholdPruner(lower=1e6, n_warmup_steps=0)
never = optuna.create_study(direction="maximize", pruner=pruner)
never.optimize(objective, n_trials=1)
assert [one.state.name for one in never.trials] == ["PRUNED"]
assert list(never.trials[0].intermediate_values) == [8]
study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
study.optimize(objective, n_trials=2)
assert [one.state.name for one in study.trials] == ["COMPLETE"] * 2
assert list(study.trials[0].intermediate_values) == [8, 16]
statuses = sorted(RunFolder(path).status for path in Path("runs").iterdir())
assert statuses == ["finished", "finished", "stopped"]
