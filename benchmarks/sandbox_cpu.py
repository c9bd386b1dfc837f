"""CPU seconds behind each headline figure of sandbox.py, for one unit of its work.

    HRMGYM_DATA=... python benchmarks/sandbox_cpu.py runs

The figures of sandbox.py compare with other programs, or are times by the clock: both change from
hour to hour. This measures what our side of each spends, of the whole process tree, and prints one
JSON object: figure -> CPU seconds. compare.py sets two commits side by side with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import gymnasium
import sandbox_load
import sandbox_runs
import sandbox_state
from cpu_time import accounting
from sandbox_sessions import session

import hrmgym
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.workspace import Base


def runs(count: int = 400) -> dict[str, float]:
    """One run of a pytest file of ten tests; the same without the tests' own time."""
    run, own = sandbox_runs.work("pytest", count), sandbox_runs.own_cpu_s(count)
    return {"cpu_ratio_cold_pytest": run, "cpu_ratio_floor": run - own}


def sessions(starts: int = 60, commands: int = 1000) -> dict[str, float]:
    """One command in a session; one session started and closed."""
    return asyncio.run(_sessions(starts, commands))


async def _sessions(starts: int, commands: int) -> dict[str, float]:
    with accounting() as used:
        runtime = LocalRuntime()
        await session(runtime, "warm", 10)
        before = used()
        for number in range(starts):
            await session(runtime, f"s{number}", 0)
        between = used()
        await session(runtime, "long", commands)
        after = used()
        await runtime.close()
    start = (between - before) / starts
    return {
        "session_command_ratio": (after - between - start) / commands,
        "session_start_ratio": start,
    }


def state(rounds: int = 600) -> dict[str, float]:
    """Restoring and saving a workspace of 1,000 files once."""
    return {"save_restore_ms_1000_files": asyncio.run(_state(rounds))}


async def _state(rounds: int) -> float:
    with accounting() as used:
        runtime = LocalRuntime()
        start = Base.of(sandbox_state.tree(sandbox_state.FILES)).files
        changed = (await runtime.change(start, sandbox_state.CHANGE, 60.0)).files
        before = used()
        for number in range(rounds):
            wanted = (start, changed)[number % 2]
            await runtime.restore(wanted)
            assert await runtime.save() == wanted
        spent = used() - before
        await runtime.close()
    return spent / rounds


def steps(count: int = 200) -> dict[str, float]:
    """One step of QuixBugs with a new program; every commit takes the same random steps."""
    with accounting() as used:
        env = gymnasium.make(sandbox_load.ENVIRONMENTS["quixbugs"], disable_env_checker=True)
        software = env.unwrapped
        assert isinstance(software, SoftwareEnv)
        choice = random.Random(0)
        env.reset(seed=0)
        known: set[str] = set()
        for _ in range(3):
            sandbox_load.step(env, software, choice, known)
        before, graded = used(), 0
        while graded < count:
            graded += sandbox_load.step(env, software, choice, known)
        spent = used() - before
        env.close()
    return {"quixbugs_steps_per_s": spent / count}


def sleep(times: int = 4) -> dict[str, float]:
    """Eight sandboxes that start, sleep in a session, and end."""
    with accounting() as used:
        sandbox_load.sleep(8, 0.2)  # what a process does once
        before = used()
        for _ in range(times):
            sandbox_load.sleep(8, 0.2)
        return {"sleep8_s": (used() - before) / times}


#: Part -> what measures it.
PARTS: dict[str, Callable[[], dict[str, float]]] = {
    part.__name__: part for part in (runs, sessions, state, steps, sleep)
}


def main() -> None:
    """Measure one part, and print it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--package", help="folder that hrmgym has to come from")
    chosen = parser.parse_args()
    origin = Path(hrmgym.__file__).resolve()
    if chosen.package and not origin.is_relative_to(Path(chosen.package).resolve()):
        sys.exit(f"error: hrmgym was imported from {origin.parent}, not from {chosen.package}")
    if chosen.part == "steps":
        sandbox_load.need_data(["quixbugs"])
    print(json.dumps(PARTS[chosen.part]()))


if __name__ == "__main__":
    main()
