"""What the command line shows while it works, and how: every bar, line and table goes through here.

On a terminal there are bars. Elsewhere, and where `NO_COLOR` is set or the terminal is dumb, there
is a plain line now and then, and no control character in anything.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hrmgym.envs.streams import is_plain
from hrmgym.experiments.evaluate.journal import OnTask
from hrmgym.experiments.evaluate.records import TaskRecord
from hrmgym.experiments.train import OnTraining

#: Seconds between two plain lines of one phase.
EVERY_S = 10.0

#: Called with (phase, done, total, text).
OnProgress = Callable[[str, int, int, str], None]


def console(stream: TextIO | None = None) -> Console:
    """A console on a stream, by default standard output."""
    stream = sys.stdout if stream is None else stream
    if not is_plain(stream):
        return Console(file=stream)
    return Console(file=stream, force_terminal=False, color_system=None, no_color=True)


def line(phase: str, done: int, total: int, text: str, seconds: float) -> str:
    """A plain line: done, the text (for example how many are solved), rate and time left.

    Args:
        phase: What is going on.
        done: Number of what is done.
        total: Number of all.
        text: What else there is to say.
        seconds: Since the phase began.
    """
    parts = [f"{phase}: {done} of {total}"]
    if text:
        parts.append(text)
    if done and seconds > 0:
        parts.append(f"{done / seconds:.3g}/s")
        left = round((total - done) * seconds / done)
        parts.append(f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
    return ", ".join(parts)


@contextmanager
def progress(
    stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[OnProgress]:
    """Shows phases on a stream, by default standard error.

    Args:
        stream: Where to.
        clock: Tells the time in seconds.
    """
    stream = sys.stderr if stream is None else stream
    if not is_plain(stream):
        with _bars(stream) as show:
            yield show
        return
    began: dict[str, float] = {}
    told: dict[str, tuple[float, int]] = {}
    opened = clock()

    def tell(phase: str, done: int, total: int, text: str) -> None:
        now = clock()
        # The first phase begins with the block, a later one where it is heard of.
        start = began.setdefault(phase, now if began else opened)
        last = told.get(phase)
        ended = done >= total and (last is None or last[1] < total)
        if last is None or now - last[0] >= EVERY_S or ended:
            told[phase] = now, done
            print(line(phase, done, total, text, now - start), file=stream, flush=True)

    yield tell


@contextmanager
def _bars(stream: TextIO) -> Iterator[OnProgress]:
    rows: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=console(stream)) as bar:

        def show(phase: str, done: int, total: int, text: str) -> None:
            if phase not in rows:
                rows[phase] = bar.add_task(phase, total=total, text="")
            bar.update(rows[phase], completed=done, total=total, text=text)

        yield show


class Bars:
    """Progress on standard error: the `Display` of the command line."""

    @contextmanager
    def scoring(self, title: str) -> Iterator[OnTask]:
        """One phase: the tasks that are done, and how many of their episodes are solved."""
        done = solved = 0
        with progress() as show:

            def on_task(task: TaskRecord, total: int) -> None:
                nonlocal done, solved
                done, solved = done + 1, solved + task.solved
                show(title, done, total, f"{solved} solved")

            yield on_task

    @contextmanager
    def training(self) -> Iterator[OnTraining]:
        """A phase for each of the training."""
        with progress() as show:
            yield show
