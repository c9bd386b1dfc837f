"""A PPO run with every optional part: all of them learn, and what they log is documented."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.tests.learning import PPO_MODEL, ppo_job
from hrmgym.tests.trainers.test_ppo import logged
from hrmgym.trainers.ppo import train_ppo
from hrmgym.trainers.tags import PART_TAGS, PPO_TAGS


def test_every_part_is_trained_and_logged(tmp_path: Path) -> None:
    parts = {
        "reverse": {"kind": "gate", "outcome_weight": 0.5},
        "specialists": {"kind": "learned", "rank": 2, "count": 2},
        "carry": "keep",
    }
    run = dataclasses.replace(ppo_job(tmp_path, curriculum="reverse"), model={**PPO_MODEL, **parts})
    folder = train_ppo(run)
    extra = logged(tmp_path) - set(PPO_TAGS)
    assert extra <= set(PART_TAGS)
    assert extra >= set(PART_TAGS) - {"learn/balance", "curriculum/full_success"}
    model, _ = load_checkpoint(folder)
    assert model.outcome_gate.alpha.abs() > 0
    assert model.outcome_head.read.bias.abs().sum() > 0
    assert model.specialists.input.up.abs().sum() > 0
    assert (tmp_path / "checkpoints" / "curriculum.json").exists()
