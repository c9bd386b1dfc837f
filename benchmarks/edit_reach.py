"""How many known fixes are in the list of legal edits, at one edit and at two.

    HRMGYM_DATA=... python benchmarks/edit_reach.py quixbugs [--split test] [--one] [--json]

For each task whose reference changes one file: whether one legal edit of its places (the function
that it tells of, or the whole file) makes the reference's syntax, or two do; how many edits there
are, and how many CPU milliseconds it takes to make them all. The kinds of the fixes are told but
for test splits by package (`fixes`, `madebugs`): what is known of those may decide nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from hrmgym.envs import make_benchmark
from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.places import places
from hrmgym.envs.edits.reach import leading_to
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import Task
from hrmgym.envs.transitions import start_files
from hrmgym.errors import DataError, UserError


@dataclass(frozen=True)
class Found:
    """What is known of one task."""

    task: str
    kinds: tuple[str, ...] | None
    """Of the one or two edits that make the reference; None where none do."""
    edits: int
    lean: int
    cpu_ms: float


def look(task: Task, most: int) -> Found:
    """The edits of a task, and those that make its reference.

    Raises:
        DataError: the task has no reference, or one in several files.
    """
    files = start_files(task, {})
    state = State(task=task.public, files=files, cursor=Cursor(next(iter(files))))
    changed = [path for path, text in task.reference.items() if state.files.get(path) != text]
    if len(changed) != 1:
        raise DataError(f"task {task.id!r}: its reference changes {len(changed)} files, not one")
    lean = every = 0
    began = time.process_time()
    for path, start, end in places(state):
        legal = legal_edits(state.files[path], language=task.language, within=(start, end))
        few = sum(1 for _ in legal.lean())
        lean, every = lean + few, every + few + sum(1 for _ in legal.bulky())
    cpu_ms = 1e3 * (time.process_time() - began)
    spans = {place.path: (place.start, place.end) for place in places(state)}
    (path,) = changed
    steps = None
    if path in spans:
        steps = leading_to(
            state.files[path],
            task.reference[path],
            language=task.language,
            within=spans[path],
            most=most,
        )
    kinds = None if steps is None else tuple(one.kind for one in steps)
    return Found(task.id, kinds, every, lean, cpu_ms)


def figures(found: Sequence[Found], kinds: bool) -> dict[str, Any]:
    """The table of a split.

    Args:
        found: Of each task.
        kinds: Whether to count the fixes by kind.
    """
    made: dict[str, Any] = {
        "tasks": len(found),
        "at_one": sum(one.kinds is not None and len(one.kinds) == 1 for one in found),
        "at_two": sum(one.kinds is not None and len(one.kinds) == 2 for one in found),
        "edits_median": statistics.median(one.edits for one in found),
        "lean_median": statistics.median(one.lean for one in found),
        "edits_most": max(one.edits for one in found),
        "cpu_ms_median": round(statistics.median(one.cpu_ms for one in found), 1),
    }
    if kinds:
        counted = Counter(" + ".join(one.kinds) for one in found if one.kinds is not None)
        made["kinds"] = dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
    return made


def may_tell(benchmark: Benchmark, split: str) -> bool:
    """Whether the kinds of a split's fixes may be told."""
    return not (benchmark.split_by_package and split == "test")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python benchmarks/edit_reach.py")
    parser.add_argument("benchmark")
    parser.add_argument("--split", default="test")
    parser.add_argument("--one", action="store_true", help="do not look for two edits")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    options = parser.parse_args(arguments)
    benchmark = make_benchmark(options.benchmark)
    found: list[Found] = []
    skipped: list[str] = []
    tasks = benchmark.tasks(options.split)
    try:
        for task in tqdm(tasks, unit="task"):
            try:
                found.append(look(task, 1 if options.one else 2))
            except DataError as problem:
                skipped.append(str(problem))
    except KeyboardInterrupt:
        print(f"stopped after {len(found)} of {len(tasks)} tasks")
    if not found:
        raise SystemExit("\n".join(["no task with a reference in one file", *skipped]))
    told = figures(found, may_tell(benchmark, options.split)) | {"skipped": len(skipped)}
    if options.json:
        print(json.dumps(told))
    else:
        for name, value in told.items():
            print(f"{name:16} {value}")
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except UserError as problem:
        raise SystemExit(str(problem)) from None
