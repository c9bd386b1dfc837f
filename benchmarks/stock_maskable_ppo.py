"""Stock MaskablePPO on the katas, with no policy of this package: the environments stand alone.

    python benchmarks/stock_maskable_ppo.py --steps 40000 --json

Trains sb3-contrib's MaskablePPO with its own MultiInputPolicy on `CandidateActions`, on one task of
each program of the train split, and scores it before and after: on those tasks, and on the test
split, whose programs it never saw.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from sb3_contrib import MaskablePPO
from stable_baselines3.common.vec_env import DummyVecEnv

from hrmgym.envs import make_benchmark
from hrmgym.envs.candidates import CandidateActions
from hrmgym.envs.scoring import bootstrap


def make_env(tasks: Sequence[str]) -> CandidateActions:
    """The katas as a choice between candidate edits."""
    return CandidateActions(gymnasium.make("hrmgym/Katas-v0", tasks=tasks), k=96)


def one_task_each(split: str) -> list[str]:
    """The first task of each program of a split."""
    first: dict[str, str] = {}
    for task in make_benchmark("katas").tasks(split):
        first.setdefault(task.id.partition("/")[0], task.id)
    return list(first.values())


def solved(model: MaskablePPO, tasks: Sequence[str], episodes: int, seed: int) -> dict[str, Any]:
    """Share of sampled episodes that are solved; 95 % bootstrap interval over tasks."""
    env = make_env(tasks)
    model.set_random_seed(seed)
    shares = []
    for task in tasks:
        count = 0
        for _ in range(episodes):
            observation, info = env.reset(seed=seed, options={"task": task})
            over = False
            while not over:
                action, _ = model.predict(observation, action_masks=env.action_masks())
                observation, _, terminated, truncated, info = env.step(int(action))
                over = terminated or truncated
            count += info["is_success"]
        shares.append(count / episodes)
    env.close()
    low, high = bootstrap(shares, 0.95, seed)
    return {"tasks": len(tasks), "solved": float(np.mean(shares)), "low": low, "high": high}


def main() -> None:
    """Trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=8, help="episodes scored per task")
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    options = parser.parse_args()
    tasks = {split: one_task_each(split) for split in ("train", "test")}
    model = MaskablePPO(
        "MultiInputPolicy",
        DummyVecEnv([lambda: make_env(tasks["train"])] * 4),
        n_steps=128,
        batch_size=128,
        learning_rate=1e-3,
        ent_coef=0.003,
        gamma=0.9,
        policy_kwargs={"net_arch": [64]},
        seed=options.seed,
        device="cpu",
    )
    result: dict[str, Any] = {"steps": options.steps, "seed": options.seed}
    for split in ("train", "test"):
        result[f"{split}_before"] = solved(model, tasks[split], options.episodes, 1)
    started = time.monotonic()
    model.learn(options.steps)
    result["steps_per_s"] = options.steps / (time.monotonic() - started)
    for split in ("train", "test"):
        result[f"{split}_after"] = solved(model, tasks[split], options.episodes, 1)
    model.get_env().close()
    if options.json:
        print(json.dumps(result))
        return
    for split in ("train", "test"):
        for when in ("before", "after"):
            row = result[f"{split}_{when}"]
            print(
                f"{split:5} {when:6} solved {row['solved']:.3f} "
                f"[{row['low']:.3f}, {row['high']:.3f}] of {row['tasks']} tasks"
            )
    print(f"{result['steps_per_s']:.0f} steps/s")


if __name__ == "__main__":
    main()
