"""Ray Tune: trainings as trials, each evaluation reported through the callback."""

from pathlib import Path

import ray
from ray import tune

from hrmgym import api
from hrmgym.experiments.run import RunFolder
from hrmgym.tests.clients.pages import TINY

HERE = Path.cwd()
TINY_RUN = TINY | {"benchmark.tasks": ["seat_groups/hand-1"]}


def trainable(config: dict) -> None:
    def report(now: api.Metrics) -> None:
        if "eval/mean_reward" in now.values:
            tune.report({"step": now.step, **now.values})

    result = api.train("demo", {**TINY_RUN, **config}, callback=report, runs=HERE / "runs")
    tune.report({"step": -1, **result.scores})


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
results = tune.Tuner(
    trainable,
    param_space={"trainer.gamma": tune.grid_search([0.5, 0.9])},
    run_config=tune.RunConfig(storage_path=str(HERE / "ray"), verbose=0),
).fit()
ray.shutdown()
assert not results.errors
assert len(results) == 2
for one in results:
    assert list(one.metrics_dataframe["step"])[:2] == [8, 16]
    assert "pass@1" in one.metrics
gammas = {RunFolder(path).experiment.trainer.gamma for path in (HERE / "runs").iterdir()}
assert gammas == {0.5, 0.9}
