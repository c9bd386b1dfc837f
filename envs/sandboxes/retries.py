"""When a run whose sandbox died is made again.

A run is made again at once when its sandbox was lost: this is what a `GuestDied` says. The code
under test may be the cause, so there has to be an end to it:

- a loss that the code may have caused counts, and the second one decides: `Status.ERROR`. So is
  every loss of a sandbox without isolation, or one while the kernel killed processes in sandboxes
  for want of memory, or one where the guest gave up by itself;
- a loss that the code cannot have caused does not count: in a sandbox no foreign process can
  signal the processes that serve it (pid_namespaces(7): they are the first ones of their namespaces
  or outside of it), so somebody else has killed them. There is an end to that too, `MOST_LOSSES`.

A run whose own process was ended by SIGKILL is believed only when `CONFIRM` runs have said the
same: nobody can tell from outside whether the code sent the signal itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from hrmgym.envs.sandboxes.confinement import cgroups
from hrmgym.envs.sandboxes.local.link import GuestBroken, GuestDied
from hrmgym.envs.task import FailureCode, Outcome, Status, TestSpec

CONFIRM = 3
MOST_LOSSES = 50
MOST_KILLS = 10

T = TypeVar("T")

_log = logging.getLogger("hrmgym.sandboxes")


@dataclass(slots=True)
class Counts:
    """What a sandbox, or a pool of them, has done."""

    runs: int = 0
    """Test runs and commands that were asked for."""
    retried: int = 0
    """Runs made again because the sandbox was lost, or to confirm a SIGKILL."""
    replaced: int = 0
    """Sandboxes that were lost and replaced."""
    failed: int = 0
    """Runs given up: their outcome has a `failure`."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class Lost(Exception):
    """A run was given up."""

    code = FailureCode.LOST_CONNECTION


class Retries:
    """Makes the runs of one sandbox.

    Args:
        replace: Gets the sandbox anew.
        isolated: Whether foreign code cannot reach the processes that serve it.
        counts: Is kept up to date.
    """

    def __init__(
        self, replace: Callable[[], None], isolated: Callable[[], bool], counts: Counts
    ) -> None:
        self.counts = counts
        self._replace, self._isolated = replace, isolated
        self._memory_kills = _memory_kills()

    def persist(self, attempt: Callable[[], T], killed: Callable[[T], bool]) -> T:
        """What `attempt` returns, once it is to be believed.

        Args:
            attempt: Makes the run.
            killed: Whether a result is that of a run that was ended by SIGKILL.

        Raises:
            Lost: Too many sandboxes were lost.
        """
        self.counts.runs += 1
        blamed = losses = 0
        kills: list[T] = []
        while True:
            try:
                result = attempt()
            except GuestDied as error:
                self.counts.replaced += 1
                losses += 1
                blamed += self._may_be_own_doing(error)
                self._replace()
                if blamed > 1 or losses > MOST_LOSSES:
                    self.counts.failed += 1
                    times = "twice" if losses == 2 else f"{losses} times"
                    raise Lost(f"the sandbox broke {times} under this run: {error}") from error
                self.counts.retried += 1
                _log.warning("a sandbox was lost and is replaced; its run is repeated: %s", error)
                continue
            if not killed(result):
                return result
            kills.append(result)
            if kills.count(result) == CONFIRM or len(kills) == MOST_KILLS:
                return result
            self.counts.retried += 1

    def _may_be_own_doing(self, error: GuestDied) -> bool:
        before, self._memory_kills = self._memory_kills, _memory_kills()
        return (
            isinstance(error, GuestBroken) or self._memory_kills != before or not self._isolated()
        )


def failure(tests: TestSpec, reason: Lost) -> Outcome:
    """The outcome of tests whose run was given up."""
    return Outcome(
        tests=dict.fromkeys(tests.test_ids, Status.ERROR), message=str(reason), failure=reason.code
    )


def _memory_kills() -> int:
    """Processes that the kernel has killed for want of memory: ours where that is known, or all."""
    ours = cgroups.memory_kills()
    if ours is not None:
        return ours
    try:
        text = Path("/proc/vmstat").read_text()
    except OSError:
        return 0
    return int(text.partition("\noom_kill ")[2].partition("\n")[0] or 0)
