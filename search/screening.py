"""Trying legal edits hot: in a screen, which tries many of them in one process.

An edit that fails there has failed. What passes is run again at once, cold, as every other proposal
is, and so is what was cut off; screens give no verdict that an edit is right. What another score
has kept in a file of outcomes is not run again, and counts as if it had been.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.edits.screen import Coverage, Screen, Screened, spectrum
from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.outcome_file import TaskOutcomes
from hrmgym.envs.state import State
from hrmgym.envs.transitions import verdict
from hrmgym.search.belief import Belief
from hrmgym.search.changes import Before, Change
from hrmgym.search.stages import Ran
from hrmgym.search.steps import within

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv

_log = logging.getLogger(__name__)
_AHEAD = 64  # texts that are screened together


class Screening:
    """Runs legal edits of the state that an environment is in, as `in_stages` asks for them.

    Args:
        env: Where they are tried; it stays where it is.
        edits: In the order of their first runs.
        first_s: Limit of a first run, in CPU seconds.
        outcomes: What is known of the state's edits, and gets to know what is run here.
        state: What is edited; by default the state that the environment is in.
    """

    _how = "screen"  # as what outcomes are kept

    def __init__(
        self,
        env: SoftwareEnv,
        edits: Sequence[FileEdit],
        first_s: float,
        outcomes: TaskOutcomes | None = None,
        state: State | None = None,
    ) -> None:
        self._env, self._first_s = env, first_s
        self._state = env.state if state is None else state
        self._outcomes = outcomes
        self._screens = {path: self._screen(path) for path in {one.path for one in edits}}
        self._hot = {path: self._in_order(path, edits) for path in self._screens}

    def _screen(self, path: str) -> Screen:
        env, ran = self._env, self._state.outcome
        return Screen(
            *(env.benchmark, env.task, self._state.candidate(), path, env.sandbox),
            _start_s(ran),
            None if ran is None else _failing(ran),
        )

    def _in_order(self, path: str, edits: Sequence[FileEdit]) -> Iterator[Screened]:
        texts = (one.applied(self._state) for one in edits if one.path == path)
        unknown = (text for text in texts if self._screened(path, text) is None)
        return self._screens[path].run(unknown, cpu_s=self._first_s)

    def _screened(self, path: str, text: str) -> Screened | None:
        if self._outcomes is None:
            return None
        files = self._state.files.with_text(path, text)
        return self._outcomes.recall(self._how, files, self._first_s, Screened)

    def _try(self, path: str, text: str) -> Screened:
        """What a text comes to whose outcome is not kept."""
        return next(self._hot[path])

    def __call__(self, edit: FileEdit, cpu_s: float, final: bool) -> Ran[State]:
        """Tries one edit.

        Raises:
            SandboxError: the sandbox failed, so there is no verdict.
        """
        text, outcomes = edit.applied(self._state), self._outcomes
        files = self._state.files.with_text(edit.path, text)
        if final or cpu_s > self._first_s:
            known = None if outcomes is None else outcomes.recall("run", files, cpu_s, Outcome)
            after = self._env.edited(self._state, edit.path, text, cpu_s=cpu_s, known=known)
            if outcomes is not None and known is None and after.ran is not None:
                outcomes.keep("run", files, cpu_s, after.ran)
            return within(after, cpu_s, after)
        kept = self._screened(edit.path, text)
        found = self._try(edit.path, text) if kept is None else kept
        if found.outcome is not None:  # it had an ordinary run
            verdict(found.outcome)
        if outcomes is not None and kept is None:
            outcomes.keep(self._how, files, self._first_s, found)
        after = replace(
            self._state,
            files=files,
            outcome=found.outcome,
            tool="edit",
            steps=self._state.steps + 1,
        )
        self._note(edit, found)
        return Ran(after, found.cpu_s, found.cut, found.passed and found.hot, found.runs)

    def _note(self, edit: FileEdit, found: Screened) -> None:
        """Takes notice of what a first run came to."""


class LearningScreening(Screening):
    """Screens edits as a belief asks for them, and tells it what each has changed.

    Texts are screened ahead, those that are most probable then. What a text came to that was
    screened ahead is not looked at, and no test run, until its turn comes.

    Args:
        env: See `Screening`.
        belief: Of the edits of the environment's state.
        before: Path -> what the tests do before any edit.
        first_s: See `Screening`.
        outcomes: See `Screening`.
        state: See `Screening`.

    Attributes:
        change: What the last edit has changed; `Change.UNKNOWN` where it passes.
    """

    _how = "screen, told"

    def __init__(
        self,
        env: SoftwareEnv,
        belief: Belief,
        before: Mapping[str, Before],
        first_s: float,
        outcomes: TaskOutcomes | None = None,
        state: State | None = None,
    ) -> None:
        super().__init__(env, belief.edits, first_s, outcomes, state)
        self.change = Change.UNKNOWN
        self._belief, self._before = belief, before
        self._ahead: dict[tuple[str, str], Screened] = {}
        self._numbers = {edit: number for number, edit in enumerate(belief.edits)}

    def _try(self, path: str, text: str) -> Screened:
        screen = self._screens[path]
        if (path, text) not in self._ahead:
            next_ = [self._belief.edits[number] for number in self._belief.best(_AHEAD)]
            texts = (one.applied(self._state) for one in next_ if one.path == path)
            wanted = [text, *(one for one in texts if self._unknown(path, one))]
            done = screen.ahead(wanted, cpu_s=self._first_s)
            self._ahead |= {(path, one): found for one, found in zip(wanted, done, strict=False)}
        found = self._ahead.pop((path, text))
        if found.hot:
            return found
        cold = screen.cold(text, cpu_s=self._first_s)
        return replace(cold, runs=cold.runs + found.runs)

    def _unknown(self, path: str, text: str) -> bool:
        return (path, text) not in self._ahead and self._screened(path, text) is None

    def _note(self, edit: FileEdit, found: Screened) -> None:
        self.change = Change.UNKNOWN
        if not found.passed:
            self.change = self._before[edit.path].change(found)
            self._belief.learn(self._numbers[edit], self.change)


def look(env: SoftwareEnv, state: State, outcomes: TaskOutcomes | None, path: str) -> Coverage:
    """Which lines of a file each visible test runs; where that is not known, a warning says why."""
    about = (f"lines of {path}", state.files, math.inf)
    found = None if outcomes is None else outcomes.recall(*about, Coverage)
    if found is None:
        found = spectrum(env.benchmark, env.task, state.candidate(), path, env.sandbox)
        if outcomes is not None:
            outcomes.keep(*about, found)
    if found.why:
        _log.warning("task %s: %s has no spectrum: %s", state.task.id, path, found.why)
    return found


def _failing(untouched: Outcome) -> set[str]:
    """Ids of the tests that a program did not pass."""
    return {name for name, was in untouched.tests.items() if was is not Status.PASSED}


def _start_s(untouched: Outcome | None) -> float:
    """CPU seconds that any run of a program's tests takes, by that of the untouched program.

    Where that one was cut off, it says nothing of how long a start takes.
    """
    if untouched is None or Status.TIMEOUT in untouched.tests.values():
        return 0.0
    return untouched.cpu_s
