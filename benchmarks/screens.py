"""How many edited texts a core tries in screens, and whether ordinary runs say the same.

    HRMGYM_DATA=... python benchmarks/screens.py [--json] [--stages 0.05] [--programs gcd wrap]
        [--every 50] [--timed-out 200] [--most 2000]

All legal edits of each QuixBugs program are tried on its visible tests under the first stage, and
those that were cut off under the next ones, last under the task's own limits. Then every 50th text,
and texts that timed out until there are 200, have an ordinary run under the task's own limits.
CPU seconds are those of this process and of all that serves it; `screens_per_s` is the median over
the programs, without the texts that were cut off, `screens_per_s_all` the total over the total.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from cpu_time import accounting

from hrmgym.envs.benchmark import Benchmark, make_benchmark
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.screen import Screen, Screened
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import Task


@dataclass
class Program:
    """What the screens of one program came to."""

    name: str
    kind: str
    texts: int = 0
    passed: int = 0
    screens: int = 0
    """Test runs of screens, repeats and ordinary ones in their place included."""
    cold: int = 0
    """Texts that no screen could judge."""
    timed_out: int = 0
    quick: int = 0
    """Texts that came to an end under the first stage."""
    quick_cpu_s: float = 0.0
    cpu_s: float = 0.0
    found: list[tuple[str, Screened]] = field(default_factory=list)


def screened(
    benchmark: Benchmark,
    task: Task,
    sandbox: Sandbox,
    limits: Sequence[float],
    used: Callable[[], float],
    most: int,
) -> Program:
    """Tries all legal edits of a task's only file, in stages."""
    (path,) = task.editable
    files = task.workspace.start
    one = Program(task.id, task.visible_tests.kind)
    edits = legal_edits(files[path], language=task.language)
    made = chain(edits.lean(), edits.bulky())
    texts = [apply(files[path], edit.edit) for edit in islice(made, most)]
    screen = Screen(benchmark, task, files, path, sandbox)
    list(screen.run(texts[:2]))  # the sandbox has started
    waiting, verdicts = texts, dict[str, Screened]()
    for number, limit in enumerate(limits):
        began = used()
        found = list(screen.run(waiting, cpu_s=limit, stop=False))
        took = used() - began
        one.cpu_s += took
        one.screens += sum(result.runs for result in found)
        one.cold += sum(not result.hot for result in found)
        verdicts |= dict(zip(waiting, found, strict=True))
        if not number:
            one.quick = sum(not result.cut for result in found)
            one.quick_cpu_s = took - limit * sum(result.cut for result in found)
        waiting = [text for text, result in zip(waiting, found, strict=True) if result.cut]
    one.texts, one.timed_out = len(verdicts), len(waiting)
    one.passed = sum(result.passed for result in verdicts.values())
    one.found = list(verdicts.items())
    return one


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Runs all of it and prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stages", type=float, nargs="*", default=[0.05])
    parser.add_argument("--programs", nargs="*", default=[])
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--timed-out", type=int, default=200)
    parser.add_argument("--most", type=int, default=1_000_000, help="edits of a program")
    options = parser.parse_args(arguments)
    benchmark = make_benchmark("quixbugs")
    tasks = [
        task
        for task in benchmark.tasks("test")
        if not options.programs or task.id in options.programs
    ]
    programs, wrong, cold_runs, cold_s, late = [], [], 0, 0.0, 0
    with accounting() as used, Sandbox() as sandbox:
        for task in tasks:
            own = task.limits.cpu_s
            limits = [*(stage for stage in options.stages if stage < own), own]
            one = screened(benchmark, task, sandbox, limits, used, options.most)
            programs.append(one)
            screen = Screen(benchmark, task, task.workspace.start, task.editable[0], sandbox)
            for number, (text, result) in enumerate(one.found):
                again = result.cut and late < options.timed_out
                if not result.hot or (number % options.every and not again):
                    continue
                late += result.cut
                began = used()
                outcome = screen.confirm(text)
                if not result.cut:
                    cold_runs, cold_s = cold_runs + 1, cold_s + used() - began
                if outcome.failure is None and outcome.resolved != result.passed:
                    wrong.append((task.id, text, str(result), outcome.message))
            one.found.clear()
            if not options.json:
                print(one, flush=True)
    figures = {
        "screens_per_s": statistics.median(
            one.quick / one.quick_cpu_s for one in programs if one.quick_cpu_s > 0
        ),
        "screens_per_s_all": sum(p.screens for p in programs) / sum(p.cpu_s for p in programs),
        "screen_disagreements": len(wrong),
        "screens_compared": cold_runs + late,
        "screens_timed_out_compared": late,
        "cold_runs_per_s": cold_runs / cold_s if cold_s else 0.0,
        "texts": sum(one.texts for one in programs),
        "texts_without_a_screen": sum(one.cold for one in programs),
        "texts_timed_out": sum(one.timed_out for one in programs),
        "texts_passed": sum(one.passed for one in programs),
    }
    print(json.dumps(figures, indent=None if options.json else 2))
    for about in wrong:
        print("disagrees:", *about, sep="\n")
    return figures


if __name__ == "__main__":
    main()
