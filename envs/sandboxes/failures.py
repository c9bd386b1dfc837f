"""What went wrong on our side, as a reason code: no verdict follows from any of it."""

from __future__ import annotations

import errno

from hrmgym.envs.outcome import FailureCode
from hrmgym.errors import SandboxError


class GuestDied(SandboxError):
    """The guest's process has ended; another one has to be started."""

    def __init__(self, message: str, code: str = FailureCode.LOST_CONNECTION) -> None:
        super().__init__(message, code)


class GuestBroken(GuestDied):
    """It was not killed: it gave up, does not answer, or answers nonsense.

    What it ran may have brought it there.
    """


#: Errors of the system that say what is lacking; any other one is `INTERNAL`.
_CODES = {
    errno.EMFILE: FailureCode.DESCRIPTORS,
    errno.ENFILE: FailureCode.DESCRIPTORS,
    errno.ETOOMANYREFS: FailureCode.DESCRIPTORS,  # too many on their way between processes
    errno.ENOSPC: FailureCode.DISK,
    errno.EDQUOT: FailureCode.DISK,
    errno.EIO: FailureCode.DISK,
    errno.EROFS: FailureCode.DISK,
    errno.EAGAIN: FailureCode.PROCESSES,
    errno.EUSERS: FailureCode.PROCESSES,
    errno.ENOMEM: FailureCode.HOST_MEMORY,
    errno.ENOBUFS: FailureCode.HOST_MEMORY,
    errno.EPIPE: FailureCode.LOST_CONNECTION,
    errno.ECONNRESET: FailureCode.LOST_CONNECTION,
    errno.ECONNREFUSED: FailureCode.LOST_CONNECTION,
    errno.ECONNABORTED: FailureCode.LOST_CONNECTION,
    errno.ENOTCONN: FailureCode.LOST_CONNECTION,
    errno.ETIMEDOUT: FailureCode.LOST_CONNECTION,
}
#: Those that say nothing of what was asked for: the machine had no room for it just then.
SCARCE = frozenset(
    (
        *(FailureCode.DESCRIPTORS, FailureCode.DISK),
        *(FailureCode.PROCESSES, FailureCode.HOST_MEMORY),
    )
)


def code_of_number(number: int, other: FailureCode = FailureCode.INTERNAL) -> FailureCode:
    """The code of a system's error number; `other` for one that names no cause."""
    return _CODES.get(number, other)


def code_of(error: BaseException) -> FailureCode:
    """The code of an exception that our own code has met."""
    if isinstance(error, MemoryError):
        return FailureCode.HOST_MEMORY
    if isinstance(error, ConnectionError):
        return FailureCode.LOST_CONNECTION
    if isinstance(error, OSError):
        return code_of_number(error.errno or 0)
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return FailureCode.PROCESSES
    return FailureCode.INTERNAL
