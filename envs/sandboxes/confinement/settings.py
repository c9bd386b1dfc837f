"""What a process has from whoever started it: the same for every sandbox, whatever the host has.

The umask, ignored and blocked signals, soft resource limits, the working directory and the standard
streams are inherited. A sandbox's first process puts them in order before it does anything else,
so that no outcome depends on them; what it cannot change, hard limits, is looked at once and told
of before the first run. Standard library only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH116, PTH208
from __future__ import annotations

import math
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any

UMASK = 0o022
#: The usual soft limit of the stack. C libraries take it, when a program starts, as the size of
#: each thread's stack.
STACK = 8 << 20
OPEN_FILES = 512
"""What each process of foreign code may have open."""
NOBODY = 65534  # what foreign code is outside its sandbox, where the host process may choose

_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)

_OWN_MB = 512  # of address space: the interpreter, and what tests may have beside tested code
_OWN_PROCESSES = 480  # at once, of what serves runs, and of runs in other sandboxes
_OWN_CPU_S = 60


def settle() -> None:
    """Put this process's surroundings in order, so far as that is this process's to do.

    Call it first thing, with a single thread. It may start the program anew, with the same
    arguments: what the size of the stack decides is decided at the start.
    """
    os.umask(UMASK)
    os.chdir("/")  # the one before may have been deleted
    for number in signal.valid_signals():
        if number not in _PYTHON_IGNORES and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    for which in _limits():
        _, hard = resource.getrlimit(which)
        soft = hard if which != resource.RLIMIT_STACK else _lesser(STACK, hard)
        resource.setrlimit(which, (soft, hard))
    if stack != resource.getrlimit(resource.RLIMIT_STACK)[0]:
        os.execv(sys.executable, sys.orig_argv)


def _limits() -> list[int]:
    return sorted({value for name, value in vars(resource).items() if name.startswith("RLIMIT_")})


def _lesser(value: int, limit: int) -> int:
    return value if limit == resource.RLIM_INFINITY else min(value, limit)


def shortcomings(limits: Mapping[str, Any]) -> list[str]:
    """Hard limits of this process that a run would meet before its own, each in one line.

    Whatever this process starts is bound by them, and nobody but root can raise them.

    Args:
        limits: The fields of `hrmgym.envs.task.Limits`.
    """
    memory = (limits["memory_mb"] + _OWN_MB) << 20
    needed = [
        (resource.RLIMIT_NOFILE, "-n", "open files", OPEN_FILES, 1),
        (resource.RLIMIT_STACK, "-s", "KiB of stack", STACK, 1024),
        (resource.RLIMIT_AS, "-v", "KiB of virtual memory", memory, 1024),
        (resource.RLIMIT_DATA, "-d", "KiB of data", memory, 1024),
        (resource.RLIMIT_FSIZE, "-f", "KiB in a file", limits["file_mb"] << 20, 1024),
        (resource.RLIMIT_CPU, "-t", "seconds", math.ceil(limits["cpu_s"]) + _OWN_CPU_S, 1),
    ]
    # Foreign code is nobody where this process is root; a limit of its creator's binds a namespace.
    user = os.geteuid() or NOBODY
    most = _tasks_of(user) + limits["processes"] + _OWN_PROCESSES
    needed.append((resource.RLIMIT_NPROC, "-u", "processes, with what runs already", most, 1))
    found = []
    for which, option, what, least, unit in needed:
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY and hard < least:
            found.append(
                f"the hard limit ulimit -H{option[1:]} is {hard // unit}, and a test run needs"
                f" {-(-least // unit)} ({what}): raise it to that or more"
            )
    return found


def _tasks_of(user: int) -> int:
    """Processes and threads of a user, which the kernel counts together."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue  # it has just ended
    return count
