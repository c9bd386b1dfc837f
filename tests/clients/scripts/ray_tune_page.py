"""Ray Tune: the trials of docs/api.md, to the letter."""

from pathlib import Path

from hrmgym.experiments.run import RunFolder
from hrmgym.tests.clients.pages import run_block

HERE = Path.cwd()
run_block("api.md", "Ray Tune", HERE, "seat_groups/hand-1")
runs = [RunFolder(path) for path in (HERE / "runs").iterdir()]
assert [run.status for run in runs] == ["finished"] * 2
assert sorted(run.experiment.trainer.gamma for run in runs) == [0.9, 0.99]
