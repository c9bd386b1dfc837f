"""Sessions of the local sandbox against stock SWE-ReX's LocalRuntime, in one event loop.

    python benchmarks/sandbox_sessions.py --json

Medians of wall-clock times, in turn: starting a session, and `echo hi` in it. Stock SWE-ReX waits
for fixed times in both, so the ratio shrinks on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import statistics
import time

os.environ.setdefault("SWE_REX_LOG_STREAM_LEVEL", "ERROR")

from swerex.runtime.abstract import (
    AbstractRuntime,
    BashAction,
    CloseBashSessionRequest,
    CreateBashSessionRequest,
)
from swerex.runtime.local import LocalRuntime as StockRuntime

from hrmgym.envs.sandboxes.local.runtime import LocalRuntime


async def session(runtime: AbstractRuntime, name: str, commands: int) -> tuple[float, list[float]]:
    """Seconds that one session took to start, and that each of its commands took."""
    start = time.perf_counter()
    await runtime.create_session(CreateBashSessionRequest(session=name, startup_timeout=20.0))
    started_s = time.perf_counter() - start
    took = []
    for _ in range(commands):
        start = time.perf_counter()
        seen = await runtime.run_in_session(BashAction(command="echo hi", session=name))
        took.append(time.perf_counter() - start)
        assert seen.output.strip() == "hi"
        assert seen.exit_code == 0
    await runtime.close_session(CloseBashSessionRequest(session=name))
    return started_s, took


async def _measure(rounds: int) -> dict[str, float]:
    ours, stock = LocalRuntime(), StockRuntime(logger=logging.getLogger("stock"))
    await session(ours, "warm", 10)
    starts: dict[str, list[float]] = {"ours": [], "stock": []}
    commands: dict[str, list[float]] = {"ours": [], "stock": []}
    for number in range(rounds):
        # ours several times: the first after seconds of waiting finds the processor's caches cold
        for name, runtime, sessions, count in (("stock", stock, 1, 5), ("ours", ours, 5, 20)):
            for turn in range(sessions):
                started_s, took = await session(runtime, f"s{number}-{turn}", count)
                starts[name].append(started_s)
                commands[name] += took
    await ours.close()
    await stock.close()
    start = {name: statistics.median(times) for name, times in starts.items()}
    command = {name: statistics.median(times) for name, times in commands.items()}
    return {
        "session_command_ratio": command["stock"] / command["ours"],
        "session_start_ratio": start["stock"] / start["ours"],
        "session_command_ms": 1e3 * command["ours"],
        "session_command_ms_stock": 1e3 * command["stock"],
        "session_start_ms": 1e3 * start["ours"],
        "session_start_ms_stock": 1e3 * start["stock"],
    }


def measure_sessions(rounds: int = 10) -> dict[str, float]:
    """Medians in milliseconds, and ratios, over that many sessions of each kind."""
    return asyncio.run(_measure(rounds))


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="sessions of each kind")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    found = measure_sessions(chosen.rounds)
    lines = (f"{name:32}{value:9.3f}" for name, value in found.items())
    print(json.dumps(found) if chosen.json else "\n".join(lines))


if __name__ == "__main__":
    main()
