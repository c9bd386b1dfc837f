"""One run of foreign calls in a forked child, watched from outside it. Standard library only.

Also a program of its own: in containers, where no guest is at hand, `python runs.py REQUEST` makes
one run and prints the reply.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH100, PTH102, PTH108, PTH118, PTH120, PTH123
from __future__ import annotations

import json
import os
import resource
import select
import sys
import time
from collections.abc import Callable
from typing import Any

from hrmgym.envs.sandboxes import calls, isolation, keeper


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
            calls.run(request, root, 3)
        finally:
            os._exit(70)
    os.close(into)
    cap = (len(request["cases"]) + 1) * (limits["output_kb"] + 1) * 1024
    try:
        lines = _collect(out, deadline, cap, host)
    finally:
        os.close(out)
    status, cpu_s = _finish(child, deadline, isolated=isolated)
    return {"status": status, "cpu_s": cpu_s, "wall_s": time.monotonic() - start}, lines


def _collect(out: int, deadline: float, cap: int, host: int | None) -> bytes:
    """What the run writes until it closes the pipe, or time or space run out."""
    poll = select.poll()
    poll.register(out, select.POLLIN)
    if host is not None:
        poll.register(host, select.POLLIN)
    text = bytearray()
    while (left := deadline - time.monotonic()) > 0 and len(text) < cap:
        ready = poll.poll(left * 1000 + 1)
        if any(fd == host for fd, _ in ready):
            raise ConnectionError("the host has gone")
        if ready:
            data = os.read(out, 1 << 16)
            if not data:
                break
            text += data
    return bytes(text)


def _finish(child: int, deadline: float, *, isolated: bool) -> tuple[int | None, float]:
    """Exit code of the run and its CPU seconds. After this nothing of it lives."""
    pause, before = 0.0001, _cpu_of_children()
    done, status = os.waitpid(child, os.WNOHANG)
    while not done and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
        done, status = os.waitpid(child, os.WNOHANG)
    code = os.waitstatus_to_exitcode(status) if done else None
    keeper.kill_rest(isolated=isolated)
    return code, _cpu_of_children() - before


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(path: str) -> None:
    """Make the run that a file describes, in a new folder next to it, and print the reply."""
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    os.unlink(path)  # the child must not read what is not for it
    root = os.path.join(os.path.dirname(os.path.abspath(path)), "workspace")
    os.mkdir(root)
    isolation.prctl(isolation.PR_SET_CHILD_SUBREAPER, 1)
    isolation.renounce()
    header, lines = run(
        request,
        root,
        lambda: isolation.apply_limits(request["limits"], count_processes=None),
        isolated=False,
        host=None,
    )
    print(json.dumps({**header, "lines": lines.decode("ascii", "replace")}))


if __name__ == "__main__":
    main(sys.argv[1])
