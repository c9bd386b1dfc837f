"""Rendering an episode: what the agent changed, as a diff, and what the tests say.

Text with ANSI colours and pictures come from the same layout, which keeps within a number of
lines: each part has a share of them, and its middle is left out where it is longer.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.syntax import Syntax
from rich.text import Text

from hrmgym.envs.changes import diff
from hrmgym.envs.outcome import FailureCode
from hrmgym.envs.showing import showable
from hrmgym.envs.state import State
from hrmgym.envs.task import Status

_MARKS = {
    Status.PASSED: ("ok", "green"),
    Status.FAILED: ("failed", "red"),
    Status.ERROR: ("error", "red"),
    Status.TIMEOUT: ("timeout", "yellow"),
    Status.OUT_OF_MEMORY: ("out of memory", "yellow"),
    Status.SKIPPED: ("skipped", "dim"),
    Status.MISSING: ("missing", "red"),
}

#: Lines of a rendering as text.
ROWS = 200
#: Characters of one part before it is laid out, and tests by name: wrapping takes its time.
_MOST_SHOWN, _MOST_TESTS = 8_000, 40

Line = list[Segment]


def verdict_text(solved: bool, failure: FailureCode | None) -> str:
    """What the hidden tests said of an episode that is over, in words."""
    if failure is not None:
        return f"no verdict: {failure.value}"
    return "solved" if solved else "not solved"


def render(state: State, verdict: str = "", width: int = 100, rows: int = ROWS) -> str:
    """The episode as text with ANSI colours.

    Args:
        state: What to show.
        verdict: How the episode ended; empty while it goes on.
        width: Columns.
        rows: The most lines; at least 16.
    """
    buffer = io.StringIO()
    # Rich writes into a notebook's cell, not into the file, where it finds itself in one.
    console = Console(
        file=buffer,
        force_terminal=True,
        force_jupyter=False,
        color_system="standard",
        legacy_windows=False,
        width=width,
        height=rows,
    )
    for line in laid_out(state, verdict, width, rows):
        console.print(Text.assemble(*((one.text, one.style or "") for one in line)), soft_wrap=True)
    return buffer.getvalue()


def laid_out(
    state: State,
    verdict: str = "",
    width: int = 100,
    rows: int = ROWS,
    drawable: Callable[[str], str] = showable,
) -> list[Line]:
    """The lines of a rendering, each a list of styled pieces of text.

    Args:
        state: What to show.
        verdict: How the episode ended.
        width: Columns.
        rows: The most lines; at least 16.
        drawable: Replaces the characters that cannot be shown.
    """
    console = Console(file=io.StringIO(), force_jupyter=False, width=width, height=rows)

    def lines(what: RenderableType) -> list[Line]:
        laid = console.render_lines(what, console.options, pad=False)
        while laid and not "".join(one.text for one in laid[-1]).strip():
            laid.pop()
        return laid

    task = state.task
    title = drawable(f" {task.benchmark}: {task.id}, step {state.steps} of {state.max_steps} ")
    rule = Text(f"{title[: width - 2]:-^{width}}", style="green")
    output = Text(_cut(state.output, drawable), style="dim")
    failure = "" if state.outcome is None else _cut(state.outcome.message, drawable)
    # What comes after the change has a share; what it does not need, the change gets.
    tail = [
        _within(lines(_tests(state, drawable)), rows // 6),
        _within(lines(Text(failure, style="red")), rows // 6),
        _within(lines(output), rows // 4),
        [] if not verdict else lines(Text(drawable(verdict), style="bold"))[:1],
    ]
    head = lines(rule)[:1] + _within(lines(Text(_cut(task.prompt, drawable))), rows // 6)
    left = rows - len(head) - sum(map(len, tail))
    shown = head + _within(lines(_change(state, drawable)), left)
    return shown + [line for part in tail for line in part]


def _change(state: State, drawable: Callable[[str], str]) -> Syntax:
    """The diff against the task's start; while there is none, the file that is looked at."""
    task = state.task
    changed = diff(task.workspace.start, state.files, first=task.editable, most=2 * _MOST_SHOWN)
    code, language = changed, "diff"
    if not changed:
        code, language = state.files.get(state.cursor.path, ""), task.language
    return Syntax(
        _cut(code, drawable), language, theme="ansi_dark", background_color="default", tab_size=4
    )


def _tests(state: State, drawable: Callable[[str], str]) -> Text:
    """The visible tests by name; of many, those that did not pass first."""
    line = Text()
    if state.outcome is None:
        return line
    line.append("visible tests: ")
    tests = list(state.outcome.tests.items())
    if len(tests) > _MOST_TESTS:
        line.append(f"{state.outcome.passed:,} of {state.outcome.total:,} passed  ")
        tests.sort(key=lambda one: one[1] is Status.PASSED)
    for test, status in tests[:_MOST_TESTS]:
        mark, style = _MARKS[status]
        line.append(f"{drawable(test[:200])} {mark}  ", style=style)
    if len(tests) > _MOST_TESTS:
        line.append(f"and {len(tests) - _MOST_TESTS:,} more")
    return line


def _cut(text: str, drawable: Callable[[str], str]) -> str:
    """A text that can be shown, the middle left out where it is long."""
    if len(text) <= _MOST_SHOWN:
        return drawable(text)
    half = _MOST_SHOWN // 2
    left_out = len(text) - 2 * half
    return drawable(f"{text[:half]}\n[{left_out:,} characters left out]\n{text[-half:]}")


def _within(lines: Sequence[Line], most: int) -> list[Line]:
    """At most `most` lines (at least 1): the first and the last of them, and how many are not."""
    if len(lines) <= most:
        return list(lines)
    after = (most - 1) // 2
    before = most - 1 - after
    note = Segment(f"[{len(lines) - before - after:,} lines left out]", None)
    return [*lines[:before], [note], *lines[len(lines) - after :]]
