"""Steps without a verdict: what PPO makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictRolloutBuffer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import FailureCode, Outcome, Status
from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.tests.inmemory import Asked, sandbox_of
from hrmgym.tests.learning import ppo_job
from hrmgym.trainers.masking import MaskedPPO, MaskedRolloutBuffer
from hrmgym.trainers.ppo import train_ppo

SPACES = spaces.Dict({"x": spaces.Box(0, 9, (1,), np.float32)}), spaces.Discrete(3)
STEPS, ENVS = 5, 2


def filled(kind: type[DictRolloutBuffer], masked: set[tuple[int, int]]) -> Any:
    """A rollout in which the masked steps end their episodes, as failures do."""
    buffer = kind(STEPS, *SPACES, gae_lambda=0.9, gamma=0.95, n_envs=ENVS)
    starts = np.zeros(ENVS, dtype=np.float32)
    for step in range(STEPS):
        rng = np.random.default_rng(step)
        for env in range(ENVS):
            if (step, env) in masked:
                buffer.mask(env)  # type: ignore[attr-defined]
        values = torch.tensor(rng.random(ENVS), dtype=torch.float32)
        rewards = rng.random(ENVS).astype(np.float32)
        observation = {"x": np.full((ENVS, 1), step, dtype=np.float32)}
        buffer.add(observation, np.ones((ENVS, 1)), rewards, starts, values, values)
        starts = np.array([(step, env) in masked for env in range(ENVS)], dtype=np.float32)
    buffer.compute_returns_and_advantage(torch.zeros(ENVS), starts)
    return buffer


def test_without_failures_it_is_stable_baselines3_s_buffer() -> None:
    ours, theirs = filled(MaskedRolloutBuffer, set()), filled(DictRolloutBuffer, set())
    for buffer in (ours, theirs):
        np.random.seed(3)
        buffer.batches = list(buffer.get(4))
    assert len(ours.batches) == len(theirs.batches) == 3
    for one, other in zip(ours.batches, theirs.batches, strict=True):
        for name in ("actions", "old_values", "old_log_prob", "advantages", "returns"):
            assert torch.equal(getattr(one, name), getattr(other, name))
        assert torch.equal(one.observations["x"], other.observations["x"])


def test_a_masked_step_is_in_no_minibatch() -> None:
    buffer = filled(MaskedRolloutBuffer, {(2, 0), (4, 1)})
    batches = list(buffer.get(3))
    assert sum(len(batch.actions) for batch in batches) == STEPS * ENVS - 2
    seen = torch.cat([batch.observations["x"] for batch in batches]).ravel().tolist()
    assert (seen.count(2.0), seen.count(4.0), seen.count(1.0)) == (1, 1, 2)


def test_earlier_steps_are_bootstrapped_from_the_value_at_the_failure() -> None:
    buffer = filled(MaskedRolloutBuffer, {(2, 0)})
    advantages, values, rewards = buffer.advantages[:, 0], buffer.values[:, 0], buffer.rewards[:, 0]
    assert advantages[2] == 0.0
    assert advantages[1] == pytest.approx(rewards[1] + 0.95 * values[2] - values[1], abs=1e-6)


def sometimes_broken(every: int) -> Sandbox:
    """A sandbox where no test passes; every so many runs have no verdict."""
    runs = itertools.count(1)

    def answer(asked: Asked) -> Outcome:
        return Outcome(
            tests=dict.fromkeys(asked.tests.test_ids, Status.FAILED),
            failure=None if next(runs) % every else FailureCode.DISK,
        )

    return sandbox_of(answer)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    model, *_ = load_checkpoint(folder / "checkpoints" / "latest")
    return model.state_dict()


def rollout_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int) -> Mapping[str, Any]:
    broken = sometimes_broken(every)
    monkeypatch.setattr(SoftwareEnv, "_runner", lambda self, *_: broken)
    train_ppo(ppo_job(tmp_path, total_timesteps=64))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    return {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}


def test_a_run_counts_failures_and_learns_from_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = rollout_of(tmp_path, monkeypatch, every=3)
    assert 0 < logged["env/failures"] < 32
    assert "train/loss" in logged


def test_a_rollout_of_failures_alone_changes_no_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = rollout_of(tmp_path / "broken", monkeypatch, every=1)
    assert logged["env/failures"] == 32
    assert "rollout/success_rate" not in logged
    monkeypatch.setattr(MaskedPPO, "train", lambda self: None)
    rollout_of(tmp_path / "untrained", monkeypatch, every=1)
    broken, untrained = weights(tmp_path / "broken"), weights(tmp_path / "untrained")
    assert all(torch.equal(broken[name], untrained[name]) for name in broken)
