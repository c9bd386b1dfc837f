"""A loop in CleanRL's manner: vector environments, a small network, PPO's loss by hand."""

import gymnasium as gym
import numpy as np
import torch
from gymnasium.wrappers import FlattenObservation, RecordEpisodeStatistics
from torch import nn

import hrmgym  # noqa: F401

ID, ENVS, STEPS = "hrmgym/Katas-Candidates-v0", 2, 8


def make_env(number: int):
    def thunk() -> gym.Env:
        env = RecordEpisodeStatistics(FlattenObservation(gym.make(ID, max_steps=6)))
        env.action_space.seed(number)
        return env

    return thunk


envs = gym.vector.SyncVectorEnv([make_env(number) for number in range(ENVS)])
assert isinstance(envs.single_action_space, gym.spaces.Discrete)
size = int(np.prod(envs.single_observation_space.shape))
network = nn.Sequential(nn.Linear(size, 32), nn.Tanh())
actor, critic = nn.Linear(32, int(envs.single_action_space.n)), nn.Linear(32, 1)
parameters = [p for part in (network, actor, critic) for p in part.parameters()]
optimizer = torch.optim.Adam(parameters, lr=1e-3)
seen, _ = envs.reset(seed=1)
logprobs, values, rewards, finished = [], [], [], 0
for _ in range(STEPS):
    hidden = network(torch.as_tensor(seen, dtype=torch.float32) / 8192)
    choice = torch.distributions.Categorical(logits=actor(hidden))
    action = choice.sample()
    seen, reward, terminations, truncations, infos = envs.step(action.numpy())
    logprobs.append(choice.log_prob(action))
    values.append(critic(hidden).flatten())
    rewards.append(torch.as_tensor(reward, dtype=torch.float32))
    if "episode" in infos:
        finished += int(infos["_episode"].sum())
returns = torch.stack(rewards).flip(0).cumsum(0).flip(0)
advantage = returns - torch.stack(values)
loss = -(torch.stack(logprobs) * advantage.detach()).mean() + advantage.pow(2).mean()
loss.backward()
optimizer.step()
envs.close()
assert finished >= ENVS
