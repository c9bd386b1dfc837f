"""Pretraining: what is learned, and what a job leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from stable_baselines3.common.logger import Logger

from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.tests.learning import INTERFACE, config, learner, run, stream, supervised_job
from hrmgym.tests.tiny import CLAMP_FIXED
from hrmgym.trainers.config import PretrainConfig
from hrmgym.trainers.data.bug_stream import Program
from hrmgym.trainers.fixes import KS, Fix
from hrmgym.trainers.job import Job
from hrmgym.trainers.learner import repair_loss
from hrmgym.trainers.pretrain import evaluate, train_pretrain
from hrmgym.trainers.sources import made_fixes
from hrmgym.trainers.supervised_run import learn


def test_it_learns_what_it_is_shown(tmp_path: Path) -> None:
    clamp = [Program("clamp", CLAMP_FIXED, "")]
    fixes = made_fixes(clamp, INTERFACE, seed=0, max_span=32, most=2)
    shown = [stream(seed=5).sample(index) for index in range(64)]
    trained = learner(samples=1024, batch_size=32)
    before = repair_loss(trained.model, shown, "cpu", trained.terms)[1]
    found: list[dict[str, dict[str, float]]] = []

    def watch(between: object) -> None:
        found.append(evaluate(trained, {"made": fixes}, INTERFACE, Logger(None, [])))

    learn(trained, run(tmp_path / "a.pt", evaluate=watch))
    after = repair_loss(trained.model, shown, "cpu", trained.terms)[1]
    assert after["nll"] < 0.6 * before["nll"]
    assert set(found[-1]["made"]) == {
        *(f"exact@{k}" for k in KS),
        "location@1",
        "mrr",
    }


def job(folder: Path, **changes: object) -> Job[PretrainConfig]:
    return supervised_job(folder, config(held_out=1, max_lines=4, samples=64, **changes))


def test_a_job_leaves_a_state_and_weights_to_ship(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing to finish yet"):
        train_pretrain(job(tmp_path), only_finish=True)
    folder = train_pretrain(job(tmp_path))
    model, extra = load_checkpoint(folder)
    assert folder.name == "latest"
    assert extra["samples"] == 64 + 16  # the finish sees whole batches
    assert model.config.hidden_size == 32
    assert load_checkpoint(tmp_path / "running")[1]["samples"] == 64
    assert (folder / "README.md").read_text() == "card"
    with pytest.raises(ConfigError, match="constant"):
        train_pretrain(job(tmp_path, schedule="cosine"), only_finish=True)


def test_a_calibrated_job_ships_other_scores_of_starts_and_says_their_temperature(
    tmp_path: Path,
) -> None:
    plain, extra = load_checkpoint(train_pretrain(job(tmp_path / "plain")))
    assert "start_temperature" not in extra
    scaled, extra = load_checkpoint(train_pretrain(job(tmp_path / "scaled", calibrate=True)))
    temperature = extra["start_temperature"]
    assert 0.5 <= temperature <= 4.0
    for (name, one), other in zip(
        plain.state_dict().items(), scaled.state_dict().values(), strict=True
    ):
        expected = one / temperature if name == "span_head.start.weight" else one
        torch.testing.assert_close(other, expected, rtol=1e-3, atol=1e-6)


def test_held_out_bugs_are_the_same_for_the_same_seed() -> None:
    def names(seed: int) -> list[tuple[str, str]]:
        clamp = [Program("clamp", CLAMP_FIXED, "")]
        found: list[Fix] = made_fixes(clamp, INTERFACE, seed=seed, max_span=32, most=4)
        return [(fix.name, fix.fixed) for fix in found]

    assert names(1) == names(1)
    assert len(names(1)) == 4
