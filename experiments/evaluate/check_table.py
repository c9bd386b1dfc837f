"""A check as a table, and its progress, for the terminal and for logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from hrmgym.experiments.evaluate.check import RUNS, CheckReport, OnChecked
from hrmgym.experiments.evaluate.soundness import Checked, Verdict
from hrmgym.experiments.progress import progress as shown_progress

#: What needs no look at each task.
_QUIET = (Verdict.SOUND, Verdict.NO_REFERENCE)
_MOST_REASONS = 8


def check_table(report: CheckReport, *, everything: bool = False) -> Group:
    """Verdicts, one row each, and the counts. `ms` is the median of the runs of the untouched task,
    and of those of its reference.

    Args:
        report: What was found.
        everything: Whether tasks have a row of which there is nothing to say.
    """
    parts: list[RenderableType] = []
    rows = [task for task in report.tasks if everything or task.verdict not in _QUIET]
    if rows:
        table = Table(
            Column("task", overflow="fold"),
            Column("verdict", no_wrap=True),
            Column("why", overflow="fold", ratio=1),
            "tests",
            Column("ms", justify="right", no_wrap=True),
        )
        for task in rows:
            why = f"{task.failure}: {task.message}" if task.failure else task.message
            times = (task.ms(side) for side in task.runs)
            ms = ", ".join(f"{time:.0f}" for time in times if time is not None)
            table.add_row(*map(Text, (task.task, task.verdict, why, task.tests_apart or "", ms)))
        parts.append(table)
    return Group(*parts, *map(Text, summary(report)))


def summary(report: CheckReport) -> list[str]:
    """The counts, and what of the tests does not run apart from the code, in lines."""
    counts = report.counts
    head = f"{report.benchmark} {report.version}: {counts[Verdict.SOUND]} of {report.planned} sound"
    others = [f"{n} {verdict}" for verdict, n in counts.items() if n and verdict != Verdict.SOUND]
    if not report.complete:
        others.append(f"interrupted: {report.planned - len(report.tasks)} not checked")
    lines = [", ".join([head, *others])]
    modes = Counter(task.tests_apart or "unknown" for task in report.tasks)
    lines.append(
        f"{RUNS} runs of each, {report.workers} at a time in {report.sandbox['type']!r} sandboxes; "
        f"tests: {', '.join(f'{mode} {n}' for mode, n in sorted(modes.items())) or 'none'}"
    )
    why = Counter((t.tests_apart, t.tests_apart_why) for t in report.tasks if t.tests_apart_why)
    for (mode, reason), n in why.most_common(_MOST_REASONS):
        lines.append(f"  {mode}, {n} task{'s' if n > 1 else ''}: {reason}")
    if len(why) > _MOST_REASONS:
        lines.append(f"  and {len(why) - _MOST_REASONS} more reasons; --json has them all")
    return lines


@contextmanager
def progress(total: int) -> Iterator[OnChecked]:
    """The tasks that are checked, and their verdicts."""
    counts: Counter[Verdict] = Counter()
    with shown_progress() as show:

        def on_task(task: Checked, _: int) -> None:
            counts[task.verdict] += 1
            text = ", ".join(
                f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]
            )
            show("check", counts.total(), total, text)

        yield on_task
