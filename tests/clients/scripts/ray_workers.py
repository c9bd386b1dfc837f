"""Ray Core: environments in actors."""

import gymnasium as gym
import ray


@ray.remote(num_cpus=1)
class Worker:
    def __init__(self, name: str) -> None:
        self.env = gym.make(name, max_steps=3)

    def episode(self, seed: int) -> int:
        self.env.reset(seed=seed)
        self.env.action_space.seed(seed)
        for step in range(1, 9):
            *_, terminated, truncated, info = self.env.step(self.env.action_space.sample())
            if terminated or truncated:
                assert "is_success" in info
                return step
        raise AssertionError("the episode did not end")


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
workers = [Worker.remote("hrmgym:hrmgym/Katas-v0") for _ in range(2)]
steps = ray.get([worker.episode.remote(seed) for seed, worker in enumerate(workers)])
assert all(1 <= count <= 3 for count in steps), steps
ray.shutdown()
