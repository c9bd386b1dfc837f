"""Training to rank from the command line: the network for a GPU in a tiny size, and its score."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrmgym.cli import main
from hrmgym.envs.benchmark import make_benchmark
from hrmgym.experiments.card import model_card
from hrmgym.experiments.loader import load
from hrmgym.experiments.run import RunFolder
from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.trainers.config import RankConfig

TASK = make_benchmark("katas").tasks("test")[0].id
TINY = (
    *("policy.size=tiny", "trainer.samples=64", "trainer.batch_size=16", "trainer.warm_up=16"),
    *("trainer.max_lines=4", "trainer.workers=0", "trainer.held_out=2", "trainer.real_share=0"),
    *("trainer.tested_share=0", "trainer.packages=false", "env.canvas=128", "device=cpu"),
    *(f"benchmark.tasks={json.dumps([TASK])}", "score.k=[1, 5]"),
)


@pytest.mark.nightly
def test_the_large_network_s_experiment_runs_in_a_tiny_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrmgym.trainers.rank.real_samples", lambda *_: [])  # takes minutes
    assert main(["train", "rank-base", "--runs", str(tmp_path), *TINY]) == 0
    (folder,) = tmp_path.iterdir()
    model, extra = load_checkpoint(folder / "checkpoints" / "latest")
    assert extra["samples"] == 64
    assert model.config.ranking.kinds
    scored = json.loads((folder / "scores" / "trained.json").read_text())
    assert "solved@5" in scored["scores"]
    assert scored["policy"]["kind"] == "ranked"


@pytest.mark.parametrize("name", ["rank-mini", "rank-mini-real", "rank-base"])
def test_shipped_experiments_of_it(name: str) -> None:
    trainer = load(name).trainer
    assert isinstance(trainer, RankConfig)
    assert trainer.supervised is trainer
    assert trainer.can_finish


def test_its_card_says_how_it_is_used(tmp_path: Path) -> None:
    run = RunFolder.create(load("rank-mini"), tmp_path)
    assert "  kind: ranked\n  by:\n  - hrm\n  checkpoint: <this folder>" in model_card(run)
