"""What an interface is: how a policy sees an episode's state, and what its actions mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium

from hrmgym.envs.state import State

#: The tools an action can call, in the order of the `edit` interface's tool numbers.
TOOLS = ("edit", "run_tests", "next_window", "goto_failure", "open_file", "undo", "submit")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One action, as the environment executes it."""

    tool: str
    """One of `TOOLS`, or `shell`."""
    path: str = ""
    start: int = 0
    """Character offset in the file's text; `edit` replaces text[start:end]."""
    end: int = 0
    text: str = ""
    """The replacement of an `edit`, or the command of a `shell` call."""


class RefusedError(Exception):
    """An action that lies in the action space but is not legal in this state.

    The environment turns it into `info["refused"]` and charges a step; it never reaches a caller.
    """


class Interface(Protocol):
    """How a policy sees and acts."""

    @property
    def observation_space(self) -> gymnasium.Space[Any]:
        """Space of what `observe` returns."""
        ...

    @property
    def action_space(self) -> gymnasium.Space[Any]:
        """Space of what `decode` takes."""
        ...

    def start(self, state: State) -> State:
        """The state as an episode begins: the cursor where the agent should look first."""
        ...

    def observe(self, state: State) -> Any:
        """The state, as the policy sees it."""
        ...

    def decode(self, action: Any, state: State) -> ToolCall:
        """What the action means here. Raises RefusedError with a reason where it is not legal."""
        ...

    def toward(self, state: State, target: Mapping[str, str]) -> Any:
        """An action that brings the files nearer to `target`, and submits once they agree."""
        ...

    def look(self, call: ToolCall, state: State) -> State:
        """The state after a call that only moves the cursor."""
        ...
