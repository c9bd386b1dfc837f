"""What staged time limits save, and what they lose: a policy's proposals under several stages.

    HRMGYM_DATA=... python benchmarks/staged_limits.py --stages "" 0.05 [--own 2] [--json]

Each task is played under every choice of stages, one after the other, so that what else the machine
does hits all alike. The network's passes are left out: each task's proposals are made once. Prints
the CPU seconds of the visible tests' runs, which hardly depend on the machine's load, and the
seconds of the whole.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hrmgym.envs.benchmark import Benchmark, make_benchmark
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Task
from hrmgym.experiments.evaluate.score import make_proposer
from hrmgym.experiments.loader import load
from hrmgym.policies.base import Proposals, Proposer
from hrmgym.search.stages import TestRuns
from hrmgym.search.steps import passed
from hrmgym.search.tries import tries


class Once:
    """Asks a policy once for the proposals of each observation."""

    def __init__(self, policy: Proposer) -> None:
        self._policy = policy
        self._made: dict[tuple[bytes, int], Proposals] = {}

    def propose(self, observation: Any, k: int) -> Proposals:
        """As the policy's own."""
        key = b"".join(observation[name].tobytes() for name in sorted(observation)), k
        if key not in self._made:
            self._made[key] = self._policy.propose(observation, k)
        return self._made[key]

    def propose_batch(self, observations: Sequence[Any], k: int) -> list[Proposals]:
        """As `propose`, of each."""
        return [self.propose(one, k) for one in observations]


@dataclass
class Sums:
    """What one choice of stages came to, over all tasks."""

    stages: tuple[float, ...]
    solved: int = 0
    """Tasks whose first proposal that passes the visible tests passes the hidden ones too."""
    cpu_s: float = 0.0
    """CPU seconds of runs of the visible tests."""
    seconds: float = 0.0
    """Wall-clock seconds of all that is done for a proposal."""
    test_runs: int = 0
    repeats: int = 0
    timed_out: int = 0
    near_limit: int = 0


def patient(benchmark: Benchmark, own_s: float | None) -> Benchmark:
    """The benchmark with another CPU limit of its tasks."""
    if own_s is None:
        return benchmark

    class Patient(type(benchmark)):  # type: ignore[misc]
        def tasks(self, split: str) -> Sequence[Task]:
            return [
                replace(one, limits=replace(one.limits, cpu_s=own_s))
                for one in super().tasks(split)
            ]

    made: Benchmark = Patient()
    return made


def play(env: SoftwareEnv, policy: Proposer, task: str, k: int, sums: Sums) -> bool:
    """Plays a task under one choice of stages; whether it is solved."""
    env.sandbox_config = env.sandbox_config.model_copy(update={"stages": sums.stages})
    env._place = f"stages {sums.stages}"  # what one choice has run, another one has not
    counts, seen, solved = TestRuns(), set(), False
    kept = []  # so that no other outcome gets the id of one that was seen
    started = time.perf_counter()
    for one in tries(policy, env, task, k, seed=0):
        counts.add(one)
        ran = one.result.ran
        if ran is not None and id(ran) not in seen:  # else the program came before, and was not run
            sums.cpu_s += ran.cpu_s
            seen.add(id(ran))
            kept.append(ran)
        if passed(one.result):
            solved = env.grade(one.result).resolved
            break
    sums.seconds += time.perf_counter() - started
    sums.solved += solved
    for name, count in counts.to_dict().items():
        setattr(sums, name, getattr(sums, name) + count)
    return solved


def main() -> None:
    """Plays the tasks and prints the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", default="score-quixbugs-policy")
    parser.add_argument("--proposals", type=int, default=128)
    parser.add_argument("--stages", nargs="+", default=["", "0.05"], help='as "0.1,0.5"; "": none')
    parser.add_argument("--own", type=float, help="CPU seconds in place of the tasks' own limits")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    experiment = load(asked.experiment)
    config = experiment.benchmark
    benchmark = patient(make_benchmark(config.name, config.path), asked.own)
    options = experiment.env_kwargs(config.eval_split)
    options |= {"benchmark": benchmark, "benchmark_path": None}
    env = SoftwareEnv(**options)
    policy = Once(make_proposer(experiment, env))
    choices = [Sums(tuple(float(one) for one in text.split(",") if one)) for text in asked.stages]
    for task in benchmark.tasks(config.eval_split):
        next(iter(tries(policy, env, task.id, asked.proposals, seed=0)))  # proposals are made
        solved = [play(env, policy, task.id, asked.proposals, sums) for sums in choices]
        print(task.id, *solved, file=sys.stderr, flush=True)
    env.close()
    if asked.json:
        print(json.dumps([asdict(sums) for sums in choices]))
        return
    for sums in choices:
        print(sums)


if __name__ == "__main__":
    main()
