"""One run of foreign calls in a forked child, watched from outside it. Standard library only.

A child writes its files, and tells on a page of memory that it shares with its parent until foreign
code begins, that it has come so far. Where it has not, nothing that follows is the doing of foreign
code.
"""

# The guest starts faster without pathlib.
from __future__ import annotations

import json
import mmap
import os
import resource
import select
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.inside import calls, keeper, stdio

_PAUSE_S = 0.05  # how often a silent run is looked at


#: First byte of the page: what became of the child before foreign code.
_NOTHING, _BEGUN, _UNFIT, _FAILED = range(4)


class Unfit(Exception):
    """Files that cannot be written because of what they are: `args` as `calls.describe` has it."""


class Start:
    """Forks children that run foreign code, and knows whether they came to it. One at a time."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    def fork(
        self,
        request: Mapping[str, Any],
        root: str,
        become_foreign: Callable[[], None],
        link: int,
        act: Callable[[Mapping[str, Any], str, int], NoReturn],
    ) -> int:
        """Fork a child that becomes foreign, writes its files, and then acts.

        Args:
            request: files and limits; `act` gets it.
            root: The workspace, empty; `act` gets it.
            become_foreign: Takes every power from the process that calls it.
            link: A descriptor that the child gets as number 3. It has no other, and nothing on its
                standard streams.
            act: Runs foreign code.

        Returns:
            The child's process id.
        """
        page = self._page
        page[0] = _NOTHING
        child = os.fork()
        if child:
            return child
        try:
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(link, 3)
            for target in (0, 1, 2):
                os.dup2(null, target)
            os.closerange(4, 1024)
            become_foreign()
            unfit = calls.lay_out(root, request)
            page[0] = _BEGUN if unfit is None else _UNFIT
            if unfit is not None:
                text = calls.line(*unfit)
                page[1 : len(text) + 1] = text
                os._exit(0)
            page.close()  # foreign code cannot take back what it says
            act(request, root, 3)
        except OSError as error:
            if not page.closed:
                page[:3] = bytes([_FAILED]) + (error.errno or 0).to_bytes(2, "big")
        finally:
            os._exit(70)

    def check(self) -> None:
        """Look whether the last child, which has ended, came to foreign code.

        Raises:
            Unfit: Its files cannot be written because of what they are.
            OSError: It did not, for another reason.
        """
        state = self._page[0]
        if state == _UNFIT:
            raise Unfit(*json.loads(self._page[1 : self._page.find(b"\n")]))
        if state != _BEGUN:
            number = int.from_bytes(self._page[1:3], "big") if state == _FAILED else 0
            raise OSError(number, os.strerror(number) if number else "a run did not begin")


def run(
    request: dict[str, Any],
    root: str,
    become_foreign: Callable[[], None],
    start: Start,
    *,
    isolated: bool,
    host: int | None,
) -> tuple[dict[str, Any], bytes]:
    """Make the calls of `request`; returns when every process of the run is dead.

    Args:
        request: See `calls.run`.
        root: The workspace, empty.
        become_foreign: Takes every power from the process that calls it.
        start: Forks the child.
        isolated: Whether this process is process 1 of a process namespace.
        host: Descriptor of the connection to the host, whose end ends the run.

    Returns:
        status (exit code; None: out of time), cpu_s and wall_s; and the lines of the run.

    Raises:
        OSError: The run could not be made.
    """
    limits = request["limits"]
    began = time.monotonic()
    deadline = began + limits["wall_s"]
    out, into = os.pipe()
    kind = stdio if request["kind"] == "stdio" else calls
    child = start.fork(request, root, become_foreign, into, kind.run)
    os.close(into)
    cap = (len(request["cases"]) + 1) * (limits["output_kb"] + 1) * 1024
    before = cpu_of_children()
    try:
        lines, status = _collect(child, out, deadline, cap, host)
    finally:
        os.close(out)
    keeper.kill_rest(isolated=isolated)
    try:
        start.check()
    except Unfit as unfit:
        return {"status": 0, "cpu_s": 0.0, "wall_s": 0.0}, calls.line("bad", *unfit.args)
    cpu_s, wall_s = cpu_of_children() - before, time.monotonic() - began
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
