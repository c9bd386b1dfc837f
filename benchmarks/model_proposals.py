"""How long a decision's two parts take: the network's pass, and the search for its k best edits.

    python benchmarks/model_proposals.py --json

Medians in milliseconds over canvases of the katas' test split, with the checkpoint that ships (or
another). A network that knows nothing, as at the start of training, is searched the longest: no
edit stands out. `--checkpoint none` measures that.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import gymnasium
import torch
from torch import Tensor

from hrmgym.envs.software import SoftwareEnv
from hrmgym.policies.config import HRMPolicyConfig
from hrmgym.policies.hrm import HRMPolicy, make_hrm_policy

CANVAS = 512
COUNTS = (1, 8, 32, 128)


def measure(policy: HRMPolicy, observations: list[dict[str, Tensor]]) -> dict[str, float]:
    """Medians in milliseconds: `network_ms`, and `search_<k>_ms` for each number of proposals."""
    times: dict[str, list[float]] = {}
    with torch.no_grad():
        for number, observation in enumerate(observations):
            start = time.perf_counter()
            _, edits = policy.encode(observation)
            taken = {"network_ms": time.perf_counter() - start}
            for k in COUNTS:
                start = time.perf_counter()
                edits.top_k(k, distinct=True)
                taken[f"search_{k}_ms"] = time.perf_counter() - start
            if number:  # the first packs weights
                for name, seconds in taken.items():
                    times.setdefault(name, []).append(1000 * seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--checkpoint", default="hrmgym:hrm-small", help="or none: random weights")
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    env = gymnasium.make("hrmgym/Katas-v0", canvas=CANVAS).unwrapped
    assert isinstance(env, SoftwareEnv)
    checkpoint = None if chosen.checkpoint == "none" else chosen.checkpoint
    policy = make_hrm_policy(HRMPolicyConfig(kind="hrm", checkpoint=checkpoint), env, 0)
    tasks = env.benchmark.tasks("test")
    observations = []
    for task in tasks[:: max(1, len(tasks) // chosen.tasks)]:
        observation, _ = env.reset(seed=0, options={"task": task.id})
        batch = policy.obs_to_tensor(observation)[0]
        assert isinstance(batch, dict)
        observations.append(batch)
    env.close()
    found = measure(policy, observations)
    if chosen.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:20}{value:12.2f}")


if __name__ == "__main__":
    main()
