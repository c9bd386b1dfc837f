"""A run folder's lock: who works in it now.

The lock is the kernel's, so it is gone with the process that held it, however that ended.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from hrmgym.errors import ConfigError

#: Looking whether a lock is held takes it for a moment: so often, so many seconds apart.
_TRIES, _PAUSE = 10, 0.05

_log = logging.getLogger(__name__)

#: Locks that this process holds. A child that is forked would go on holding them after its parent.
_held: set[int] = set()


def _drop() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_drop)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of a file, which is made if it is not there, for the block.

    Raises:
        ConfigError: Another process, or another part of this one, holds it; or the file cannot be
            written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    _held.add(descriptor)
    try:
        _take(descriptor, path)
        mine = Holder(os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%dT%H:%M:%S%z"))
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(asdict(mine)).encode())
        yield
    finally:
        if descriptor in _held:  # not in a child that was forked meanwhile
            _held.discard(descriptor)
            with suppress(OSError):  # a child that was just forked may still have it open
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not left:
                who = holder(path) or "another process"
                raise ConfigError(
                    f"{path.parent}: {who}, works in this run; stop that first"
                ) from None
            time.sleep(_PAUSE)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
            _log.warning("%s: this file system has no locks; the run is not protected", path.parent)
            return


def holder(path: Path) -> Holder | None:
    """Who holds a file's lock; None: nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return _read(descriptor)
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Holder:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(found["pid"]), str(found["host"]), str(found["since"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        # It has just been taken, or somebody has written in it.
        return Holder(0, "?", "?")
