"""The `shell` interface: text in, text out, any command. For language models and for people.

An action is a command line, or several. Two words are the environment's own: `submit` ends the
episode, `test` runs the visible tests; alone, or as the last line after other commands, with a
comment or without. Every other command runs in a SWE-ReX session, in a subshell at the workspace's
root: files are the only state that outlives a command, which is what makes
`SoftwareEnv.save` and `restore` exact. Permissions, links and empty folders count; what a command
has started is killed when it ends, and /tmp is empty when the next one begins.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hrmgym.envs.editable import editable_in
from hrmgym.envs.interfaces.base import RefusedError, ToolCall
from hrmgym.envs.interfaces.textspace import TextSpace
from hrmgym.envs.kinds import kind_of
from hrmgym.envs.showing import is_utf8, showable
from hrmgym.envs.state import State
from hrmgym.errors import ActionError

SUBMIT, TEST = "submit", "test"


@dataclass(frozen=True, slots=True)
class ShellInterface:
    """Observations and actions are text.

    Attributes:
        length: Most characters of a command; an observation holds at most four times as many.
    """

    length: int = 16_384

    @property
    def observation_space(self) -> TextSpace:
        """Text: at first the prompt, a listing and the editable files, then what commands print."""
        return TextSpace(4 * self.length)

    @property
    def action_space(self) -> TextSpace:
        """Text: one command line, or several."""
        return TextSpace(self.length)

    def start(self, state: State) -> State:
        """The state unchanged: a shell has no cursor."""
        return state

    def observe(self, state: State) -> str:
        """What the last command printed and what the tests said; at first, the task.

        Of what is too long, the beginning and the end are shown; what the tests said always is.
        """
        most = 4 * self.length
        verdict = ""
        if state.outcome is not None:
            parts = [f"visible tests: {state.outcome}", state.outcome.message]
            verdict = shortened("\n".join(part for part in parts if part), most // 2)
        room = most - len(verdict) - 1
        said = showable(state.output) if state.steps else _task_text(state, room)
        parts = [shortened(said, room), verdict]
        return "\n".join(part for part in parts if part)

    def decode(self, action: Any, state: State) -> ToolCall:
        """The tool call that a command line means.

        Raises:
            ActionError: not a text, or too long.
            RefusedError: an empty command, or `test` with no test runs left.
        """
        if not self.action_space.contains(action):
            what = f"{len(action)} characters" if isinstance(action, str) else type(action).__name__
            raise ActionError(
                f"a shell action is a str of at most {self.length} characters, got {what}"
            )
        command = str(action).strip()
        if not command or "\0" in command:
            raise RefusedError("the command is empty or holds a NUL")
        if not is_utf8(command):
            raise RefusedError("the command holds a lone surrogate, which UTF-8 cannot express")
        before, word = _own_word(command)
        if word == SUBMIT:
            return ToolCall(tool="submit", text=before)
        if word == TEST:
            if not state.test_runs_left:
                raise RefusedError("no test runs are left")
            return ToolCall(tool="run_tests", text=before)
        return ToolCall(tool="shell", text=command)

    def look(self, call: ToolCall, state: State) -> State:
        """A shell has no cursor."""
        raise AssertionError(f"the shell interface never calls {call.tool}")

    def toward(self, state: State, target: Mapping[str, str]) -> str:
        """A command that writes the target's files; `submit` once they agree.

        Where that is too long for one action, it writes as much as there is room for of one file.
        """
        different = {path: text for path, text in target.items() if state.files.get(path) != text}
        if not different:
            return SUBMIT
        command = "\n".join(
            f"printf %s {shlex.quote(text)} > {shlex.quote(path)}"
            for path, text in sorted(different.items())
        )
        if len(command) <= self.length:
            return command
        path, text = min(different.items())
        there = state.files.get(path, "")
        done = len(there) if text.startswith(there) else 0
        rest = f" {'>>' if done else '>'} {shlex.quote(path)}"
        size = room = self.length - len("printf %s ") - len(rest)
        while size > 1 and len(shlex.quote(text[done : done + size])) > room:
            size = size * 3 // 4
        return f"printf %s {shlex.quote(text[done : done + size])}{rest}"


_OWN = re.compile(rf"(?:^|\n)[ \t]*({SUBMIT}|{TEST})[ \t]*;?(?:[ \t]+#[^\n]*)?$")
_HEREDOC = re.compile(r"(?<!<)<<-?[ \t]*(?P<quote>['\"\\]?)(?P<end>[^\W\d][\w.-]*)(?P=quote)?(?!<)")


def _own_word(command: str) -> tuple[str, str]:
    """What stands before `submit` or `test` on the last line, and which it is; else all, and ''.

    Within a heredoc, quotes, or behind a line that goes on, the word is not the environment's.
    """
    found = _OWN.search(command)
    if found is None:
        return command, ""
    before = command[: found.start()]
    lines = before.split("\n")
    if lines[-1].rstrip().endswith(("\\", "|", "&&", "(", "{")):
        return command, ""
    plain: list[str] = []
    ends: list[str] = []
    for line in lines:
        if ends:
            if line.strip("\t") == ends[0]:
                ends.pop(0)
            continue
        plain.append(line)
        ends = [one["end"] for one in _HEREDOC.finditer(line)]
    try:
        shlex.split("\n".join(plain), comments=True)
    except ValueError:  # a quote is open
        return command, ""
    return (command, "") if ends else (before.strip(), found[1])


def shortened(text: str, most: int) -> str:
    """At most `most` characters of a text: its beginning, how much is left out, and its end."""
    if len(text) <= most:
        return text
    room = max(0, most - 48)
    head, tail = text[: room - room // 2], text[len(text) - room // 2 :]
    left = len(text) - len(head) - len(tail)
    return f"{head}\n... ({left} characters left out) ...\n{tail}"[:most]


#: Most paths that the first observation lists.
_LISTED = 100


def _task_text(state: State, most: int) -> str:
    """The prompt, the rules of the interface, a listing, and the editable files, in `most`."""
    task = state.task
    editable = [path for path in editable_in(task.editable, state.files) if path in state.files]
    shown = showable(", ".join(task.editable[:_LISTED]))
    more = f" and {len(task.editable) - _LISTED} more" if len(task.editable) > _LISTED else ""
    lines = [
        shortened(showable(task.prompt), most // 2),
        "",
        f"Editable: {shortened(shown, most // 8)}{more}. Commands run at the workspace's root; "
        f"`{TEST}` runs the visible tests, `{SUBMIT}` ends the episode.",
    ]
    if about := kind_of(task.visible_tests).shown(task.visible_tests):
        lines.append(shortened(showable(about), most // 8))
    mine = {*editable, *task.editable}
    others = sorted(path for path in state.files if path not in mine)
    if others:
        listed = showable("\n".join(others[:_LISTED]))
        lines += ["", "Other files:", shortened(listed, most // 8)]
        if len(others) > _LISTED:
            lines.append(f"... and {len(others) - _LISTED} more")
    text = "\n".join(lines)
    for number, path in enumerate(editable):
        room = (most - len(text)) // (len(editable) - number) - len(path) - 8
        if room < 64:
            text += f"\n\n... {len(editable) - number} more editable files: look with `cat` ..."
            break
        text += f"\n\n--- {showable(path)}\n{shortened(showable(state.files[path]), room)}"
    return text
