"""When a run whose sandbox died is made again.

A run is made again at once when its sandbox was lost: this is what a `GuestDied` says. The code
under test may be the cause, so there has to be an end to it:

- a loss that the code may have caused counts, and after the second one the run is given up. Every
  loss of a sandbox without isolation counts so, and each while the kernel killed processes in
  sandboxes for want of memory, or where the guest gave up by itself;
- a loss that the code cannot have caused does not count: in a sandbox no foreign process can
  signal the processes that serve it (pid_namespaces(7): they are the first ones of their namespaces
  or outside of it), so somebody else has killed them. There is an end to that too, `MOST_LOSSES`.

A run that could not be made for want of something on our side, as descriptors, disk, processes or
memory of the machine, is made again after a pause, `MOST_FAILURES` times in all. None of this is
ever a verdict: what is given up has a reason code.

A run whose own process was ended by SIGKILL is believed only when `CONFIRM` runs have said the
same: nobody can tell from outside whether the code sent the signal itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from hrmgym.envs.sandboxes import failures
from hrmgym.envs.sandboxes.confinement import cgroups
from hrmgym.envs.sandboxes.failures import GuestBroken, GuestDied
from hrmgym.envs.task import FailureCode, Outcome, Status, TestSpec
from hrmgym.errors import SandboxError, SandboxUnavailableError

CONFIRM = 3
MOST_LOSSES = 50
MOST_KILLS = 10
MOST_FAILURES = 5
_PAUSE_S = 0.02  # before the second try; before each further one four times as long

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
    """A run was given up.

    Args:
        message: Why.
        code: The same, for machines.
    """

    def __init__(self, message: str, code: FailureCode) -> None:
        super().__init__(message)
        self.code = code


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
            Lost: Too many sandboxes were lost, or the run could not be made.
            SandboxError: The sandbox does not do what it was asked to.
        """
        self.counts.runs += 1
        blamed = losses = failed = 0
        kills: list[T] = []
        while True:
            try:
                result = attempt()
            except (SandboxError, OSError, MemoryError, RuntimeError) as error:
                code = _reason(error)
                if code is None:
                    raise
                self.counts.replaced += isinstance(error, GuestDied)
                if isinstance(error, GuestDied) and code not in _WANT:
                    losses += 1
                    blamed += self._may_be_own_doing(error)
                else:
                    failed += 1
                self._renew()
                if blamed > 1 or losses > MOST_LOSSES or failed >= MOST_FAILURES:
                    self.counts.failed += 1
                    tries = losses + failed
                    times = "twice" if tries == 2 else f"{tries} times"
                    raise Lost(
                        f"the sandbox broke {times} under this run: {error}", code
                    ) from error
                self.counts.retried += 1
                _log.warning("a sandbox was lost and is replaced; its run is repeated: %s", error)
                if failed:
                    time.sleep(_PAUSE_S * 4 ** (failed - 1))
                continue
            if not killed(result):
                return result
            kills.append(result)
            if kills.count(result) == CONFIRM or len(kills) == MOST_KILLS:
                return result
            self.counts.retried += 1

    def _renew(self) -> None:
        try:
            self._replace()
        except (
            OSError,
            SandboxError,
            MemoryError,
            RuntimeError,
        ) as error:  # the next try will tell
            if _reason(error) is None:
                raise
            _log.warning("a sandbox cannot be replaced yet: %s", error)

    def _may_be_own_doing(self, error: GuestDied) -> bool:
        before, self._memory_kills = self._memory_kills, _memory_kills()
        return (
            isinstance(error, GuestBroken) or self._memory_kills != before or not self._isolated()
        )


#: What a run fails for that no code under test can cause.
_WANT = failures.SCARCE | {FailureCode.SANDBOX_START}


def _reason(error: Exception) -> FailureCode | None:
    """Why a run could not be made; None for what is no failure of the machine's."""
    if isinstance(error, GuestDied):
        return FailureCode(error.code)
    if isinstance(error, SandboxUnavailableError):
        return None
    if isinstance(error, SandboxError):
        return FailureCode(error.code) if error.code in _WANT else None
    code = failures.code_of(error)
    is_systems = isinstance(error, (OSError, MemoryError)) or code is FailureCode.PROCESSES
    return code if is_systems else None


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
