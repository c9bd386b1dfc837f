"""Pretraining from the command line: run, change and go on, finish."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrmgym.cli import main
from hrmgym.envs.benchmark import make_benchmark
from hrmgym.experiments.card import model_card
from hrmgym.experiments.loader import load
from hrmgym.experiments.run import RunFolder
from hrmgym.hrm.checkpoint import checkpoint_hash, load_checkpoint

TASK = make_benchmark("katas").tasks("test")[0].id
TINY = (
    "policy={kind: hrm, hidden_size: 16, num_heads: 2, H_layers: 1, L_layers: 1, H_cycles: 1, "
    "L_cycles: 1}",
    "trainer.samples=32",
    "trainer.batch_size=16",
    "trainer.warm_up=16",
    "trainer.max_lines=4",
    "trainer.workers=0",
    "trainer.held_out=1",
    "trainer.real_share=0",
    f"benchmark.tasks={json.dumps([TASK])}",
    "env.canvas=96",
    "env.max_steps=1",
    "device=cpu",
)


@pytest.mark.nightly
def test_a_run_is_extended_with_another_mix_and_finished_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "pretrain-tiny", "--runs", str(tmp_path), *TINY]) == 0
    (folder,) = tmp_path.iterdir()
    latest = folder / "checkpoints" / "latest"
    assert load_checkpoint(latest)[1]["samples"] == 48  # and the finish
    assert RunFolder(folder).facts["status"] == "finished"
    assert "real_share: 0" in (latest / "README.md").read_text()

    assert main(["train", "--resume", str(folder)]) == 2
    assert "nothing to resume" in capsys.readouterr().err
    changes = ("trainer.samples=64", "trainer.operators=uniform")
    assert main(["train", "--resume", str(folder), *changes]) == 0
    assert load_checkpoint(folder / "checkpoints" / "running")[1]["samples"] == 64
    assert (folder / "config-1.yaml").is_file()
    # The scores that it ships with are those of the weights that it ships.
    scored = json.loads((folder / "scores" / "trained.json").read_text())
    assert scored["hashes"]["checkpoint"] == checkpoint_hash(latest)
    assert f"`{checkpoint_hash(latest)}`" in (latest / "README.md").read_text()

    assert main(["train", "--finish", str(folder)]) == 0
    assert load_checkpoint(latest)[1]["samples"] == 80
    assert load_checkpoint(folder / "checkpoints" / "running")[1]["samples"] == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "a", "--finish", "b"], "--finish nothing at all"),
        (["--finish", "a", "seed=1"], "--finish nothing at all"),
        (["pretrain-tiny", "--finish", "a"], "--finish nothing at all"),
        (["--finish", "nowhere"], "nowhere: not a run folder"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_only_pretraining_is_finished_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder.create(load("demo", [TINY[0], "benchmark.tasks=null"]), tmp_path)
    assert main(["train", "--finish", str(run.path)]) == 2
    assert "--finish: trainer 'ppo' cannot be finished early" in capsys.readouterr().err
    assert not list(run.scores.iterdir())  # said at once


def test_the_card_names_the_data(tmp_path: Path) -> None:
    card = model_card(RunFolder.create(load("pretrain-small"), tmp_path))
    assert "Pretraining: up to 2000000 bugs" in card
    assert "real edits between releases" in card
    assert "benchmark_share" in card


@pytest.mark.parametrize(
    "name", ["pretrain-tiny", "pretrain-mini", "pretrain-base", "pretrain-small-transformer"]
)
def test_shipped_pretrainings_load(name: str) -> None:
    experiment = load(name)
    assert experiment.trainer is not None
    assert experiment.trainer.kind == "pretrain"
