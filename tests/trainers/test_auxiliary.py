"""A PPO run with every optional part: all of them learn, and what they log is documented."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from torch import Tensor

from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.tests.learning import PPO_MODEL, ppo_job
from hrmgym.tests.trainers.test_ppo import logged
from hrmgym.trainers.loss_terms import loss_term
from hrmgym.trainers.losses import Outcomes
from hrmgym.trainers.ppo import train_ppo
from hrmgym.trainers.tags import PART_TAGS, PPO_TAGS


@loss_term(tag="theirs/worth", phase="rollout")
def worth(batch: Outcomes) -> tuple[Tensor, dict[str, float]]:
    """A term as another package may have it: the value, towards the share of tests that pass."""
    wrong = (batch.encoded.value - batch.shares).square().mean()
    return wrong, {"theirs/steps": float(len(batch.known))}


def test_every_part_is_trained_and_logged(tmp_path: Path) -> None:
    parts = {
        "reverse": {"kind": "gate", "outcome_weight": 0.5},
        "specialists": {"kind": "learned", "rank": 2, "count": 2},
        "carry": "keep",
    }
    job = ppo_job(tmp_path, curriculum="reverse", losses={f"{__name__}:worth": 0.3})
    folder = train_ppo(dataclasses.replace(job, model={**PPO_MODEL, **parts}))
    extra = logged(tmp_path) - set(PPO_TAGS) - {"theirs/worth", "theirs/steps"}
    assert {"theirs/worth", "theirs/steps"} <= logged(tmp_path)
    assert extra <= set(PART_TAGS)
    assert extra >= {tag for tag in PART_TAGS if tag.startswith(("hrm/", "curriculum/"))} - {
        "curriculum/full_success"
    }
    model, _ = load_checkpoint(folder)
    assert model.outcome_gate.alpha.abs() > 0
    assert model.outcome_head.read.bias.abs().sum() > 0
    assert model.specialists.input.up.abs().sum() > 0
    assert (tmp_path / "checkpoints" / "curriculum.json").exists()
