"""Many sandboxes at once: how long eight sleep together, and environment steps per second.

    HRMGYM_DATA=... python benchmarks/sandbox_load.py

Every step changes the program and runs its visible tests; a program that was run before counts for
nothing, so no outcome comes from a cache. The changes are small and random: a name, a number or an
operator of the program takes the place of another one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import sys
import time
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from threading import Thread
from typing import Any

import gymnasium
import numpy as np

from hrmgym.envs import make_benchmark  # registers the environments, too
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import files_key
from hrmgym.errors import DataError

ENVIRONMENTS = {"quixbugs": "hrmgym/QuixBugs-v0", "katas": "hrmgym/Katas-v0"}
WORKERS = (1, 2, 4, 8)
_LEXEMES = re.compile(r"\b[a-z_]\w*\b|\b\d+\b|[-+*/%]|[<>]=?|[!=]=")
_KEYWORDS = frozenset(
    (
        *("and", "def", "elif", "else", "for", "from", "if", "import", "in", "is", "not", "or"),
        *("return", "while", "yield"),
    )
)


# --- sleeping together ---------------------------------------------------------------------------


def measure_concurrency(count: int = 8, seconds: float = 0.5) -> dict[str, float]:
    """How long `count` sandboxes take to start a session and sleep in it, all at once.

    Returns:
        sleep8_s (from nothing: no process of a sandbox runs before), sleep8_warm_s (one sandbox
        is there), each the best of three.
    """
    with Sandbox() as sandbox:  # what a process does once
        sandbox.run_command("true")
    cold = min(sleep(count, seconds) for _ in range(3))
    with Sandbox() as sandbox:
        sandbox.run_command("true")
        warm = min(sleep(count, seconds) for _ in range(3))
    return {"sleep8_s": cold, "sleep8_warm_s": warm}


def sleep(count: int, seconds: float) -> float:
    """Seconds that `count` sandboxes take to start and to sleep in a session, all at once."""
    sandboxes = [Sandbox() for _ in range(count)]
    ended: list[tuple[str, int]] = []
    threads = [
        Thread(target=lambda held=held: ended.append(held.run_command(f"sleep {seconds}")))
        for held in sandboxes
    ]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - start
    for sandbox in sandboxes:
        sandbox.close()
    if ended != [("", 0)] * count:
        raise RuntimeError(f"the commands ended with {ended}")
    return wall


# --- environment steps ---------------------------------------------------------------------------


def need_data(names: Iterable[str] = tuple(ENVIRONMENTS)) -> None:
    """Ends the program with one line that says what to do, where benchmarks lack their data."""
    for name in names:
        try:
            benchmark = make_benchmark(name)
            benchmark.tasks(benchmark.splits[0])
        except DataError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(2) from None


def measure_steps(
    workers: Sequence[int] = WORKERS,
    seconds: float = 4.0,
    names: Sequence[str] = ("quixbugs", "katas"),
) -> dict[str, float]:
    """Graded steps per second of environments in 1 to 8 processes.

    Args:
        workers: Numbers of processes.
        seconds: How long to count in each case.
        names: Which environments.

    Returns:
        NAME_steps_per_s, with as many workers as there are processors, and NAME_steps_per_s_N.
    """
    found: dict[str, float] = {}
    for name in names:
        for count in workers:
            found[f"{name}_steps_per_s_{count}"] = _rate(ENVIRONMENTS[name], count, seconds)
        processors = len(os.sched_getaffinity(0))
        nearest = min(workers, key=lambda count: abs(count - processors))
        found[f"{name}_steps_per_s"] = found[f"{name}_steps_per_s_{nearest}"]
    return found


def _rate(env_id: str, count: int, seconds: float) -> float:
    context = multiprocessing.get_context("fork")
    started: list[tuple[ForkProcess, Connection]] = []
    for number in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(env_id, number, seconds, theirs))
        process.start()
        theirs.close()
        started.append((process, ours))
    for _, link in started:
        link.recv()  # it is warm
    for _, link in started:
        link.send(None)
    rates = [link.recv() for _, link in started]
    for process, link in started:
        process.join()
        link.close()
    return float(sum(rates))


def _work(env_id: str, number: int, seconds: float, link: Connection) -> None:
    """Count steps for `seconds`, when told to; answers with steps per second."""
    env = gymnasium.make(env_id, interface="edit", disable_env_checker=True)
    software = env.unwrapped
    assert isinstance(software, SoftwareEnv)
    choice = random.Random(number)
    env.reset(seed=number)
    known: set[str] = set()
    for _ in range(3):
        step(env, software, choice, known)
    link.send(None)
    link.recv()
    graded, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        graded += step(env, software, choice, known)
    link.send(graded / spent)
    env.close()


def step(
    env: gymnasium.Env[Any, Any], software: SoftwareEnv, choice: random.Random, known: set[str]
) -> bool:
    """Make a random change; whether it led to a test run of a program that is new."""
    state = software.state
    action = _change(software, choice)
    if action is None:
        env.reset()
        return False
    _, _, terminated, truncated, _ = env.step(action)
    after = software.state
    key = files_key(after.task.id, after.candidate())
    new = after.test_runs > state.test_runs and key not in known
    known.add(key)
    if terminated or truncated:
        env.reset()
    return new


def _change(software: SoftwareEnv, choice: random.Random) -> np.ndarray[Any, Any] | None:
    """An edit that puts one lexeme of the program in the place of another one of its kind."""
    interface, state = software.interface, software.state
    assert isinstance(interface, EditInterface)
    text = state.files[state.cursor.path]
    lexemes = [found for found in _LEXEMES.finditer(text) if found[0] not in _KEYWORDS]
    for _ in range(20):
        place = choice.choice(lexemes)
        others = {m[0] for m in lexemes if _kind(m[0]) == _kind(place[0])} - {place[0]}
        if others:
            new = choice.choice(sorted(others))
            action = interface.encode_edit(state, place.start(), place.end(), new)
            if action is not None:
                return action
    return None


def _kind(lexeme: str) -> str:
    if lexeme[0].isdigit():
        return "number"
    return "name" if lexeme[0].isalpha() or lexeme[0] == "_" else "operator"


def main() -> None:
    """Measure all, and print it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of counting, for each rate")
    options = parser.parse_args()
    need_data()
    print(json.dumps(measure_concurrency() | measure_steps(seconds=options.seconds), indent=2))


if __name__ == "__main__":
    main()
