"""Tests of the step before: as part of observations, and carried by the policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.hrm.checkpoint import save_checkpoint
from hrmgym.hrm.reverse import OUTCOME_FEATURES
from hrmgym.policies import make_policy
from hrmgym.policies.config import HRMPolicyConfig
from hrmgym.policies.hrm import ActState, HRMPolicy, checkpoint_options
from hrmgym.policies.memory import OUTCOME, PreviousStep, what_came
from hrmgym.tests.tiny import Tiny

SMALL: dict[str, Any] = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1}


@pytest.fixture
def env() -> Iterator[SoftwareEnv]:
    """The tiny benchmark on a short canvas."""
    made = SoftwareEnv(Tiny(), canvas=96, max_steps=4)
    yield made
    made.close()


def policy_of(env: SoftwareEnv, **options: Any) -> HRMPolicy:
    """A small untrained network."""
    made = make_policy(HRMPolicyConfig(kind="hrm", **SMALL, **options), env, seed=0)
    assert isinstance(made, HRMPolicy)
    return made


def test_the_wrapper_shows_the_step_before(env: SoftwareEnv) -> None:
    assert len(OUTCOME) == OUTCOME_FEATURES
    wrapped = PreviousStep(env)
    first, _ = wrapped.reset(options={"task": "double"})
    assert not first["last_outcome"].any()
    solution = env.interface.toward(env.state, env.task.reference)  # type: ignore[union-attr]
    second, *_ = wrapped.step(solution)
    assert np.array_equal(second["previous_tokens"], first["tokens"])
    assert second["previous_action"].tolist() == solution.tolist()
    said = dict(zip(OUTCOME, second["last_outcome"].tolist(), strict=True))
    assert said["present"] == said["changed"] == said["tested"] == said["passed"] == 1
    assert 0 <= said["passed_before"] < 1
    assert wrapped.observation_space.contains(second)


def test_a_refused_action_changed_nothing(env: SoftwareEnv) -> None:
    observation, _ = env.reset(options={"task": "double"})
    assert what_came(observation, observation)[OUTCOME.index("changed")] == 0


@pytest.mark.parametrize(
    "options", [{"carry": "keep"}, {"reverse": {"kind": "gate"}}, {"specialists": {"kind": "tool"}}]
)
def test_act_carries_the_step_before(env: SoftwareEnv, options: dict[str, Any]) -> None:
    policy = policy_of(env, **options)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if name.endswith(("alpha", ".up")):
                parameter.fill_(0.5)
    observation, _ = env.reset(options={"task": "clamp"})
    for deterministic in (True, False):
        action, state = policy.act(observation, deterministic=deterministic)
        assert isinstance(state, ActState)
        after, *_ = env.step(action)
        policy.seed(1)
        policy.act(after, state=state, deterministic=deterministic)
        assert state.last is not None
        assert np.array_equal(state.last[1], action)
        env.reset(options={"task": "clamp"})
    # What is carried on is what training computes anew from the wrapped observation.
    wrapped = PreviousStep(env)
    observation, _ = wrapped.reset(options={"task": "clamp"})
    plain = {key: observation[key] for key in ("tokens", "roles", "language", "budget")}
    action, state = policy.act(plain, deterministic=True)
    later, *_ = wrapped.step(action)
    bare = {key: later[key] for key in plain}
    with torch.no_grad():
        trained = policy.model.encode(policy._batch(later)).z_H
        alone = policy.model.encode(policy._batch(bare)).z_H
        _, next_state = policy.act(bare, state=state, deterministic=True)
    assert next_state.last is not None
    assert not torch.allclose(trained, alone, atol=1e-5)
    if options.keys() != {"specialists"}:  # `latents` are from before the read-out's adapter
        assert torch.allclose(next_state.last[2][0].float(), trained, atol=1e-2)


def test_one_that_does_not_remember_keeps_nothing(env: SoftwareEnv) -> None:
    observation, _ = env.reset(options={"task": "clamp"})
    _, state = policy_of(env).act(observation)
    assert state.last is None


def test_noise_and_ranking_choose_the_best_run(env: SoftwareEnv) -> None:
    observation, _ = env.reset(options={"task": "clamp"})
    found = {}
    for samples in (1, 8):
        policy = policy_of(env, latent_samples=samples, latent_noise=0.5, dtype="float32")
        with torch.no_grad():
            torch.manual_seed(3)
            policy.model.q_head.weight.normal_()
            encoded = policy.model.encode(policy._batch(observation))
            found[samples] = float(encoded.q_halt[0])
    assert found[8] > found[1]


def test_training_needs_the_wrapper(env: SoftwareEnv) -> None:
    options = {"model": {**SMALL, "carry": "keep"}}
    with pytest.raises(ConfigError, match="PreviousStep"):
        PPO(HRMPolicy, env, policy_kwargs=options, n_steps=2, batch_size=2)
    PPO(HRMPolicy, PreviousStep(env), policy_kwargs=options, n_steps=2, batch_size=2)


def test_a_checkpoint_can_be_given_new_parts_and_not_lose_any(
    env: SoftwareEnv, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "plain", policy_of(env).model, "card", {})
    grown = {"reverse": {"kind": "gate"}, "specialists": {"kind": "language"}}
    start = str(tmp_path / "plain")
    policy = make_policy(HRMPolicyConfig(kind="hrm", checkpoint=start, **grown), env, seed=0)  # type: ignore[arg-type]
    assert isinstance(policy, HRMPolicy)
    save_checkpoint(tmp_path / "grown", policy.model, "card", {})
    kept = checkpoint_options(HRMPolicyConfig(kind="hrm", checkpoint=str(tmp_path / "grown")))
    assert kept["reverse"]["kind"] == "gate"
    off = HRMPolicyConfig(kind="hrm", checkpoint=str(tmp_path / "grown"), reverse={"kind": "mlp"})  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="reverse"):
        checkpoint_options(off)
