"""The search for an edit after which a project's tests pass, and what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from hrmgym.errors import SandboxError
from hrmgym.search.stages import TestRuns, Try
from hrmgym.search.steps import passed
from hrmgym.search.tries import AnyProposer, tries
from hrmgym.trainers.threads import compute_threads

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv
    from hrmgym.envs.state import State

#: After a first edit that passes, so many others are looked for, within so many runs and seconds.
MOST_OTHERS, OTHER_RUNS, OTHER_S = 5, 200, 20.0


class Ended(StrEnum):
    """Why a search ended."""

    FOUND = "found"  # an edit, and others within their own budget
    TRIED_ALL = "tried all"
    RUNS = "runs spent"
    SECONDS = "seconds spent"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Passing:
    """An edited text after which all tests pass, in a run of their own too."""

    text: str
    number: int
    """Its place in the order, from 1."""
    test_run: int
    """How many test runs there had been, this one included."""
    seconds: float
    """Since the search began."""


@dataclass(slots=True)
class Search:
    """What a search has come to so far."""

    passing: list[Passing] = field(default_factory=list)
    """As they were found."""
    runs: list[TestRuns] = field(default_factory=list)
    """Of each task that was begun."""
    seconds: float = 0.0
    ended: Ended = Ended.INTERRUPTED
    _numbers: dict[str, int] = field(default_factory=dict)
    """Mark of each edited text -> its place in the order: a task may bring those of another."""

    def begin(self) -> None:
        """Notes that another task begins."""
        self.runs.append(TestRuns())

    def add(self, one: Try[State], path: str) -> None:
        """Counts a try, and keeps what passes."""
        self.runs[-1].add(one)
        entry = one.result.files.entry(path)
        assert entry is not None
        number = self._numbers.setdefault(entry.mark, len(self._numbers) + 1)
        if passed(one.result) and not one.open:
            text = one.result.files[path]
            if all(text != other.text for other in self.passing):
                self.passing.append(Passing(text, number, self.test_runs, self.seconds))

    @property
    def edits(self) -> int:
        """Edits that were tried."""
        return len(self._numbers)

    @property
    def test_runs(self) -> int:
        """Runs of the tests, all in all."""
        return sum(one.runs for one in self.runs)

    @property
    def timed_out(self) -> int:
        """Edits without a verdict: they ran out of time under a short limit."""
        return sum(one.timed_out for one in self.runs)


def search(
    policy: AnyProposer,
    env: SoftwareEnv,
    tasks: Sequence[str],
    path: str,
    *,
    runs: int,
    seconds: float | None,
    seed: int,
    on_try: Callable[[Search], None],
) -> Search:
    """Tries edits of a project's file until one passes, and a while longer for others that do.

    Ctrl-C ends it with what it has found.

    Args:
        policy: Puts the edits in order.
        env: Of an `OwnProject`.
        tasks: Ids of its tasks; each is begun when all edits of the one before were in vain.
        path: The file.
        runs: Most runs of the tests.
        seconds: Most seconds; None: no limit.
        seed: Of what the policy draws.
        on_try: Called after each.

    Raises:
        SandboxError: the sandbox failed, and there was no edit yet.
    """
    found, started = Search(), time.monotonic()
    try:
        with compute_threads(1):
            for task in tasks:
                found.begin()
                for one in tries(policy, env, task, runs - found.test_runs, seed):
                    found.seconds = time.monotonic() - started
                    found.add(one, path)
                    on_try(found)
                    if (ended := _ended(found, seconds)) is not None:
                        found.ended = ended
                        return found
                if found.passing or found.test_runs >= runs:
                    break
    except KeyboardInterrupt:
        found.seconds = time.monotonic() - started
        return found
    except SandboxError:
        if not found.passing:
            raise
    found.seconds = time.monotonic() - started
    spent = Ended.RUNS if found.test_runs >= runs else Ended.TRIED_ALL
    found.ended = Ended.FOUND if found.passing else spent
    return found


def _ended(found: Search, seconds: float | None) -> Ended | None:
    """Why a search ends here; None where it goes on."""
    if found.passing:
        first = found.passing[0]
        if (
            len(found.passing) > MOST_OTHERS
            or found.test_runs - first.test_run >= OTHER_RUNS
            or found.seconds - first.seconds >= OTHER_S
        ):
            return Ended.FOUND
    if seconds is not None and found.seconds >= seconds:
        return Ended.FOUND if found.passing else Ended.SECONDS
    return None
