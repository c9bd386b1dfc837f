"""Stable-Baselines3: its checker, PPO with the HRM's policy, and stock PPO, A2C and DQN."""

import gymnasium as gym
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import hrmgym  # noqa: F401
from hrmgym.policies.hrm import HRMPolicy

ID, CANDIDATES = "hrmgym/Katas-v0", "hrmgym/Katas-Candidates-v0"

check_env(gym.make(ID).unwrapped)
check_env(gym.make(CANDIDATES))
PPO(HRMPolicy, ID, n_steps=8, batch_size=4, n_epochs=1).learn(8)
model = PPO(HRMPolicy, make_vec_env(ID, 2, seed=0), n_steps=4, batch_size=4, n_epochs=1).learn(8)
model.save("ppo")
again = PPO.load("ppo", env=make_vec_env(ID, 2, seed=0))
assert again.num_timesteps == model.num_timesteps
for kind in (PPO, A2C):
    kind("MultiInputPolicy", CANDIDATES, n_steps=8).learn(16)
DQN("MultiInputPolicy", CANDIDATES, learning_starts=8, buffer_size=64).learn(16)
rewards, _ = evaluate_policy(again, make_vec_env(ID, 1, seed=0), n_eval_episodes=1)
assert rewards <= 1.0
