"""What outcomes of edits say of where the bug is, measured, and what a search gains by it.

    python benchmarks/feedback.py katas --split train --tasks 100 [--json]

Tries all legal edits of tasks whose fix is one of them, and counts for each outcome how often it
comes from edits at the fix's place, on its line, and elsewhere. The table is made of half of the
programs, and tried on the other half: how many tasks have an edit that passes the visible tests
within so many tries, in the order of frequencies and spectrum, with and without feedback. The table
of all is what `hrmgym.search.belief` takes; it is to be made of training tasks.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from hrmgym.envs.benchmark import make_benchmark
from hrmgym.envs.edits.places import FileEdit, places
from hrmgym.envs.edits.reach import leading_to
from hrmgym.envs.edits.screen import Screen
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Task
from hrmgym.errors import DataError
from hrmgym.policies.frequencies import Frequencies
from hrmgym.policies.ranked import RankedPolicy
from hrmgym.policies.ranking import LogProbs
from hrmgym.policies.spectrum import Spectrum
from hrmgym.search.belief import Belief
from hrmgym.search.changes import Before, Change

KS = (1, 10, 30, 100, 300, 1000)
FEW = 2e-3  # so that no share is zero
MOST = 20_000
Ratios = Mapping[Change, tuple[float, float]]


@dataclass(frozen=True)
class Outcomes:
    """What all edits of one task came to, in the order of the prior."""

    program: str
    text: str
    edits: Sequence[FileEdit]
    log_probs: LogProbs
    passed: Sequence[bool]
    changes: Sequence[Change]
    where: Sequence[str]
    """Of each edit: `span` where it touches the fix, `line` on its lines, else `far`."""


def outcomes_of(task: Task, env: SoftwareEnv, cpu_s: float) -> Outcomes | None:
    """All edits of a task, tried; None if its fix is not one edit of one file."""
    _, info = env.reset(seed=0, options={"task": task.id})
    state = env.state
    changed = [path for path, text in task.reference.items() if state.files.get(path) != text]
    spans = {one.path: (one.start, one.end) for one in places(state)}
    if info["failure"] or len(changed) != 1 or changed[0] not in spans or len(spans) != 1:
        return None
    (path,) = changed
    text = state.files[path]
    fix = leading_to(text, task.reference[path], within=spans[path], most=1)
    if fix is None:
        return None
    ran = state.outcome
    failing = None if ran is None else {name for name, was in ran.tests.items() if was != "passed"}
    tests = state.candidate()
    screen = Screen(env.benchmark, env.task, tests, path, env.sandbox, failing=failing)
    policy = RankedPolicy([Frequencies(), Spectrum()], MOST)
    ranked = policy.rank(state, lambda path: screen.coverage())
    before = Before(ranked.spectra[path])
    texts = [one.applied(state) for one in ranked.edits]
    found = list(screen.run(texts, cpu_s=cpu_s, stop=False, told=True))
    start, end = fix[0].edit[:2]
    lines = text.count("\n", 0, start), text.count("\n", 0, end)
    where = []
    for one in ranked.edits:
        a, b = one.edit.edit[:2]
        on_line = text.count("\n", 0, a) <= lines[1] and lines[0] <= text.count("\n", 0, b)
        where.append("span" if a <= end and start <= b else "line" if on_line else "far")
    return Outcomes(
        task.id.partition("/")[0],
        text,
        ranked.edits,
        ranked.log_probs,
        [one.passed for one in found],
        [before.change(one) for one in found],
        where,
    )


def ratios(tasks: Sequence[Outcomes]) -> Ratios:
    """The table; every task weighs the same."""
    counts: dict[str, dict[Change, float]] = defaultdict(lambda: defaultdict(float))
    for task in tasks:
        for passed, change, where in zip(task.passed, task.changes, task.where, strict=True):
            if not passed:
                counts[where][change] += 1 / len(task.edits)
    sums = {where: sum(found.values()) for where, found in counts.items()}

    def nats(where: str, change: Change) -> float:
        near, far = (counts[one][change] / (sums.get(one) or 1) for one in (where, "far"))
        return math.log((near + FEW) / (far + FEW))

    known = [change for change in Change if change is not Change.UNKNOWN]
    return {one: (round(nats("span", one), 3), round(nats("line", one), 3)) for one in known}


def first_pass(task: Outcomes, table: Ratios) -> float:
    """The number of the try that first passes the visible tests; infinity: none does."""
    path = task.edits[0].path
    belief = Belief(task.edits, task.log_probs, {path: task.text}, table)
    for tried, number in enumerate(belief.in_turn(), start=1):
        if task.passed[number]:
            return tried
        belief.learn(number, task.changes[number])
    return math.inf


def figures(tasks: Sequence[Outcomes], seed: int) -> dict[str, Any]:
    """Tasks that pass within so many tries, and the table of all."""
    programs = sorted({one.program for one in tasks})
    random.Random(seed).shuffle(programs)
    half = frozenset(programs[::2])
    tables = {
        side: ratios([one for one in tasks if (one.program in half) != side])
        for side in (True, False)
    }
    plain = [first_pass(one, {}) for one in tasks]
    fed = [first_pass(one, tables[one.program in half]) for one in tasks]
    return {
        "tasks": len(tasks),
        "programs": len(programs),
        "without": {k: sum(one <= k for one in plain) for k in KS},
        "with": {k: sum(one <= k for one in fed) for k in KS},
        "earlier": sum(a < b for a, b in zip(fed, plain, strict=True)),
        "later": sum(a > b for a, b in zip(fed, plain, strict=True)),
        "log_ratios": {one.value: nats for one, nats in ratios(tasks).items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python benchmarks/feedback.py")
    parser.add_argument("benchmark")
    parser.add_argument("--split", default="train")
    parser.add_argument("--tasks", type=int, help="so many, by chance; by default all")
    parser.add_argument("--cpu-s", type=float, default=0.02, help="of one try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    options = parser.parse_args(arguments)
    benchmark = make_benchmark(options.benchmark)
    tasks = list(benchmark.tasks(options.split))
    random.Random(options.seed).shuffle(tasks)
    env = SoftwareEnv(benchmark, split=options.split, canvas=512)
    found: list[Outcomes] = []
    try:
        with suppress(KeyboardInterrupt):
            for task in tqdm(tasks[: options.tasks], unit="task"):
                with suppress(DataError):
                    one = outcomes_of(task, env, options.cpu_s)
                    if one is not None:
                        found.append(one)
    finally:
        env.close()
    said = figures(found, options.seed)
    if options.json:
        print(json.dumps(said))
    else:
        for name, value in said.items():
            print(f"{name:>12}  {value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
