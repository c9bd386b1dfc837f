"""One run of foreign calls in a forked child, watched from outside it. Standard library only."""

# The guest starts faster without pathlib.
from __future__ import annotations

import os
import resource
import select
import time
from collections.abc import Callable
from typing import Any

from hrmgym.envs.sandboxes.inside import calls, keeper, stdio

_PAUSE_S = 0.05  # how often a silent run is looked at


def run(
    request: dict[str, Any],
    root: str,
    become_foreign: Callable[[], None],
    *,
    isolated: bool,
    host: int | None,
) -> tuple[dict[str, Any], bytes]:
    """Make the calls of `request`; returns when every process of the run is dead.

    Args:
        request: See `calls.run`.
        root: The workspace, empty.
        become_foreign: Takes every power from the process that calls it.
        isolated: Whether this process is process 1 of a process namespace.
        host: Descriptor of the connection to the host, whose end ends the run.

    Returns:
        status (exit code; None: out of time), cpu_s and wall_s; and the lines of the run.
    """
    limits = request["limits"]
    start = time.monotonic()
    deadline = start + limits["wall_s"]
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(into, 3)
            for target in (0, 1, 2):
                os.dup2(null, target)
            os.closerange(4, 1024)
            become_foreign()
            (stdio if request["kind"] == "stdio" else calls).run(request, root, 3)
        finally:
            os._exit(70)
    os.close(into)
    cap = (len(request["cases"]) + 1) * (limits["output_kb"] + 1) * 1024
    before = cpu_of_children()
    try:
        lines, status = _collect(child, out, deadline, cap, host)
    finally:
        os.close(out)
    keeper.kill_rest(isolated=isolated)
    cpu_s, wall_s = cpu_of_children() - before, time.monotonic() - start
    return {"status": status, "cpu_s": cpu_s, "wall_s": wall_s}, lines


def _collect(
    child: int, out: int, deadline: float, cap: int, host: int | None
) -> tuple[bytes, int | None]:
    """What the run writes, and its exit code: None when it ran out of time or space."""
    poll = select.poll()
    poll.register(out, select.POLLIN)
    if host is not None:
        poll.register(host, select.POLLIN)
    os.set_blocking(out, False)
    text = bytearray()
    done, status, is_open = 0, 0, True
    while is_open and not done and (left := deadline - time.monotonic()) > 0 and len(text) < cap:
        ready = [fd for fd, _ in poll.poll(1000 * min(left, _PAUSE_S) + 1)]
        if host in ready:
            raise ConnectionError("the host has gone")
        if not ready:  # silent: has it ended, and a child of it holds the pipe?
            done, status = os.waitpid(child, os.WNOHANG)
        is_open = _take(out, text, cap)
    pause = 0.0001
    while not done and not is_open and time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if not done:
            time.sleep(pause)
            pause = min(2 * pause, _PAUSE_S)
    return bytes(text), os.waitstatus_to_exitcode(status) if done else None


def _take(out: int, text: bytearray, cap: int) -> bool:
    """Move what is in the pipe to `text`; whether the pipe is still open."""
    while len(text) < cap:
        try:
            data = os.read(out, 1 << 16)
        except BlockingIOError:
            break
        if not data:
            return False
        text += data
    return True


def cpu_of_children() -> float:
    """CPU seconds of all processes below this one that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
