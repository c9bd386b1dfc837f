"""Gymnasium's own wrappers and vector environments."""

import pickle

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import (
    Autoreset,
    FlattenObservation,
    OrderEnforcing,
    PassiveEnvChecker,
    RecordEpisodeStatistics,
    TimeLimit,
)

import hrmgym  # noqa: F401

ID = "hrmgym/Katas-v0"


def episode(env: gym.Env) -> dict:
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    ended = False
    while not ended:
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        ended = terminated or truncated
    env.close()
    return info


check_env(gym.make(ID).unwrapped, skip_render_check=False)
assert episode(RecordEpisodeStatistics(gym.make(ID, max_steps=4)))["episode"]["l"] <= 4
assert "is_success" in episode(TimeLimit(gym.make(ID), max_episode_steps=3))
for wrapper in (OrderEnforcing, PassiveEnvChecker, FlattenObservation):
    episode(wrapper(gym.make(ID, max_steps=3)))
autoreset = Autoreset(gym.make(ID, max_steps=2))
autoreset.reset(seed=0)
for _ in range(6):
    autoreset.step(autoreset.action_space.sample())
autoreset.close()

for mode in ("sync", "async"):
    vector = gym.make_vec(ID, num_envs=2, vectorization_mode=mode, max_steps=3)
    seen, info = vector.reset(seed=0)
    assert seen["tokens"].shape[0] == 2
    for _ in range(5):
        _, rewards, *_, info = vector.step(vector.action_space.sample())
    assert rewards.shape == (2,)
    assert np.asarray(info["is_success"]).shape == (2,)
    vector.close()

again = pickle.loads(pickle.dumps(gym.spec(ID)))
assert gym.make(again, max_steps=2).spec.to_json() == gym.make(ID, max_steps=2).spec.to_json()
