"""Tests of the policies without weights."""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest

from hrmgym.envs.interfaces.base import TOOLS
from hrmgym.envs.interfaces.edit import tool_number
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.policies import Policy, make_policy
from hrmgym.policies.baselines import NoopPolicy, RandomPolicy, ReferencePolicy
from hrmgym.policies.config import NoopConfig, RandomConfig, ReferenceConfig
from hrmgym.tests.tiny import Tiny


@pytest.fixture
def env() -> Iterator[SoftwareEnv]:
    """The tiny benchmark."""
    made = SoftwareEnv(Tiny())
    yield made
    made.close()


def test_policies_by_config(env: SoftwareEnv) -> None:
    for config, kind in (
        (RandomConfig(kind="random"), RandomPolicy),
        (ReferenceConfig(kind="reference"), ReferencePolicy),
        (NoopConfig(kind="noop"), NoopPolicy),
    ):
        policy = make_policy(config, env)
        assert isinstance(policy, kind)
        assert isinstance(policy, Policy)


def test_random_actions_are_legal_and_of_every_kind(env: SoftwareEnv) -> None:
    policy = RandomPolicy(env, 0)
    tools, refused = set(), []
    for seed in range(40):
        observation, _ = env.reset(seed=seed)
        over = False
        while not over:
            action, _ = policy.act(observation)
            assert env.action_space.contains(action)
            tools.add(TOOLS[action[0]])
            observation, _, terminated, truncated, info = env.step(action)
            refused.append(info["refused"])
            over = terminated or truncated
    assert tools == {"edit", "undo", "submit"}
    # What only the decoded text can tell: half a character, or the same text again.
    assert all("UTF-8" in why or "changes nothing" in why for why in refused if why)
    assert np.mean([bool(why) for why in refused]) < 0.2


def test_random_actions_are_seeded(env: SoftwareEnv) -> None:
    observation, _ = env.reset(seed=0)

    def drawn(seed: int) -> list[bytes]:
        policy = RandomPolicy(env, seed)
        return [policy.act(observation)[0].tobytes() for _ in range(8)]

    assert drawn(1) == drawn(1) != drawn(2)
    policy = RandomPolicy(env, 5)
    policy.seed(1)
    assert policy.act(observation)[0].tobytes() == drawn(1)[0]


def test_the_reference_follows_the_environment_it_is_given(env: SoftwareEnv) -> None:
    policy = ReferencePolicy(env)
    other = SoftwareEnv(Tiny(), task="clamp")
    policy.begin(other)
    observation, _ = other.reset(seed=0)
    over = False
    while not over:
        observation, _, terminated, truncated, info = other.step(policy.act(observation)[0])
        over = terminated or truncated
    other.close()
    assert info["is_success"]


def test_noop_submits(env: SoftwareEnv) -> None:
    observation, _ = env.reset(seed=0)
    action, _ = NoopPolicy(env).act(observation)
    assert action[0] == tool_number("submit")
    _, _, terminated, _, info = env.step(action)
    assert terminated
    assert not info["is_success"]


def test_noop_and_reference_act_in_the_shell_and_random_does_not() -> None:
    shell = SoftwareEnv(Tiny(), interface="shell")
    assert NoopPolicy(shell).act("")[0] == "submit"  # type: ignore[arg-type]
    shell.reset(seed=0)
    assert "printf" in ReferencePolicy(shell).act("")[0]  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="edit interface only"):
        RandomPolicy(shell)
    shell.close()


def test_other_environments_are_refused() -> None:
    with pytest.raises(ConfigError, match="acts in a SoftwareEnv"):
        NoopPolicy(gymnasium.make("CartPole-v1"))
