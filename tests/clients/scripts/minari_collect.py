"""Minari: episodes collected with their infos, kept as a data set, and read again."""

import os
from pathlib import Path

os.environ["MINARI_DATASETS_PATH"] = str(Path.cwd() / "data")

import gymnasium as gym
import minari
import numpy as np

import hrmgym  # noqa: F401

MADE = {
    "edit": {"id": "hrmgym/Katas-v0"},
    "candidates": {"id": "hrmgym/Katas-Candidates-v0"},
    "shell": {"id": "hrmgym/Katas-v0", "interface": "shell"},
}

for name, options in MADE.items():
    made = gym.make(**options, max_steps=3)
    env = minari.DataCollector(made, record_infos=True)
    env.action_space.seed(0)
    for episode in range(2):
        env.reset(seed=episode)
        ended = False
        while not ended:
            action = "ls" if name == "shell" else env.action_space.sample()
            _, _, terminated, truncated, _ = env.step(action)
            ended = terminated or truncated
    data = env.create_dataset(f"test/{name}-v0", author="nobody")
    again = minari.load_dataset(data.spec.dataset_id)
    assert again.total_episodes == 2
    first = next(iter(again.iterate_episodes()))
    assert 1 <= len(first.rewards) <= 3
    assert np.asarray(first.infos["is_success"]).shape[0] == len(first.rewards) + 1
    recovered = again.recover_environment()
    assert recovered.spec.id == made.spec.id
    recovered.close()
    env.close()
