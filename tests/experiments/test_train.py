"""Training runs: the order of things, their files, and going on after Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hrmgym.envs.benchmark import make_benchmark
from hrmgym.errors import ConfigError, DataError, UnknownNameError
from hrmgym.experiments.card import model_card
from hrmgym.experiments.evaluate.journal import OnTask
from hrmgym.experiments.evaluate.records import TaskRecord
from hrmgym.experiments.loader import load
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.train import OnTraining, Silent, train, with_checkpoint

TASKS = [task.id for task in make_benchmark("katas").tasks("test")[:2]]
TINY = (
    "policy={kind: hrm, hidden_size: 16, num_heads: 2, H_layers: 1, L_layers: 1, H_cycles: 1, "
    "L_cycles: 1}",
    "trainer={kind: ppo, total_timesteps: 16, n_envs: 2, n_steps: 4, batch_size: 8, n_epochs: 1, "
    "warm_start: null}",
    f"benchmark.tasks={json.dumps(TASKS)}",
    "env.max_steps=2",
    "device=cpu",
)


class Watch(Silent):
    """Notes what is shown, and can press Ctrl-C in the middle of training."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[str] = []
        self.stop_at = stop_at

    def scoring(self, title: str) -> AbstractContextManager[OnTask | None]:
        self.seen.append(title)

        def on_task(task: TaskRecord, total: int) -> None:
            self.seen.append(task.task)

        return nullcontext(on_task)

    def training(self) -> AbstractContextManager[OnTraining]:
        self.seen.append("training")

        def on_training(phase: str, done: int, total: int, text: str) -> None:
            if self.stop_at is not None and done >= self.stop_at:
                raise KeyboardInterrupt

        return nullcontext(on_training)


@pytest.mark.slow
def test_a_run_is_interrupted_goes_on_and_finishes(tmp_path: Path) -> None:
    run = RunFolder.create(load("demo", TINY), tmp_path)
    first = Watch(stop_at=8)
    with pytest.raises(KeyboardInterrupt):
        train(run, display=first)
    assert first.seen == ["score: untrained", *TASKS, "training"]
    assert run.facts["status"] == "interrupted"
    before = (run.scores / "untrained.json").read_text()
    assert json.loads(before)["hashes"]["checkpoint"] is None

    second = Watch()
    trained = train(RunFolder(run.path), resume=True, display=second)
    # What is scored stays scored.
    assert second.seen == ["training", "score: trained", *TASKS]
    assert run.facts["status"] == "finished"
    assert (run.scores / "untrained.json").read_text() == before
    assert list(trained.reports) == ["untrained", "trained"]
    assert trained.reports["untrained"] == json.loads(before)
    after = json.loads((run.scores / "trained.json").read_text())
    assert after == trained.reports["trained"]
    assert after["policy"] == trained.reports["untrained"]["policy"]
    assert list(run.tensorboard.iterdir())

    config = json.loads((trained.checkpoint / "config.json").read_text())
    assert config["extra"]["num_timesteps"] >= 16
    card = (trained.checkpoint / "README.md").read_text()
    assert card == model_card(run, trained.reports)
    assert after["hashes"]["checkpoint"] in card
    assert "licence: MIT" in card


def test_an_error_leaves_the_run_failed(tmp_path: Path) -> None:
    run = RunFolder.create(load("demo", [*TINY, "benchmark.tasks=[nope]"]), tmp_path)
    with pytest.raises(UnknownNameError):
        train(run)
    assert run.facts["status"] == "failed"


def test_an_experiment_without_a_trainer_is_refused(tmp_path: Path) -> None:
    run = RunFolder.create(load("score-katas-random"), tmp_path)
    with pytest.raises(ConfigError, match="'score-katas-random' has no trainer"):
        train(run)


def test_a_broken_report_is_told_of_on_resume(tmp_path: Path) -> None:
    run = RunFolder.create(load("demo", TINY), tmp_path)
    (run.scores / "untrained.json").write_text("{")
    with pytest.raises(DataError, match=r"untrained\.json:1: not JSON"):
        train(run, resume=True)


def test_a_trained_policy_takes_its_shape_from_the_checkpoint() -> None:
    experiment = with_checkpoint(load("demo", TINY), Path("runs/c"))
    assert experiment.policy.kind == "hrm"
    assert experiment.policy.checkpoint == "runs/c"
    assert experiment.policy.model_fields_set == {"kind", "checkpoint"}
    assert experiment.benchmark == load("demo", TINY).benchmark


def test_a_card_without_scores_says_so(tmp_path: Path) -> None:
    card = model_card(RunFolder.create(load("demo"), tmp_path))
    assert "Not scored yet." in card
    assert "Warm start: up to 40000 bugs" in card
    assert "gae_lambda: 0.95" in card


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
def test_the_command_saves_says_so_and_goes_on(name: str, tmp_path: Path) -> None:
    number = getattr(signal, name)
    long = [*TINY, "trainer.total_timesteps=100000", "trainer.checkpoint_every=8"]
    command = [sys.executable, "-c", "from hrmgym.cli import main; raise SystemExit(main())"]
    arguments = ["train", "demo", "--runs", str(tmp_path), "score.before=false", *long]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen([*command, *arguments], stderr=said)
    while not list(tmp_path.glob("*/checkpoints/ppo.zip")):
        assert process.poll() is None
        time.sleep(0.1)
    (path,) = tmp_path.glob("demo-*")
    assert RunFolder(path).status == "running"
    process.send_signal(number)
    status = process.wait(60)
    killed = number == signal.SIGKILL
    assert status == (-number if killed else 128 + number)
    assert RunFolder(path).status == ("died" if killed else "interrupted")
    assert killed or f"hrmgym train --resume {path}" in (tmp_path / "said").read_text()

    # What is logged from here on comes after what is saved, and no step comes twice.
    run = RunFolder(path)
    with run.locked():
        run.override(["trainer.total_timesteps=1"])
        train(run, resume=True)
    assert run.status == "finished"
    found = EventAccumulator(str(run.tensorboard), size_guidance={"scalars": 0})
    found.Reload()
    steps = [event.step for event in found.Scalars("time/fps")]
    assert steps == sorted(set(steps))
