"""Rendering an episode: a coloured diff of what the agent changed, and the test results."""

from __future__ import annotations

import difflib
import io

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.text import Text

from hrmgym.envs.showing import is_utf8, showable
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


#: Characters of one part of a rendering; of a file that is compared line by line, and its lines.
_MOST_SHOWN, _MOST_COMPARED, _MOST_LINES = 8_000, 500_000, 10_000


def diff(before: dict[str, str], after: dict[str, str]) -> str:
    """Unified diff between two workspaces, as text that can be shown; empty where they agree.

    A file that is no text, or too large to be compared line by line, has one line: its sizes.
    """
    parts: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, ""), after.get(path, "")
        if old == new:
            continue
        name = showable(path.replace("\n", "\\n"))
        if not (_is_small_text(old) and _is_small_text(new)):
            sizes = " and ".join(f"{len(text):,}" for text in (old, new))
            parts.append(f"a/{name} and b/{name} differ: {sizes} characters")
            continue
        before_lines, after_lines = (showable(text).splitlines() for text in (old, new))
        parts += difflib.unified_diff(
            before_lines, after_lines, f"a/{name}", f"b/{name}", lineterm=""
        )
    return "\n".join(parts)


def _is_small_text(text: str) -> bool:
    return len(text) <= _MOST_COMPARED and text.count("\n") <= _MOST_LINES and is_utf8(text)


def _cut(text: str) -> str:
    """A text that can be shown, the middle left out where it is long: wrapping takes its time."""
    if len(text) <= _MOST_SHOWN:
        return showable(text)
    half = _MOST_SHOWN // 2
    left_out = len(text) - 2 * half
    return showable(f"{text[:half]}\n[{left_out:,} characters left out]\n{text[-half:]}")


def render(state: State, verdict: str = "", width: int = 100) -> str:
    """The episode as text with ANSI colours.

    Args:
        state: What to show.
        verdict: How the episode ended; empty while it goes on.
        width: Columns.
    """
    buffer = io.StringIO()
    console = Console(file=buffer, force_terminal=True, color_system="standard", width=width)
    task = state.task
    title = f"{task.benchmark}: {task.id}, step {state.steps} of {state.max_steps}"
    console.rule(escape(showable(title)))
    console.print(Text(_cut(task.prompt)))
    changed = diff(dict(task.workspace.files), dict(state.files))
    if changed:
        console.print(Syntax(_cut(changed), "diff", theme="ansi_dark", background_color="default"))
    else:
        code = _cut(state.files.get(state.cursor.path, ""))
        language = task.language
        console.print(Syntax(code, language, theme="ansi_dark", background_color="default"))
    if state.outcome is not None:
        line = Text("visible tests: ")
        for test, status in state.outcome.tests.items():
            mark, style = _MARKS[status]
            line.append(f"{showable(test)} {mark}  ", style=style)
        console.print(line)
        if state.outcome.message:
            console.print(Text(state.outcome.message, style="red"))
    if state.output:
        console.print(Text(_cut(state.output), style="dim"))
    if verdict:
        console.print(Text(verdict, style="bold"))
    return buffer.getvalue()
