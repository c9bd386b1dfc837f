"""The code blocks of docs/api.md: each is run, as it stands, here or as a client's script."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.experiments.run import RunFolder
from hrmgym.tests.clients.pages import DOCS, blocks, run_block

PAGE, FIRST = "api.md", "Training and scoring from Python"


def test_every_block_is_run_by_somebody() -> None:
    found = blocks(PAGE)
    assert list(found) == [FIRST, "Optuna", "Ray Tune"]  # the last two by scripts: optuna_page.py
    assert (DOCS / PAGE).read_text("utf-8").count("```python") == len(found)
    for heading, code in found.items():
        compile(code, heading, "exec")


@pytest.mark.nightly
@pytest.mark.needs_data
def test_the_first_block_trains_and_scores(tmp_path: Path) -> None:
    printed = run_block(PAGE, FIRST, tmp_path, "seat_groups/hand-1")
    trained, scored = printed.splitlines()
    assert trained.startswith("{'pass@1': ")
    assert scored.startswith("{'solved@1': ")
    runs = [RunFolder(path) for path in sorted((tmp_path / "runs").iterdir())]
    assert {run.status for run in runs} == {"finished"}
    (one,) = (run.experiment for run in runs if run.experiment.trainer is not None)
    assert one.trainer is not None
    assert one.trainer.kind == "ppo"
    assert (one.trainer.gamma, one.seed) == (0.95, 1)
    assert all(run.path.name in trained for run in runs if run.experiment.trainer is not None)
