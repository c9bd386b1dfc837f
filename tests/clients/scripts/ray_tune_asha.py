"""Ray Tune with a scheduler: ASHA ends a trial early, and its training can go on afterwards."""

from pathlib import Path

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from hrmgym import api
from hrmgym.experiments.run import RunFolder
from hrmgym.tests.clients.pages import TINY

HERE = Path.cwd()
FEW = TINY | {"benchmark.tasks": ["seat_groups/hand-1"], "trainer.total_timesteps": 64}


def trainable(config: dict) -> None:
    def report(now: api.Metrics) -> None:
        if "eval/mean_reward" in now.values:
            # What the scheduler goes by is known beforehand: the second trial is the worse one.
            tune.report({"step": now.step, "quality": config["trainer.gamma"]})

    api.train("demo", {**FEW, **config}, callback=report, runs=HERE / "runs")


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
asha = ASHAScheduler(time_attr="step", grace_period=8, max_t=1000, reduction_factor=2)
results = tune.Tuner(
    trainable,
    param_space={"trainer.gamma": tune.grid_search([0.9, 0.5])},
    tune_config=tune.TuneConfig(
        scheduler=asha, metric="quality", mode="max", max_concurrent_trials=1
    ),
    run_config=tune.RunConfig(storage_path=str(HERE / "ray"), verbose=0),
).fit()
ray.shutdown()
assert not results.errors, results.errors
steps = {one.config["trainer.gamma"]: one.metrics["step"] for one in results}
assert steps == {0.9: 64, 0.5: 8}, steps
runs = {
    run.experiment.trainer.gamma: run for run in map(RunFolder, sorted((HERE / "runs").iterdir()))
}
print({gamma: run.status for gamma, run in runs.items()})
assert runs[0.9].status == "finished"
# Tune's `report` ends the thread, or its process is gone before that.
assert runs[0.5].status in ("stopped", "died"), runs[0.5].status
again = api.train(resume=runs[0.5].path)
assert again.run == runs[0.5].path
assert again.scores
assert RunFolder(again.run).status == "finished"
