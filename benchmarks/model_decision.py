"""One decision of the 27 M code model on a full canvas of 512, and the peak memory of its process.

    python benchmarks/model_decision.py

A decision is all that a policy does with an observation: embed it, run segments until the halting
head stops it, at most 16, and search the best complete edit. The weights are random, but for the
halting head, which stops after the first segment or never: the least and the most that a decision
takes. Prints one JSON object. `benchmarks/model.py` runs it in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from pathlib import Path

import torch

from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import CallTests, Outcome, PublicTask, Status, Workspace
from hrmgym.policies.config import SIZES
from hrmgym.policies.hrm import HRMPolicy

CANVAS = 512
MOST_SEGMENTS = 16


def full_canvas(interface: EditInterface) -> State:
    """A program too long for the canvas, so that every position is used."""
    lines = [f"    total_{n} = values[{n}] * scale + offset_{n}" for n in range(200)]
    text = "\n".join(["def program(values, scale):", *lines, "    return scale", ""])
    nothing = CallTests(path="program.py", function="program", cases=())
    task = PublicTask(
        id="benchmark/full",
        benchmark="benchmark",
        language="python",
        split="valid",
        prompt="Repair the program.",
        workspace=Workspace(files={"program.py": text}),
        editable=("program.py",),
        visible_tests=nothing,
    )
    return State(
        task=task,
        files=task.workspace.start,
        cursor=Cursor("program.py"),
        outcome=Outcome(tests={"visible": Status.FAILED}, message="expected 3, found 4; " * 100),
        max_steps=8,
        max_test_runs=8,
    )


def peak_rss_mb() -> float:
    """Most memory that this process has held, in MB.

    Linux hands getrusage's figure down from the parent process, so its own is read there.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else KiB
        return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure(size: str, halts: str, dtype: str, products: str, repeat: int) -> dict[str, float]:
    """Median seconds of a decision, parameters, and the peak memory so far in MB."""
    torch.manual_seed(0)
    interface = EditInterface(CANVAS)
    model = {
        **SIZES[size],
        "segments": MOST_SEGMENTS,
        "halting": True,
        "dtype": dtype,
        "products": products,
    }
    policy = HRMPolicy(
        interface.observation_space,
        interface.action_space,
        lambda _: 0.0,
        model=model,
        trainable=False,
    )
    bias = policy.model.q_head.bias
    assert bias is not None
    torch.nn.init.constant_(bias, 1.0 if halts == "first" else -1.0)
    policy.set_training_mode(False)
    observation = interface.observe(full_canvas(interface))
    times: list[float] = []
    for number in range(repeat + 1):
        start = time.perf_counter()
        proposals = policy.propose(observation, 1)
        if number:  # the first compiles kernels, and packs weights
            times.append(time.perf_counter() - start)
    assert proposals.actions
    with torch.no_grad():
        batch = policy.obs_to_tensor(observation)[0]
        assert isinstance(batch, dict)
        segments = int(policy.model.encode(batch).segments)
    assert segments == (1 if halts == "first" else MOST_SEGMENTS)
    return {
        "decision_s": statistics.median(times),
        "positions": int((observation["tokens"] != 0).sum()),
        "segments": segments,
        "params": sum(p.numel() for p in policy.model.parameters()),
        "recursion_params": sum(p.numel() for p in policy.model.core.parameters()),
        "peak_rss_mb": peak_rss_mb(),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--halts", choices=("first", "never"), default="first")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--products", choices=("exact", "int8"), default="exact")
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    print(json.dumps(measure(**vars(chosen))))


if __name__ == "__main__":
    main()
