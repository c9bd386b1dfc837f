"""Stock MaskablePPO on the katas, with no policy of this package: the environments stand alone.

    python benchmarks/stock_maskable_ppo.py --steps 60000 --json

Trains sb3-contrib's MaskablePPO with its own MultiInputPolicy on `CandidateActions`, and scores it
before and after: on tasks of the train split, and on the test split, whose programs it never saw.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import gymnasium
import numpy as np
from sb3_contrib import MaskablePPO
from stable_baselines3.common.vec_env import DummyVecEnv

from hrmgym.envs.candidates import CandidateActions
from hrmgym.envs.scoring import wilson


def make_env(split: str) -> CandidateActions:
    """The katas as a choice between candidate edits."""
    return CandidateActions(gymnasium.make("hrmgym/Katas-v0", split=split), k=128)


def solved(model: MaskablePPO, split: str, most: int, seed: int) -> dict[str, Any]:
    """One sampled episode per task: how many are solved, with a 95 % Wilson interval."""
    env = make_env(split)
    tasks = env.unwrapped.benchmark.tasks(split)  # type: ignore[attr-defined]
    tasks = tasks[:: -(-len(tasks) // most)]
    model.set_random_seed(seed)
    count = 0
    for task in tasks:
        observation, info = env.reset(seed=seed, options={"task": task.id})
        over = False
        while not over:
            action, _ = model.predict(observation, action_masks=env.action_masks())
            observation, _, terminated, truncated, info = env.step(int(action))
            over = terminated or truncated
        count += info["is_success"]
    env.close()
    low, high = wilson(count, len(tasks), 0.95)
    return {"tasks": len(tasks), "solved": count / len(tasks), "low": low, "high": high}


def main() -> None:
    """Trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", type=int, default=200, help="tasks scored in each split")
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    options = parser.parse_args()
    model = MaskablePPO(
        "MultiInputPolicy",
        DummyVecEnv([lambda: make_env("train")] * 8),
        n_steps=128,
        batch_size=256,
        n_epochs=4,
        learning_rate=5e-4,
        ent_coef=0.01,
        gamma=0.9,
        policy_kwargs={"net_arch": [128]},
        seed=options.seed,
        device="cpu",
    )
    result: dict[str, Any] = {"steps": options.steps, "seed": options.seed}
    for split in ("train", "test"):
        result[f"{split}_before"] = solved(model, split, options.tasks, 1)
    started = time.monotonic()
    model.learn(options.steps)
    result["steps_per_s"] = options.steps / (time.monotonic() - started)
    for split in ("train", "test"):
        result[f"{split}_after"] = solved(model, split, options.tasks, 1)
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
    print(f"{np.round(result['steps_per_s'])} steps/s")


if __name__ == "__main__":
    main()
