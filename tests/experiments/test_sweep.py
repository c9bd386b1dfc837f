"""Several runs at once."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from hrmgym.cli import main
from hrmgym.experiments.loader import load
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.sweep import SweptRun, default_workers, train_all
from hrmgym.experiments.sweep_table import sweep_table
from hrmgym.tests.experiments.evaluate.test_score import report
from hrmgym.tests.experiments.test_train import TINY
from hrmgym.trainers.threads import usable_cpus

SWEEP = (*TINY, "score.before=false", "sweep={trainer.gamma: [0.5, 0.9], seed: [0, 1]}")


def test_runs_at_once_leave_a_processor_to_every_thread() -> None:
    cpus = usable_cpus()
    demo = load("demo")
    assert default_workers([demo] * 99) == cpus
    assert default_workers([demo]) == 1
    assert default_workers([demo, load("demo", [f"threads={cpus}"])]) == 1


def test_the_table_has_every_run_the_best_first(tmp_path: Path) -> None:
    runs = []
    for name, value in (("low", 0.25), ("high", 0.5), ("none", None)):
        run = RunFolder.create(load("demo", [f"name={name}"]), tmp_path)
        if value is not None:
            data = report().to_dict()
            score = {"value": value, "low": 0.0, "high": 1.0, "confidence": 0.95, "method": "m"}
            data["scores"] = {"pass@1": score}
            (run.scores / "trained.json").write_text(json.dumps(data))
        run.set_status("finished" if value is not None else "failed")
        (run.path / "output.txt").write_text("Traceback\nValueError: why\n\n")
        runs.append(SweptRun(run, 0 if value is not None else 1, 90.0))
    shown = io.StringIO()
    Console(width=120, file=shown).print(sweep_table(runs))
    lines = [line for line in shown.getvalue().splitlines() if line.startswith("│")]
    assert [line.split()[1].split("-")[0] for line in lines] == ["high", "low", "none"]
    assert "0.500 [0.000, 1.000]" in lines[0]
    assert "1.5" in lines[0]
    assert "failed" in lines[2]
    assert [one.said for one in runs] == ["", "", "ValueError: why"]


@pytest.mark.nightly
@pytest.mark.slow
def test_a_sweep_trains_side_by_side_and_ends_in_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "demo", "--runs", str(tmp_path), "--workers", "2", *SWEEP]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    runs = [RunFolder(path) for path in sorted(tmp_path.iterdir())]
    assert [run.status for run in runs] == ["finished"] * 4
    assert "seed=1" in runs[-1].path.name
    assert all((run.path / "output.txt").read_text() for run in runs)
    said = shown.err.splitlines()
    assert [line.partition(":")[0] for line in said[:2]] == ["begins", "begins"]
    assert shown.out.count("finished") == 4


@pytest.mark.nightly
@pytest.mark.slow
def test_a_stopped_sweep_stops_its_runs_which_can_go_on(tmp_path: Path) -> None:
    long = [*TINY, "score.before=false", "trainer.total_timesteps=100000"]
    runs = [RunFolder.create(load("demo", [*long, f"seed={n}"]), tmp_path) for n in range(3)]

    def stop() -> None:
        for run in runs[:2]:
            while not list(run.tensorboard.iterdir()):
                time.sleep(0.2)
        time.sleep(5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    ended: list[SweptRun] = []
    with pytest.raises(KeyboardInterrupt):
        train_all(runs, 2, lambda run, done: ended.append(done) if done else None)
    assert [one.status for one in ended] == [128 + signal.SIGTERM] * 2
    assert [run.status for run in runs] == ["interrupted", "interrupted", "running"]
    assert all((run.checkpoints / "ppo.zip").is_file() for run in runs[:2])


@pytest.mark.nightly
@pytest.mark.slow
def test_a_run_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    good = RunFolder.create(load("demo", [*TINY, "score.before=false"]), tmp_path)
    bad = RunFolder.create(load("demo", [*TINY, "benchmark.tasks=[nope]"]), tmp_path)
    done = train_all([bad, good], 2)
    assert [one.run.status for one in done] == ["failed", "finished"]
    assert "nope" in done[0].said
    assert done[1].report is not None


def test_workers_are_for_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "demo", "--runs", str(tmp_path), "--workers", "2", *TINY]
    assert main(arguments) == 2
    assert "--workers is for a sweep" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
