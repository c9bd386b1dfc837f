"""torchrl: GymEnv by id, its checker, rollouts, pixels, and parallel environments."""

from torchrl.envs import GymEnv, ParallelEnv, check_env_specs

import hrmgym  # noqa: F401

ID, CANDIDATES = "hrmgym/Katas-v0", "hrmgym/Katas-Candidates-v0"


def main() -> None:
    for name in (ID, CANDIDATES):
        env = GymEnv(name)
        check_env_specs(env, seed=0)
        rollout = env.rollout(4)
        assert rollout["next", "reward"].shape[-1] == 1
        env.close()
    pixels = GymEnv(ID, from_pixels=True, pixels_only=False)
    assert pixels.rollout(2)["pixels"].shape[-1] == 3
    pixels.close()
    parallel = ParallelEnv(2, lambda: GymEnv(CANDIDATES))
    assert parallel.rollout(3).shape[0] == 2
    parallel.close()


if __name__ == "__main__":
    main()
