"""Tests of the supervised warm start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger

from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import CheckpointError
from hrmgym.hrm.losses import edit_loss
from hrmgym.policies import make_policy
from hrmgym.policies.config import HRMConfig
from hrmgym.policies.hrm import HRMPolicy
from hrmgym.tests.tiny import CLAMP_FIXED, DOUBLE_FIXED, Tiny
from hrmgym.trainers.bug_stream import BugStream, Program
from hrmgym.trainers.config import WarmStartConfig
from hrmgym.trainers.gradients import gradient_norms
from hrmgym.trainers.warm_start import Batches, Progress, collate, evaluate, warm_start

INTERFACE = EditInterface(96)
PROGRAMS = [Program("double", DOUBLE_FIXED, ""), Program("clamp", CLAMP_FIXED, "")]
CONFIG = WarmStartConfig(samples=1536, batch_size=32, learning_rate=3e-3, evaluate_every=8)


def stream(seed: int = 0) -> BugStream:
    return BugStream(PROGRAMS, INTERFACE, seed=seed, max_span=32)


def policy(seed: int = 0) -> HRMPolicy:
    config = HRMConfig(kind="hrm", hidden_size=32, num_heads=2, H_layers=1, L_layers=1)
    made = make_policy(config, SoftwareEnv(Tiny(), canvas=96), seed)
    assert isinstance(made, HRMPolicy)
    return made


def quiet() -> Logger:
    return Logger(None, [])


def test_batches_hold_each_sample_once_and_similar_lengths_together() -> None:
    batches = list(Batches(stream(), 16, 0, 200))
    actions = torch.cat([batch["action"] for batch in batches])
    assert len(actions) == 200
    wanted = {stream().sample(index).action.tobytes() for index in range(200)}
    assert {action.numpy().tobytes() for action in actions} == wanted
    spread = [int((b["tokens"] > 0).sum(1).max() - (b["tokens"] > 0).sum(1).min()) for b in batches]
    assert np.mean(spread) < 10


def test_every_part_of_the_network_gets_a_gradient() -> None:
    network = policy()
    batch = collate([stream().sample(index) for index in range(16)])
    action = batch.pop("action")
    edit_loss(network.encode(batch)[1], action).loss.backward()  # type: ignore[no-untyped-call]
    norms = gradient_norms(network.model)
    # Value and halting are trained by reinforcement learning and by halting's own loss.
    untrained = {"value_head", "q_head"}
    assert {part for part, norm in norms.items() if norm == 0} == untrained
    assert all(np.isfinite(norm) for norm in norms.values())


def test_it_learns_what_it_is_shown_and_resumes(tmp_path: Path) -> None:
    network, state_file = policy(), tmp_path / "warm-start.pt"
    held_out = [stream(seed=9).sample(index) for index in range(64)]
    before = evaluate(network, held_out, quiet(), 0, 32)
    seen: list[Progress] = []

    def stop_half_way(progress: Progress) -> None:
        seen.append(progress)
        if progress.samples >= 800:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        warm_start(network, stream(), held_out, CONFIG, quiet(), state_file, stop_half_way)
    assert state_file.exists()
    assert not list(tmp_path.glob("*.partial"))
    again = policy(seed=5)
    seen.clear()
    warm_start(again, stream(), held_out, CONFIG, quiet(), state_file, seen.append)
    # It went on at the last whole bucket of 8 batches of 32.
    assert seen[0].samples == 768 + 32
    assert seen[-1].samples == seen[-1].total == 1536
    after = evaluate(again, held_out, quiet(), 0, 32)
    assert after["nll"] < 0.5 * before["nll"]
    assert after["start_accuracy"] > before["start_accuracy"] + 0.2
    # A finished one has nothing left to do.
    count = len(seen)
    warm_start(again, stream(), held_out, CONFIG, quiet(), state_file, seen.append)
    assert len(seen) == count


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    state_file = tmp_path / "warm-start.pt"
    state_file.write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=r"warm-start.pt: not the state of this model"):
        warm_start(policy(), stream(), [], CONFIG, quiet(), state_file)


def test_time_can_run_out(tmp_path: Path) -> None:
    seen: list[Progress] = []
    config = CONFIG.model_copy(update={"seconds": 0.001})
    warm_start(policy(), stream(), [], config, quiet(), tmp_path / "s.pt", seen.append)
    assert len(seen) == 1
