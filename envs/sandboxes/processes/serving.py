"""One run of foreign code that serves its modules to tests elsewhere, watched from outside it.

Standard library only.
"""

# The guest starts faster without pathlib.
from __future__ import annotations

import contextlib
import math
import os
import resource
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from hrmgym.envs.sandboxes.between import candidate
from hrmgym.envs.sandboxes.inside import keeper, runs

_PAUSE_MS = 5.0


def serve(
    request: dict[str, Any],
    root: str,
    become_foreign: Callable[[], None],
    start: runs.Start,
    connection: int,
    *,
    isolated: bool,
    host: int,
) -> dict[str, Any]:
    """Serve the modules of a workspace over a connection, until its other end is closed.

    Returns when every process of the run is dead.

    Args:
        request: See `candidate.run`.
        root: The workspace, empty.
        become_foreign: Takes every power from the process that calls it.
        start: Forks the child.
        connection: Descriptor of the connection to the tests.
        isolated: Whether this process is process 1 of a process namespace.
        host: Descriptor of the connection to the host, whose end ends the run.

    Returns:
        status (exit code; None: out of time; 0 where the other end was closed first), cpu_s and
        wall_s.

    Raises:
        OSError: The run could not be made.
    """
    began = time.monotonic()
    deadline = began + request["limits"]["wall_s"]
    before = runs.cpu_of_children()
    sock = socket.socket(fileno=os.dup(connection))
    poll = select.poll()
    poll.register(host, select.POLLIN)
    poll.register(sock, select.POLLRDHUP)
    child = start.fork(request, root, become_foreign, connection, candidate.run)
    try:
        status = _wait_for_end(child, poll, deadline, host)
    finally:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)  # whoever else holds it
        sock.close()
        keeper.kill_rest(isolated=isolated)
    try:
        start.check()
    except runs.Unfit as unfit:
        return {"status": 0, "cpu_s": 0.0, "wall_s": 0.0, "unfit": unfit.args}
    cpu_s, wall_s = runs.cpu_of_children() - before, time.monotonic() - began
    return {"status": status, "cpu_s": cpu_s, "wall_s": wall_s}


def _wait_for_end(child: int, poll: select.poll, deadline: float, host: int) -> int | None:
    ready, ended = wait_for_child(child, poll, deadline)
    if host in ready:
        raise ConnectionError("the host has gone")
    if ended is not None:
        return os.waitstatus_to_exitcode(ended[0])
    return 0 if ready else None


def wait_for_child(
    child: int, poll: select.poll, deadline: float
) -> tuple[list[int], tuple[int, resource.struct_rusage] | None]:
    """Wait until a child has ended, something in `poll` is ready, or the time is up.

    Returns:
        The descriptors that are ready; and status and usage of the child, if it has ended.
    """
    try:
        watch, pause = os.pidfd_open(child), math.inf
        poll.register(watch, select.POLLIN)
    except OSError:  # withheld where there is no process namespace
        watch, pause = -1, _PAUSE_MS
    try:
        while True:
            left = max(0.0, 1000 * (deadline - time.monotonic()) + 1)
            ready = [fd for fd, _ in poll.poll(min(left, pause)) if fd != watch]
            done, status, usage = os.wait4(child, os.WNOHANG)
            if done:
                return ready, (status, usage)
            if ready or time.monotonic() >= deadline:
                return ready, None
    finally:
        if watch >= 0:
            poll.unregister(watch)
            os.close(watch)
