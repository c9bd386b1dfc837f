"""Screens: many texts of one file tried in few processes, watched from outside them.

A process of a screen tries texts until it is through, has had its time, is no longer as it was at
first, or is ended by a text; what is left then goes to another one. Standard library only.
"""

# The guest starts faster without pathlib.
from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.inside import keeper, runs
from hrmgym.envs.sandboxes.processes import serving
from hrmgym.envs.sandboxes.screening import calltrial, pytesttrial, stdiotrial, tracing, trying

_PAUSE_S = 0.25  # how often a screen is looked at
SPARE_CPU_S = trying.PREPARE_S

#: Kind of tests -> what a process does that tries texts with them.
ACTS: dict[str, Callable[[Mapping[str, Any], str, int], NoReturn]] = {
    "calls": partial(trying.act, calltrial.Calls),
    "stdio": partial(trying.act, stdiotrial.Stdio),
    "pytest": pytesttrial.act,
}


def screen(
    request: dict[str, Any],
    blob: bytes,
    root: str,
    become_foreign: Callable[[], None],
    start: runs.Start,
    renew: Callable[[], None],
    *,
    isolated: bool,
    host: int,
) -> tuple[dict[str, Any], bytes]:
    """Try texts; returns when every process of it is dead.

    Args:
        request: See `trying.act`; sizes of the texts instead of the texts, and `lines`: of the
            untouched file, where its tests are to be traced one by one (then the texts are not
            looked at); 0 where texts are tried.
        blob: The texts, one after the other.
        root: The workspace, empty.
        become_foreign: Takes every power from the process that calls it.
        start: Forks children.
        renew: Empties the workspace.
        isolated: Whether this process is process 1 of a process namespace.
        host: Descriptor of the connection to the host, whose end ends it all.

    Returns:
        done (how many texts), processes, cpu_s, and wall_s; and their records, then what was
        traced. `unfit` says that the files cannot be laid out, `broken` that a process came to no
        text.

    Raises:
        OSError: The screen could not be made.
    """
    board = trying.Board(len(request["sizes"]))
    request = {**request, "texts": _cut(blob, request["sizes"]), "board": board}
    lines = tracing.Lines(board.size, request["lines"]) if request["lines"] else None
    request["lines"] = lines
    began, used = time.monotonic(), runs.cpu_of_children()
    at = processes = 0
    null = os.open("/dev/null", os.O_RDWR)  # no process of a screen gets a connection
    try:
        while at < len(request["texts"]) and (
            not at or time.monotonic() - began < request["slice_s"]
        ):
            if processes:
                renew()
            processes += 1
            request["from"] = at
            board.begin(at)
            child = start.fork(request, root, become_foreign, null, ACTS[request["kind"]])
            status = _watch(child, board, request["limits"]["wall_s"], host)
            keeper.kill_rest(isolated=isolated)
            try:
                start.check()
            except runs.Unfit as unfit:
                return {"unfit": list(unfit.args), "done": at, "processes": processes}, b""
            before, at = at, trying.settle(board, at, status, request)
            if at == before:
                return {"broken": True, "done": at, "processes": processes}, b""
            if request["stop"] and at and board.status(at - 1) == trying.PASSED:
                break
    finally:
        os.close(null)
    cpu_s, wall_s = runs.cpu_of_children() - used, time.monotonic() - began
    header = {"done": at, "processes": processes, "cpu_s": cpu_s, "wall_s": wall_s}
    return header, board.records(at) + (lines.taken(at) if lines is not None else b"")


def _cut(blob: bytes, sizes: list[int]) -> list[bytes]:
    texts, at = [], 0
    for size in sizes:
        texts.append(blob[at : at + size])
        at += size
    return texts


def _watch(child: int, board: trying.Board, wall_s: float, host: int) -> int | None:
    """Wait for a child's end; its exit code, None where it came no further for too long."""
    poll = select.poll()
    poll.register(host, select.POLLIN)
    place, since = -1, time.monotonic()
    while True:
        ready, ended = serving.wait_for_child(child, poll, time.monotonic() + min(_PAUSE_S, wall_s))
        if host in ready:
            raise ConnectionError("the host has gone")
        if ended is not None:
            return os.waitstatus_to_exitcode(ended[0])
        now, (reached, _) = time.monotonic(), board.reached
        if reached != place:
            place, since = reached, now
        elif now - since > (wall_s if board.started else trying.PREPARE_S):
            return None
