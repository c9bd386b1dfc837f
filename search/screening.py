"""Trying legal edits hot: in a screen, which tries many of them in one process.

An edit that fails there has failed. What passes is run again at once, cold, as every other proposal
is, and so is what was cut off; screens give no verdict that an edit is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.edits.screen import Screen, Screened
from hrmgym.envs.state import State
from hrmgym.envs.transitions import verdict
from hrmgym.search.stages import Ran
from hrmgym.search.steps import within

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv


class Screening:
    """Runs legal edits of the state that an environment is in, as `in_stages` asks for them.

    Args:
        env: Where they are tried; it stays where it is.
        edits: In the order of their first runs.
        first_s: Limit of a first run, in CPU seconds.
    """

    def __init__(self, env: SoftwareEnv, edits: Sequence[FileEdit], first_s: float) -> None:
        self._env, self._state, self._first_s = env, env.state, first_s
        self._hot = {path: self._screen(path, edits) for path in {one.path for one in edits}}

    def _screen(self, path: str, edits: Sequence[FileEdit]) -> Iterator[Screened]:
        env, state = self._env, self._state
        screen = Screen(env.benchmark, env.task, state.candidate(), path, env.sandbox)
        texts = (one.applied(state) for one in edits if one.path == path)
        return screen.run(texts, cpu_s=self._first_s)

    def __call__(self, edit: FileEdit, cpu_s: float, final: bool) -> Ran[State]:
        """Tries one edit.

        Raises:
            SandboxError: the sandbox failed, so there is no verdict.
        """
        text = edit.applied(self._state)
        if final or cpu_s > self._first_s:
            after = self._env.edited(self._state, edit.path, text, cpu_s=cpu_s)
            return within(after, cpu_s, after)
        found = next(self._hot[edit.path])
        if found.outcome is not None:  # it had an ordinary run
            verdict(found.outcome)
        files = self._state.files.with_text(edit.path, text)
        after = replace(
            self._state,
            files=files,
            outcome=found.outcome,
            tool="edit",
            steps=self._state.steps + 1,
        )
        return Ran(after, found.cpu_s, found.cut, found.passed and found.hot, found.runs)
