"""Rendering an episode: a coloured diff of what the agent changed, and the test results."""

from __future__ import annotations

import difflib
import io

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

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


def diff(before: dict[str, str], after: dict[str, str]) -> str:
    """Unified diff between two workspaces; empty where they agree."""
    parts: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, ""), after.get(path, "")
        if old != new:
            parts += difflib.unified_diff(
                old.splitlines(), new.splitlines(), f"a/{path}", f"b/{path}", lineterm=""
            )
    return "\n".join(parts)


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
    console.rule(f"{task.benchmark}: {task.id}, step {state.steps} of {state.max_steps}")
    console.print(Text(task.prompt))
    changed = diff(dict(task.workspace.files), dict(state.files))
    if changed:
        console.print(Syntax(changed, "diff", theme="ansi_dark", background_color="default"))
    else:
        code = state.files.get(state.cursor.path, "")
        language = task.language
        console.print(Syntax(code, language, theme="ansi_dark", background_color="default"))
    if state.outcome is not None:
        line = Text("visible tests: ")
        for test, status in state.outcome.tests.items():
            mark, style = _MARKS[status]
            line.append(f"{test} {mark}  ", style=style)
        console.print(line)
        if state.outcome.message:
            console.print(Text(state.outcome.message, style="red"))
    if state.output:
        console.print(Text(state.output, style="dim"))
    if verdict:
        console.print(Text(verdict, style="bold"))
    return buffer.getvalue()
