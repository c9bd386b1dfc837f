"""The search for an edit after which a project's tests pass, and what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from hrmgym.errors import SandboxError
from hrmgym.search.stages import TestRuns
from hrmgym.search.tries import passed, tries
from hrmgym.trainers.threads import compute_threads

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv
    from hrmgym.policies.base import Proposer
    from hrmgym.policies.ranked import RankedPolicy

#: After a first edit that passes, so many others are looked for, within so many runs and seconds.
MOST_OTHERS, OTHER_RUNS, OTHER_S = 5, 200, 10.0


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
    proposal: int
    """Its place in the policy's order, from 1."""
    test_run: int
    """How many test runs there had been, this one included."""
    seconds: float
    """Since the search began."""


@dataclass(slots=True)
class Search:
    """What a search has come to so far."""

    passing: list[Passing] = field(default_factory=list)
    """By their places in the policy's order, as they were found."""
    runs: TestRuns = field(default_factory=TestRuns)
    seconds: float = 0.0
    ended: Ended = Ended.TRIED_ALL


def search(
    policy: Proposer | RankedPolicy,
    env: SoftwareEnv,
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
        path: The file.
        runs: Most runs of the tests.
        seconds: Most seconds; None: no limit.
        seed: Of what the policy draws.
        on_try: Called after each.

    Raises:
        SandboxError: the sandbox failed, and there was no edit yet.
    """
    found, started = Search(), time.monotonic()
    found.ended = Ended.INTERRUPTED
    try:
        with compute_threads(1):
            for one in tries(policy, env, path, runs, seed):
                found.runs.add(one)
                found.seconds = time.monotonic() - started
                if passed(one.result) and not one.open:
                    text = one.result.files[path]
                    if all(text != other.text for other in found.passing):
                        found.passing.append(Passing(text, one.number, one.run, found.seconds))
                on_try(found)
                if _enough(found.passing, one.run, found.seconds):
                    found.ended = Ended.FOUND
                    return found
                if seconds is not None and found.seconds >= seconds:
                    found.ended = Ended.FOUND if found.passing else Ended.SECONDS
                    return found
    except KeyboardInterrupt:
        found.seconds = time.monotonic() - started
        return found
    except SandboxError:
        if not found.passing:
            raise
    found.seconds = time.monotonic() - started
    spent = found.runs.runs >= runs
    found.ended = Ended.FOUND if found.passing else Ended.RUNS if spent else Ended.TRIED_ALL
    return found


def _enough(passing: Sequence[Passing], runs: int, seconds: float) -> bool:
    """Whether there is an edit, and others have been looked for long enough."""
    if not passing:
        return False
    first = passing[0]
    return (
        len(passing) > MOST_OTHERS
        or runs - first.test_run >= OTHER_RUNS
        or seconds - first.seconds >= OTHER_S
    )
