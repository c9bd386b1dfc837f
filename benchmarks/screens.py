"""Tries all legal edits of tasks in screens, and some of them once more in ordinary runs.

`edits.py` is the command. CPU seconds are those of this process and of all that serves it.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.screen import Screen
from hrmgym.envs.sandboxes.executor import TestRunner
from hrmgym.envs.task import Task


@dataclass(frozen=True, slots=True)
class Said:
    """What the screens of a text came to, after all stages."""

    task: Task
    text: str
    passed: bool
    timed_out: bool
    """Whether it was cut off under the task's own limits, too."""
    hot: bool
    """Whether that was a screen; if not, an ordinary run has already said it."""


@dataclass
class Program:
    """What the screens of one program came to."""

    name: str
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
    """Of the first stage, without what the texts used that it cut off."""
    cpu_s: float = 0.0
    said: list[Said] = field(default_factory=list, repr=False)


@dataclass
class Compared:
    """Ordinary runs of texts, beside what screens say."""

    runs: int = 0
    """Of texts that did not time out."""
    cpu_s: float = 0.0
    late: int = 0
    """Texts that timed out in screens."""
    unknown: int = 0
    """Runs in which the sandbox failed."""
    wrong: list[Said] = field(default_factory=list)


def screened(
    benchmark: Benchmark,
    task: Task,
    sandbox: TestRunner,
    stages: Sequence[float],
    used: Callable[[], float],
    most: int | None,
    advance: Callable[[int], None],
) -> Program:
    """Tries all legal edits of a task's only file, in stages.

    Args:
        benchmark: The task's.
        task: The task.
        sandbox: Where.
        stages: Limits in CPU seconds, increasing; the task's own follows those that are below it.
        used: Says how many CPU seconds were used so far.
        most: No more edits than so many.
        advance: Told how many texts have come to an end.
    """
    (path,) = task.editable
    files = task.workspace.start
    one = Program(task.id)
    edits = legal_edits(files[path], language=task.language)
    made = islice(chain(edits.lean(), edits.bulky()), most)
    waiting = [apply(files[path], edit.edit) for edit in made]
    one.texts = len(waiting)
    screen = Screen(benchmark, task, files, path, sandbox)
    list(screen.run(waiting[:2]))  # the sandbox has started
    own = task.limits.cpu_s
    for number, limit in enumerate([*(stage for stage in stages if stage < own), own]):
        began, again, cut_s = used(), [], 0.0
        for text, found in zip(
            waiting, screen.run(iter(waiting), cpu_s=limit, stop=False), strict=True
        ):
            one.screens += found.runs
            one.cold += not found.hot
            if found.cut:
                again.append(text)
                cut_s += found.cpu_s
            if not found.cut or limit == own:
                one.passed += found.passed
                one.said.append(Said(task, text, found.passed, found.cut, found.hot))
                advance(1)
        took = used() - began
        one.cpu_s += took
        if not number:
            one.quick, one.quick_cpu_s = len(waiting) - len(again), took - cut_s
        waiting = again
    one.timed_out = len(waiting)
    return one


def sample(programs: Sequence[Program], every: int, timed_out: int, seed: int) -> list[Said]:
    """Every so many of the texts that were screened, and a number of those that timed out."""
    screens = [said for one in programs for said in one.said if said.hot]
    chosen = screens[::every]
    late = [said for number, said in enumerate(screens) if said.timed_out and number % every]
    missing = min(len(late), max(0, timed_out - sum(said.timed_out for said in chosen)))
    return chosen + random.Random(seed).sample(late, missing)


def compare(
    benchmark: Benchmark,
    chosen: Sequence[Said],
    sandbox: TestRunner,
    used: Callable[[], float],
    compared: Compared,
) -> Iterator[Said]:
    """Runs texts under their tasks' own limits, and yields each when it is counted."""
    made: dict[str, Screen] = {}
    for said in chosen:
        task = said.task
        if task.id not in made:
            start, path = task.workspace.start, task.editable[0]
            made[task.id] = Screen(benchmark, task, start, path, sandbox)
        began = used()
        outcome = made[task.id].confirm(said.text)
        if said.timed_out:
            compared.late += 1
        else:
            compared.runs += 1
            compared.cpu_s += used() - began
        if outcome.failure is not None:
            compared.unknown += 1
        elif outcome.resolved != said.passed:
            compared.wrong.append(said)
        yield said


def figures(programs: Sequence[Program], compared: Compared) -> dict[str, float | None]:
    """The figures of all programs; None where nothing was measured."""
    quick = [one.quick / one.quick_cpu_s for one in programs if one.quick_cpu_s > 0]
    cpu_s = sum(one.cpu_s for one in programs)
    return {
        "screens_per_s": round(statistics.median(quick), 1) if quick else None,
        "screens_per_s_all": round(sum(one.screens for one in programs) / cpu_s, 1)
        if cpu_s
        else None,
        "screen_disagreements": len(compared.wrong),
        "screens_compared": compared.runs + compared.late - compared.unknown,
        "screens_timed_out_compared": compared.late,
        "cold_runs_per_s": round(compared.runs / compared.cpu_s, 1) if compared.cpu_s else None,
        "programs_screened": len(programs),
        "texts": sum(one.texts for one in programs),
        "texts_without_a_screen": sum(one.cold for one in programs),
        "texts_timed_out": sum(one.timed_out for one in programs),
        "texts_passed": sum(one.passed for one in programs),
    }
