"""Optuna: the study of docs/api.md, to the letter."""

from pathlib import Path

from hrmgym.experiments.run import RunFolder
from hrmgym.tests.clients.pages import run_block

HERE = Path.cwd()
run_block("api.md", "Optuna", HERE, "alarm_states/hand-1")
runs = [RunFolder(path) for path in (HERE / "runs").iterdir()]
assert len(runs) == 20
assert {run.status for run in runs} <= {"finished", "stopped"}
assert "finished" in {run.status for run in runs}
assert {run.experiment.benchmark.eval_split for run in runs} == {"valid"}
assert len({run.experiment.trainer.learning_rate for run in runs}) > 1
