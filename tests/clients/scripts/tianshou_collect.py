"""tianshou: collectors over vector environments, and a short training of DQN."""

import gymnasium as gym
from gymnasium.wrappers import FlattenObservation
from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv, SubprocVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net

import hrmgym  # noqa: F401

ID = "hrmgym/Katas-Candidates-v0"


def make() -> gym.Env:
    return FlattenObservation(gym.make(ID, max_steps=4))


def main() -> None:
    env = make()
    net = Net(
        state_shape=env.observation_space.shape,
        action_shape=int(env.action_space.n),
        hidden_sizes=[16],
    )
    policy = DiscreteQLearningPolicy(model=net, action_space=env.action_space, eps_training=0.5)
    algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3))
    for kind in (DummyVectorEnv, SubprocVectorEnv):
        vector = kind([make for _ in range(2)])
        collector = Collector(algorithm, vector, VectorReplayBuffer(64, 2))
        collector.reset()
        # not random=True: tianshou would sample the space below all wrappers
        assert collector.collect(n_step=8).n_collected_steps >= 8
        result = algorithm.run_training(
            OffPolicyTrainerParams(
                training_collector=collector,
                max_epochs=1,
                epoch_num_steps=16,
                collection_step_num_env_steps=8,
                batch_size=8,
                test_step_num_episodes=0,
            )
        )
        assert result.train_step >= 16
        vector.close()


if __name__ == "__main__":
    main()
