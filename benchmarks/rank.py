"""How fast a network puts the legal edits of a program in order.

    HRMGYM_DATA=... python benchmarks/rank.py [--checkpoint hrmgym:hrm-small] [--json]

`rank_10000_ms`: 10,000 edits listed and scored, beyond the forward pass; `forward_ms` is that pass.
`decision_ms`: all that stands between a program and the order of its edits, for each program of
QuixBugs: the edits made, the pass, the scores; medians. `decision_27m_ms` is the same of a network
of 27 million parameters in its recursion, with random weights, on one of them. Run it on a quiet
machine: it takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from model_decision import peak_rss_mb

from hrmgym.envs import make_benchmark
from hrmgym.envs.edits.places import FileEdit, edits_of
from hrmgym.envs.edits.python.kinds import BULKY, LEAN
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import Task
from hrmgym.envs.transitions import start_files
from hrmgym.errors import DataError
from hrmgym.policies.config import SIZES, HRMPolicyConfig
from hrmgym.policies.hrm import HRMPolicy, checkpoint_options, load_weights
from hrmgym.policies.hrm_ranking import HRMRanker

MANY = 10_000
_CANVAS = 512
_MOST = 50_000  # edits of a program that are put in order


def policy_of(checkpoint: str | None, size: str | None = None) -> HRMPolicy:
    """A network that ranks lists: a checkpoint's, or of a size and with random weights."""
    torch.manual_seed(0)
    interface = EditInterface(_CANVAS)
    config = HRMPolicyConfig(kind="hrm", checkpoint=checkpoint)
    options: Mapping[str, Any] = checkpoint_options(config) if size is None else SIZES[size]
    if not (options.get("ranking") or {}).get("kinds"):
        kinds = [kind.name for kind in (*LEAN, *BULKY)]
        options = {**options, "ranking": {"kinds": kinds}}
    policy = HRMPolicy(
        interface.observation_space,
        interface.action_space,
        lambda _: 0.0,
        model=options,
        trainable=False,
    )
    if checkpoint is not None and size is None:
        load_weights(policy, checkpoint)
    policy.set_training_mode(False)
    return policy


def begun(task: Task) -> State:
    """The state that a task begins in, before its tests have run."""
    files = start_files(task, {})
    return State(task=task.public, files=files, cursor=Cursor(next(iter(files))))


def with_edits(tasks: Sequence[Task], many: int) -> tuple[State, list[FileEdit]]:
    """The first task with so many edits.

    Raises:
        DataError: there is none.
    """
    for task in tasks:
        state = begun(task)
        edits = edits_of(state, many)
        if len(edits) == many:
            return state, edits
    raise DataError(f"no task has {many} edits")


def median_ms(act: Callable[[], object], repeat: int) -> float:
    """Median milliseconds of an act; its first time, which fills caches, does not count."""
    times = []
    for number in range(repeat + 1):
        start = time.perf_counter()
        act()
        if number:
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def measure(
    tasks: Sequence[Task], checkpoint: str | None, repeat: int, many: int = MANY
) -> dict[str, float]:
    """All figures.

    Args:
        tasks: Programs.
        checkpoint: Of a network; None: random weights.
        repeat: How often each figure is taken.
        many: Edits of the first figure.
    """
    policy = policy_of(checkpoint, None if checkpoint else "mini")
    interface = EditInterface(_CANVAS)
    ranker = HRMRanker(policy, interface)
    state, edits = with_edits(tasks, many)
    batch = {
        key: torch.as_tensor(one[None])
        for key, one in interface.observe(interface.start(state)).items()
    }

    @torch.no_grad()
    def forward() -> object:
        return policy.model.encode(batch)

    def decide(of: State, by: HRMRanker) -> Callable[[], object]:
        return lambda: by.log_probs(of, edits_of(of, _MOST), {})

    whole = median_ms(lambda: ranker.log_probs(state, edits, {}), repeat)
    pass_ms = median_ms(forward, repeat)
    decisions = [median_ms(decide(begun(task), ranker), 1) for task in tasks]
    found = {
        f"rank_{many}_ms": whole - pass_ms,
        "forward_ms": pass_ms,
        "decision_ms": statistics.median(decisions),
        "params": sum(one.numel() for one in policy.model.parameters()),
    }
    large = HRMRanker(policy_of(None, "base"), interface)
    return found | {
        "decision_27m_ms": median_ms(decide(begun(tasks[0]), large), repeat),
        "peak_rss_mb": peak_rss_mb(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--checkpoint", help="folder or name; without, random weights")
    parser.add_argument("--repeat", type=int, default=9, help="how often each figure is taken")
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    options = parser.parse_args(arguments)
    tasks = make_benchmark("quixbugs").tasks("test")
    found = measure(tasks, options.checkpoint, options.repeat)
    if options.json:
        print(json.dumps(found))
        return 0
    for name, value in found.items():
        print(f"{name:18} {value:12,.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
