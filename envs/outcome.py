"""What a run of tests said, and how a grade is made of it: plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from hrmgym.envs.showing import showable

_MESSAGE_WIDTH = 300  # that escapes may make a message


class Status(StrEnum):
    """What became of one test. `PASSED` alone counts as passed."""

    PASSED = "passed"
    FAILED = "failed"  # ran, and its check did not hold
    ERROR = "error"  # could not run: a syntax error, a crash, a killed process
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    SKIPPED = "skipped"  # does not pass, unless the reference skips it too
    MISSING = "missing"  # never reported


class Reason(StrEnum):
    """How a step, an episode or a task ended."""

    SOLVED = "solved"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    REFUSED = "refused"  # the last action was not legal
    INFRASTRUCTURE = "infrastructure"  # no verdict: a `FailureCode` says why


class FailureCode(StrEnum):
    """Why the suite, and not the code under test, is to blame for a run without a verdict."""

    DESCRIPTORS = "descriptors"  # too many open files
    DISK = "disk"  # no space left, a quota, an input or output error
    PROCESSES = "processes"  # no process or thread could be started
    HOST_MEMORY = "host_memory"  # the machine is short of memory
    SANDBOX_START = "sandbox_start"
    LOST_CONNECTION = "lost_connection"  # the sandbox died, or answers no more
    CANNOT_CROSS = "cannot_cross"  # tests apart from the code met a value that cannot cross
    TOOLCHAIN_MISSING = "toolchain_missing"  # a program that the tests need is not there
    INTERNAL = "internal"  # anything else on our side


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of tests said."""

    tests: Mapping[str, Status]
    """Test id -> status, one entry for every id of the TestSpec, in its order."""
    uncounted: frozenset[str] = frozenset()
    """Ids of tests that the benchmark's grading rule leaves out; by default those that the
    reference skips too."""
    message: str = ""
    """The first failure, short and free of anything that differs from run to run."""
    path: str = ""
    """File of the failing frame, where one is known."""
    line: int = 0
    """Line of the failing frame, from 1; 0 where none is known."""
    cpu_s: float = field(default=0.0, compare=False)
    wall_s: float = field(default=0.0, compare=False)
    failure: FailureCode | None = None
    """Why there is no verdict; such an outcome is never cached, and never counts as a zero."""
    killed: bool = field(default=False, compare=False)
    """Whether the code's process was ended by a SIGKILL that no limit explains."""

    def __post_init__(self) -> None:
        # Both come from foreign code, and are shown to agents, to people and in reports.
        if not self.message.isprintable():
            shown, most = showable(self.message), max(len(self.message), _MESSAGE_WIDTH)
            short = shown if len(shown) <= most else shown[: most - 3] + "..."
            object.__setattr__(self, "message", short)
        if not self.path.isprintable():
            object.__setattr__(self, "path", showable(self.path.replace("\n", "\\n")))

    @property
    def trouble(self) -> bool:
        """Whether the sandbox is to blame rather than the code."""
        return self.failure is not None

    @property
    def total(self) -> int:
        """Number of tests that count."""
        return len(self.tests) - len(self.uncounted)

    @property
    def passed(self) -> int:
        """Number of tests that count and passed."""
        counted = (status for name, status in self.tests.items() if name not in self.uncounted)
        return sum(status is Status.PASSED for status in counted)

    @property
    def resolved(self) -> bool:
        """Whether at least one test counted and every one that did passed."""
        return self.failure is None and self.total > 0 and self.passed == self.total

    @property
    def reason(self) -> Reason:
        """How the run ended: `TIMEOUT` and `OUT_OF_MEMORY` where no test failed otherwise."""
        if self.failure is not None:
            return Reason.INFRASTRUCTURE
        if self.resolved:
            return Reason.SOLVED
        seen = {status for name, status in self.tests.items() if name not in self.uncounted}
        if seen & {Status.FAILED, Status.ERROR, Status.SKIPPED}:
            return Reason.FAILED
        if Status.TIMEOUT in seen:
            return Reason.TIMEOUT
        return Reason.OUT_OF_MEMORY if Status.OUT_OF_MEMORY in seen else Reason.FAILED

    def __str__(self) -> str:
        return f"{self.passed}/{self.total} tests pass"


#: What stands before the ids of a grade, so that no outcome of one run hides one of the other.
VISIBLE, HIDDEN = "visible/", "hidden/"


def grade_of(*, visible: Outcome | None, hidden: Outcome) -> Outcome:
    """The grade of a solution: every test of both runs counts, by the id `visible/...` or
    `hidden/...`; the first failure message of the visible run comes first.

    Args:
        visible: None where the hidden tests have decided already.
        hidden: The run of the hidden tests.
    """
    if visible is None:
        return replace(hidden, **_named(hidden, HIDDEN))
    failing = hidden if visible.resolved else visible
    one, two = _named(visible, VISIBLE), _named(hidden, HIDDEN)
    return Outcome(
        tests={**one["tests"], **two["tests"]},
        uncounted=one["uncounted"] | two["uncounted"],
        message=failing.message,
        path=failing.path,
        line=failing.line,
        cpu_s=visible.cpu_s + hidden.cpu_s,
        wall_s=visible.wall_s + hidden.wall_s,
        failure=visible.failure or hidden.failure,
        killed=visible.killed or hidden.killed,
    )


def visible_part(grade: Outcome) -> Outcome | None:
    """The visible tests of a grade by their own ids; None where it has none."""
    tests = {
        name.removeprefix(VISIBLE): status
        for name, status in grade.tests.items()
        if name.startswith(VISIBLE)
    }
    if not tests:
        return None
    uncounted = (name for name in grade.uncounted if name.startswith(VISIBLE))
    part = Outcome(
        tests=tests, uncounted=frozenset(name.removeprefix(VISIBLE) for name in uncounted)
    )
    if part.resolved:  # the message is that of a hidden test
        return part
    return replace(part, message=grade.message, path=grade.path, line=grade.line)


def _named(outcome: Outcome, prefix: str) -> dict[str, Any]:
    return {
        "tests": {prefix + name: status for name, status in outcome.tests.items()},
        "uncounted": frozenset(prefix + name for name in outcome.uncounted),
    }
