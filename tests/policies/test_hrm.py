"""Tests of the network as a policy: what PPO trains is what acts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.interfaces.base import TOOLS
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.hrm.checkpoint import save_checkpoint
from hrmgym.policies import make_policy
from hrmgym.policies.base import Proposer
from hrmgym.policies.config import HRMPolicyConfig
from hrmgym.policies.hrm import HRMPolicy, checkpoint_options
from hrmgym.tests.tiny import Tiny

SMALL = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1}


@pytest.fixture
def env() -> Iterator[SoftwareEnv]:
    """The tiny benchmark on a short canvas."""
    made = SoftwareEnv(Tiny(), canvas=96, max_steps=4)
    yield made
    made.close()


@pytest.fixture
def policy(env: SoftwareEnv) -> HRMPolicy:
    """A small untrained network."""
    made = make_policy(HRMPolicyConfig(kind="hrm", **SMALL), env, seed=0)
    assert isinstance(made, HRMPolicy)
    return made


def batch(env: SoftwareEnv, policy: HRMPolicy) -> dict[str, torch.Tensor]:
    observations = [env.reset(options={"task": task})[0] for task in ("double", "clamp")]
    return {
        key: torch.from_numpy(np.stack([one[key] for one in observations]))
        for key in observations[0]
    }


def test_it_is_a_proposer(policy: HRMPolicy) -> None:
    assert isinstance(policy, Proposer)


def test_samples_are_legal(env: SoftwareEnv, policy: HRMPolicy) -> None:
    refused = 0
    for seed in range(20):
        policy.seed(seed)
        observation, _ = env.reset(seed=seed)
        over = False
        while not over:
            action, _ = policy.act(observation)
            assert env.action_space.contains(action)
            observation, _, terminated, truncated, info = env.step(action)
            # What no mask can tell: half a character, or the same text again.
            assert not info["refused"] or "UTF-8" in info["refused"] or "nothing" in info["refused"]
            refused += bool(info["refused"])
            over = terminated or truncated
    assert refused < 20


def test_forward_and_evaluate_agree(env: SoftwareEnv, policy: HRMPolicy) -> None:
    observations = batch(env, policy)
    with torch.no_grad():
        actions, values, log_prob = policy(observations)
        # PPO's buffer keeps actions as floats.
        again, same, entropy = policy.evaluate_actions(observations, actions.float())
        shared = policy.get_distribution(observations)
    assert actions.shape == (2, 19)
    assert torch.allclose(values, again)
    assert torch.allclose(log_prob, same, atol=1e-5)
    assert torch.allclose(shared.log_prob(actions), same, atol=1e-5)
    assert entropy is not None
    assert (entropy > 0).all()
    assert torch.equal(policy.predict_values(observations), values)


def test_proposals_are_the_most_probable_actions_in_order(
    env: SoftwareEnv, policy: HRMPolicy
) -> None:
    observation, _ = env.reset(options={"task": "clamp"})
    proposals = policy.propose(observation, 20)
    scores = [one.log_prob for one in proposals.actions]
    assert scores == sorted(scores, reverse=True)
    assert len({one.action.tobytes() for one in proposals.actions}) == 20
    tensors = {key: torch.from_numpy(value[None]) for key, value in observation.items()}
    actions = torch.from_numpy(np.stack([one.action for one in proposals.actions]))
    with torch.no_grad():
        edits = policy.get_distribution({k: v.expand(20, -1) for k, v in tensors.items()})
        assert torch.allclose(edits.log_prob(actions), torch.tensor(scores), atol=1e-4)


def test_deterministic_actions_do_not_repeat_themselves(
    env: SoftwareEnv, policy: HRMPolicy
) -> None:
    observation, _ = env.reset(options={"task": "clamp"})
    state, seen = None, []
    for _ in range(5):
        action, state = policy.act(observation, state=state, deterministic=True)
        seen.append(action.tobytes())
    assert len(set(seen)) == 5
    again, _ = policy.act(observation, deterministic=True)
    assert again.tobytes() == seen[0]


def test_masks_follow_the_observation(env: SoftwareEnv, policy: HRMPolicy) -> None:
    observation, _ = env.reset(options={"task": "clamp"})
    observation["roles"][:] = np.where(observation["roles"] > 6, 3, observation["roles"])
    for _ in range(10):
        assert TOOLS[policy.act(observation)[0][0]] != "edit"


def test_ppo_trains_every_part_of_the_network(env: SoftwareEnv) -> None:
    model = PPO(
        HRMPolicy,
        make_vec_env(lambda: SoftwareEnv(Tiny(), canvas=96, max_steps=4), n_envs=2, seed=0),
        n_steps=16,
        batch_size=16,
        n_epochs=1,
        policy_kwargs={"model": SMALL},
        seed=0,
        device="cpu",
    )
    assert isinstance(model.policy, HRMPolicy)
    before = {name: value.clone() for name, value in model.policy.named_parameters()}
    model.learn(32)
    moved = {
        name
        for name, value in model.policy.named_parameters()
        if not torch.equal(value, before[name])
    }
    # The halting head is not part of PPO's loss.
    assert moved == {name for name in before if "q_head" not in name}
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = PPO.load(file, device="cpu")
    observation, _ = env.reset(seed=0)
    for one in (model, loaded):
        torch.manual_seed(3)
        action, _ = one.predict(observation, deterministic=True)
        assert env.action_space.contains(action)
    assert (model.predict(observation, deterministic=True)[0] == action).all()
    assert model.env is not None
    model.env.close()


def test_checkpoints_act_as_the_network_they_came_from(
    env: SoftwareEnv, policy: HRMPolicy, tmp_path: Path
) -> None:
    folder = tmp_path / "ck"
    save_checkpoint(folder, policy.model, "card", {})
    twin = make_policy(HRMPolicyConfig(kind="hrm", checkpoint=str(folder)), env, seed=9)
    observation, _ = env.reset(seed=0)
    one, two = (p.act(observation, deterministic=True)[0] for p in (policy, twin))
    assert (one == two).all()


@pytest.mark.parametrize(
    ("keys", "canvas", "message"),
    [
        ({"hidden_size": 64}, 96, "its hidden_size is 32, policy.hidden_size is 64"),
        ({"H_layers": 3}, 96, "its H_layers is 1, policy.H_layers is 3"),
        ({}, 128, "its max_length is 96, here it is 128"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(
    policy: HRMPolicy, tmp_path: Path, keys: dict[str, Any], canvas: int, message: str
) -> None:
    folder = tmp_path / "ck"
    save_checkpoint(folder, policy.model, "card", {})
    config = HRMPolicyConfig(kind="hrm", checkpoint=str(folder), **keys)
    with pytest.raises(CheckpointError, match=message):
        make_policy(config, SoftwareEnv(Tiny(), canvas=canvas))


def test_the_checkpoints_shape_is_taken_where_none_is_given(
    policy: HRMPolicy, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "ck", policy.model, "card", {})
    options = checkpoint_options(HRMPolicyConfig(kind="hrm", checkpoint=str(tmp_path / "ck")))
    assert options["hidden_size"] == 32
    with pytest.raises(CheckpointError):
        checkpoint_options(HRMPolicyConfig(kind="hrm", checkpoint=str(tmp_path / "nothing")))


def test_wrong_use_says_so(env: SoftwareEnv) -> None:
    shell = SoftwareEnv(Tiny(), interface="shell")
    with pytest.raises(ConfigError, match="interface='edit'"):
        make_policy(HRMPolicyConfig(kind="hrm"), shell)
    with pytest.raises(ConfigError, match=r"hiden_size: .*did you mean 'hidden_size'"):
        HRMPolicy(env.observation_space, env.action_space, lambda _: 0.0, {"hiden_size": 3})


def test_the_interface_and_the_network_agree_on_the_action(
    env: SoftwareEnv, policy: HRMPolicy
) -> None:
    """A repair that the interface encodes is a legal action of the network."""
    observation, _ = env.reset(options={"task": "clamp"})
    assert isinstance(env.interface, EditInterface)
    action = env.interface.toward(env.state, env.task.reference)
    tensors = {key: torch.from_numpy(value[None]) for key, value in observation.items()}
    with torch.no_grad():
        log_prob = policy.get_distribution(tensors).log_prob(torch.from_numpy(action[None]))
    assert torch.isfinite(log_prob).all()


def test_int8_products_find_about_the_same(env: SoftwareEnv) -> None:
    shape: dict[str, Any] = {**SMALL, "hidden_size": 64}
    exact, rounded = (
        make_policy(HRMPolicyConfig(kind="hrm", products=products, **shape), env, seed=0)
        for products in ("exact", "int8")
    )
    assert isinstance(exact, HRMPolicy)
    assert isinstance(rounded, HRMPolicy)
    observations = batch(env, exact)
    with torch.no_grad():
        here, there = (one.model.encode(observations).z_H for one in (exact, rounded))
        apart = (here - there).norm() / here.norm()
    assert 1e-4 < apart < 0.1
    observation, _ = env.reset(options={"task": "double"})
    wanted, found = (one.propose(observation, 20) for one in (exact, rounded))
    same = {one.action.tobytes() for one in wanted.actions} & {
        one.action.tobytes() for one in found.actions
    }
    assert len(same) >= 10


def test_products_are_not_part_of_a_checkpoint(env: SoftwareEnv, tmp_path: Path) -> None:
    policy = make_policy(HRMPolicyConfig(kind="hrm", **SMALL), env, seed=0)
    assert isinstance(policy, HRMPolicy)
    save_checkpoint(tmp_path / "ck", policy.model, "card", {})
    config = HRMPolicyConfig(kind="hrm", checkpoint=str(tmp_path / "ck"), products="int8")
    again = make_policy(config, env, seed=0)
    assert isinstance(again, HRMPolicy)
    assert again.model.core.packing == "int8"
    assert checkpoint_options(config)["products"] == "int8"
