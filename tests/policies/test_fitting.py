"""Tests of environments that HRMPolicy cannot read: a sentence each, that names the wrapper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces, wrappers
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

from hrmgym.envs.candidates import CandidateActions
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.policies.fitting import check_observation, check_spaces
from hrmgym.policies.hrm import HRMPolicy
from hrmgym.policies.memory import PreviousStep
from hrmgym.tests.tiny import Tiny

KEYS = ("tokens", "roles", "budget")
Env = gymnasium.Env[Any, Any]
SMALL = {"model": {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1}}
SETTINGS: dict[str, Any] = {"n_steps": 4, "batch_size": 4, "n_epochs": 1, "policy_kwargs": SMALL}


def made(**options: Any) -> Env:
    return SoftwareEnv(Tiny(), canvas=64, **options)


def as_floats(env: Env) -> Env:
    """As RescaleObservation and DtypeObservation leave a part of a Dict."""
    parts = dict(env.observation_space.spaces)  # type: ignore[attr-defined]
    parts["budget"] = spaces.Box(0.0, 1.0, parts["budget"].shape)
    return wrappers.TransformObservation(env, lambda seen: seen, spaces.Dict(parts))


def rescaled(env: Env) -> Env:
    """Integers still, of other bounds."""
    parts = dict(env.observation_space.spaces)  # type: ignore[attr-defined]
    parts["tokens"] = spaces.Box(-128, 127, parts["tokens"].shape, np.int32)
    return wrappers.TransformObservation(env, lambda seen: seen, spaces.Dict(parts))


def discrete(env: Env) -> Env:
    return wrappers.TransformAction(env, lambda action: action, spaces.Discrete(4))


WRONG: dict[str, tuple[Callable[[], Env], str]] = {
    "flattened": (lambda: wrappers.FlattenObservation(made()), "leave out FlattenObservation"),
    "pictures": (
        lambda: wrappers.AddRenderObservation(made(render_mode="rgb_array")),
        "AddRenderObservation",
    ),
    "candidates": (lambda: CandidateActions(made(), 8), "CandidateActions shows features"),
    "stacked": (
        lambda: wrappers.FrameStackObservation(made(), 3),
        r"shape \(3, 64\) for a canvas of 64: leave out FrameStackObservation",
    ),
    "filtered": (
        lambda: wrappers.FilterObservation(made(), ["tokens", "roles"]),
        "language, budget missing: FilterObservation must keep",
    ),
    "floats": (lambda: as_floats(made()), r"'budget' .* not integers: use VecNormalize"),
    "bounds": (lambda: rescaled(made()), r"'tokens' .* lies in -128 to 127, not in 0 to 8191"),
    "actions": (lambda: discrete(made()), r"needs the actions of .* got Discrete\(4\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_wrapper_is_named(name: str) -> None:
    make, told = WRONG[name]
    with pytest.raises(ConfigError, match=told):
        PPO(HRMPolicy, DummyVecEnv([make]), **SETTINGS)


def test_text_is_for_language_models() -> None:  # Stable-Baselines3 itself cannot hold it
    env = made(interface="shell")
    with pytest.raises(ConfigError, match="interface='shell' shows text"):
        HRMPolicy(env.observation_space, env.action_space, lambda _: 1e-3)


def test_stacked_frames_of_stable_baselines3() -> None:
    with pytest.raises(ConfigError, match=r"got shape \(256,\) for a canvas of 64.*VecFrameStack"):
        PPO(HRMPolicy, VecFrameStack(DummyVecEnv([made]), 4), **SETTINGS)


@pytest.mark.parametrize(
    "keys", [None, *(pytest.param([key], marks=pytest.mark.nightly) for key in KEYS)]
)
def test_normalised_token_ids_are_a_sentence(keys: list[str] | None) -> None:
    env = VecNormalize(DummyVecEnv([made, made]), norm_obs=True, norm_obs_keys=keys)
    model = PPO(HRMPolicy, env, **SETTINGS)
    with pytest.raises(ConfigError, match=r"use VecNormalize\(norm_obs=False\)"):
        model.learn(16)
    env.close()


def test_normalised_rewards_are_fine_and_so_are_the_right_wrappers() -> None:
    env = VecNormalize(DummyVecEnv([made, made]), norm_obs=False)
    PPO(HRMPolicy, env, **SETTINGS).learn(8)
    env.close()
    for right in (made(), PreviousStep(made()), wrappers.RecordEpisodeStatistics(made())):
        assert check_spaces(right.observation_space, right.action_space) == 64
    vec = make_vec_env("hrmgym/Katas-v0", 1)
    assert check_spaces(vec.observation_space, vec.action_space) == 256
    vec.close()


def test_observations_as_other_libraries_cast_them_are_fine() -> None:
    env = made()
    seen = {key: torch.as_tensor(value)[None] for key, value in env.reset(seed=0)[0].items()}
    env.close()
    for kind in (torch.int32, torch.int64, torch.float32):
        check_observation({key: value.to(kind) for key, value in seen.items()})
    for key, value, told in (
        ("tokens", 8192, "holds 8192, outside 0 to 8191"),
        ("roles", -1, "holds -1, outside 0 to"),
        ("budget", -3, "holds -3, outside 0 to any count"),
        ("tokens", 0.5, "integers no more, for example 0.5"),
        ("tokens", float("nan"), "integers no more, for example nan"),
    ):
        broken = {**seen, key: seen[key].to((type(value) is int and torch.int64) or torch.float32)}
        broken[key] = broken[key].clone()
        broken[key][0, 0] = value
        with pytest.raises(ConfigError, match=told):
            check_observation(broken)
    with pytest.raises(ConfigError, match="an observation without roles, language, budget"):
        check_observation({"tokens": seen["tokens"]})


@pytest.mark.parametrize(
    ("length", "told"),
    [(10**9, "less than or equal to 65536"), (63, "greater than or equal to 64")],
)
def test_a_canvas_of_a_wrong_length(length: int, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        SoftwareEnv(Tiny(), canvas=length)
