"""The `shell` interface: text in, text out, any command. For language models and for people.

An action is a command line. Two words are the environment's own: `submit` ends the episode, `test`
runs the visible tests. Every other command runs in a SWE-ReX session, in a subshell at the
workspace's root: files are the only state that outlives a command, which is what makes
`SoftwareEnv.save` and `restore` exact. Permissions, links and empty folders count; what a command
has started is killed when it ends, and /tmp is empty when the next one begins.
"""

from __future__ import annotations

import shlex
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from hrmgym.envs.interfaces.base import RefusedError, ToolCall
from hrmgym.envs.showing import is_utf8, showable
from hrmgym.envs.state import State
from hrmgym.errors import ActionError

SUBMIT, TEST = "submit", "test"


class TextSpace(gymnasium.Space[str]):
    """Any text of at most `max_length` characters.

    `gymnasium.spaces.Text` refuses characters outside its alphabet; program text has them all.
    """

    def __init__(self, max_length: int, seed: int | np.random.Generator | None = None) -> None:
        self.max_length = max_length
        super().__init__(dtype=str, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Text has no flat form."""
        return False

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A short word of ASCII letters."""
        letters = self.np_random.choice(list(string.ascii_lowercase), size=6)
        return "".join(letters)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a str that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextSpace) and other.max_length == self.max_length

    def __repr__(self) -> str:
        return f"TextSpace(max_length={self.max_length})"


@dataclass(frozen=True, slots=True)
class ShellInterface:
    """Observations and actions are text.

    Attributes:
        length: Most characters of a command; an observation holds at most four times as many.
    """

    length: int = 16_384

    @property
    def observation_space(self) -> TextSpace:
        """Text: at the first step the prompt and the files, then what the command printed."""
        return TextSpace(4 * self.length)

    @property
    def action_space(self) -> TextSpace:
        """Text: one command line, or several."""
        return TextSpace(self.length)

    def start(self, state: State) -> State:
        """The state unchanged: a shell has no cursor."""
        return state

    def observe(self, state: State) -> str:
        """What the last command printed and what the tests said; at first, the task."""
        parts = [state.output] if state.steps else [_task_text(state)]
        if state.outcome is not None:
            parts.append(f"visible tests: {state.outcome}")
            if state.outcome.message:
                parts.append(state.outcome.message)
        text = showable("\n".join(part for part in parts if part))
        most = 4 * self.length
        return text if len(text) <= most else text[: most - 18] + "\n... (cut) ...\n"

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
        if command == SUBMIT:
            return ToolCall(tool="submit")
        if command == TEST:
            if not state.test_runs_left:
                raise RefusedError("no test runs are left")
            return ToolCall(tool="run_tests")
        return ToolCall(tool="shell", text=command)

    def look(self, call: ToolCall, state: State) -> State:
        """A shell has no cursor."""
        raise AssertionError(f"the shell interface never calls {call.tool}")

    def toward(self, state: State, target: Mapping[str, str]) -> str:
        """A command that writes the target's files; `submit` once they agree."""
        different = {path: text for path, text in target.items() if state.files.get(path) != text}
        if not different:
            return SUBMIT
        return "\n".join(
            f"printf %s {shlex.quote(text)} > {shlex.quote(path)}"
            for path, text in sorted(different.items())
        )


def _task_text(state: State) -> str:
    """The prompt, the rules of the interface, and the files."""
    task = state.task
    lines = [
        task.prompt,
        "",
        f"Editable: {', '.join(task.editable)}. Commands run at the workspace's root; "
        f"`{TEST}` runs the visible tests, `{SUBMIT}` ends the episode.",
    ]
    for path in sorted(state.files):
        lines += ["", f"--- {path}", state.files[path]]
    return "\n".join(lines)
