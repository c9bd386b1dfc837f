"""Stock algorithms learn in these environments, with no policy of this package involved."""

from __future__ import annotations

import gymnasium
import pytest
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import DummyVecEnv

from hrmgym.envs.candidates import CandidateActions

TASKS = [
    f"{name}/{bug}" for name in ("merge_bookings", "clock_angle") for bug in ("hand-1", "hand-2")
]


def make_env() -> CandidateActions:
    return CandidateActions(gymnasium.make("hrmgym/Katas-v0", tasks=TASKS), k=96)


def solved(model: MaskablePPO, episodes: int = 40) -> float:
    """Share of sampled episodes that are solved."""
    env, count = make_env(), 0
    model.set_random_seed(1)
    for episode in range(episodes):
        observation, info = env.reset(seed=1, options={"task": TASKS[episode % len(TASKS)]})
        over = False
        while not over:
            action, _ = model.predict(observation, action_masks=env.action_masks())
            observation, _, terminated, truncated, info = env.step(int(action))
            over = terminated or truncated
        count += info["is_success"]
    env.close()
    return count / episodes


@pytest.mark.nightly
def test_maskable_ppo_learns() -> None:
    env = DummyVecEnv([make_env] * 4)
    model = MaskablePPO(
        "MultiInputPolicy",
        env,
        n_steps=64,
        batch_size=64,
        learning_rate=1e-3,
        gamma=0.9,
        policy_kwargs={"net_arch": [64]},
        seed=0,
        device="cpu",
    )
    before = solved(model)
    model.learn(3584)
    after = solved(model)
    env.close()
    assert after > before + 0.3, (before, after)


def test_dqn_runs_unchanged() -> None:
    env = make_env()
    model = DQN("MultiInputPolicy", env, learning_starts=16, buffer_size=256, seed=0, device="cpu")
    model.learn(48)
    env.close()
