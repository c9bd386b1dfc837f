"""A guest that holds tests, and runs them on code that runs in another guest.

For each task it keeps a process, the zygote, in which pytest has collected the task's tests. It
makes a run itself where nothing can stay behind unseen (see baseline.py), and otherwise in a fork;
either talks to the tested code over a socket. Where tests cannot be collected without tested code,
there is a zygote for each of the last few conversations that collecting them took (see tapes.py).
What the tests of one task may use does not depend on how many others are kept: they have a control
group of their own, where there are any. Nothing of the tested code's workspace comes here. Standard
library and pytest only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from hrmgym.envs.sandboxes.between import examination
from hrmgym.envs.sandboxes.inside import wire
from hrmgym.envs.sandboxes.processes.zygote import MOST_REPORTED, be_zygote, memory_of, settle

Reply = tuple[dict[str, Any], bytes]
#: Conversations of one task that are kept, each with a zygote.
_MOST_TAPES = 3


class _Zygote:
    """One task's process, seen from the guest."""

    def __init__(self, pid: int, sock: socket.socket, report: int) -> None:
        self.pid, self.sock, self.report = pid, sock, report
        self.stays = False
        """Whether it makes runs itself, and does not watch the time."""
        self.used_s = 0.0
        """CPU seconds that it had used after its last run."""

    def end(self) -> int:
        """Kill it, unless it has ended; its exit code."""
        self.sock.close()
        os.close(self.report)
        try:
            os.kill(self.pid, signal.SIGKILL)
            _, status, usage = os.wait4(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return 0
        self.used_s = usage.ru_utime + usage.ru_stime - self.used_s
        return os.waitstatus_to_exitcode(status)


class Judge:
    """What answers the requests of the host.

    Args:
        sock: Connection to the host.
        box: The guest's surroundings.
    """

    def __init__(self, sock: socket.socket, box: Any) -> None:
        self._sock, self._box = sock, box
        self._zygotes: dict[str, list[_Zygote]] = {}
        """The most recently used one first."""
        self._late: dict[str, tuple[dict[str, Any], list[int]]] = {}
        """Key -> request and entries of the control group, of tests that cannot be collected
        without the tested code."""
        self.handlers = {
            "ping": lambda request, blob, fds: ({}, b""),
            "prepare": self._prepare,
            "judge": self._judge,
        }
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        os.environ.update(box.environment())
        sys.path.append(f"{box.tools}/lib")
        examination.load()

    def tidy_up(self) -> None:
        """Nothing: a zygote tidies up after itself."""

    def _prepare(self, request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
        """Make the zygote of a task, and end those that the host has no use for.

        The descriptors are entries of the control group that it is to be in.

        Raises:
            OSError: There is no room for it.
        """
        for key in (*request["end"], request["key"]):
            self._forget(key)
        deadline = time.monotonic() + request["wall_s"]
        zygote, ready = self._start(request, fds, deadline, early=not request["eager"])
        if ready.get("used"):  # collecting them needs the tested code
            assert zygote is not None
            zygote.end()
            zygote, ready = self._start(request, fds, deadline, early=False)
        if zygote is not None:
            self._zygotes[request["key"]] = [zygote]
            if ready["late"]:
                self._late[request["key"]] = request, [os.dup(fd) for fd in fds]
            ready["held_kb"] = self._held_kb(request["key"])
        return ready, b""

    def _held_kb(self, key: str) -> int:
        """KiB of memory that the zygotes of some tests hold beyond what this process does."""
        mine = memory_of(os.getpid())
        return sum(max(0, memory_of(one.pid) - mine) for one in self._zygotes[key]) >> 10

    def _forget(self, key: str) -> None:
        for fd in self._late.pop(key, (None, []))[1]:
            os.close(fd)
        for zygote in self._zygotes.pop(key, ()):
            zygote.end()

    def _start(
        self, request: dict[str, Any], groups: list[int], deadline: float, *, early: bool
    ) -> tuple[_Zygote | None, dict[str, Any]]:
        """A zygote and what it says of itself; where there is none, why.

        Raises:
            OSError: There is no room for it.
        """
        zygote = self._fork(request, groups, early=early)
        ready = self._hear(zygote, deadline)
        if ready is not None and "failed" in ready:
            zygote.end()
            raise OSError(ready["errno"], ready["failed"])
        if ready is None:
            in_time = time.monotonic() < deadline
            if zygote.end() == -signal.SIGKILL and in_time:
                return None, {"killed": True}
            return None, {"bad": "the tests cannot be collected in time, or end the process"}
        if "bad" in ready:
            zygote.end()
            return None, ready
        zygote.stays, zygote.used_s = ready["stays"], ready["used_s"]
        return zygote, ready

    def _fork(self, request: dict[str, Any], groups: list[int], *, early: bool) -> _Zygote:
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            report = os.memfd_create("report")
            undo.callback(os.close, report)
            pid = os.fork()
            if pid == 0:
                try:
                    settle(theirs, report, groups, self._box, request)
                    be_zygote(socket.socket(fileno=3), 4, self._box, request, early=early)
                finally:
                    os._exit(70)
            undo.pop_all()
        return _Zygote(pid, ours, report)

    def _hear(self, zygote: _Zygote, deadline: float | None) -> dict[str, Any] | None:
        """What it says; None where it has ended, or does not come to an end."""
        poll = select.poll()
        poll.register(zygote.sock, select.POLLIN)
        poll.register(self._sock, select.POLLIN)
        left = -1.0 if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = [fd for fd, _ in poll.poll(left)]
        if self._sock.fileno() in ready:
            raise ConnectionError("the host has gone")
        if not ready:
            return None
        try:
            header, self._said, _ = wire.receive(zygote.sock)
        except OSError:
            return None
        return header

    def _judge(self, request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
        """Run a task's tests; the descriptor is the connection to the tested code."""
        key, ahead = request["key"], b""
        try:
            for zygote in list(self._zygotes.get(key, ())):
                reply, said = self._run(zygote, request, ahead, fds)
                if "other" not in reply:
                    return reply, said
                ahead = said  # this one was collected with other answers of the tested code
            if key not in self._late:
                return {"unknown": True}, b""
            for last in self._zygotes[key][_MOST_TAPES - 1 :]:
                self._zygotes[key].remove(last)
                last.end()
            late, groups = self._late[key]
            deadline = time.monotonic() + late["wall_s"]
            made, ready = self._start(late, groups, deadline, early=False)
            if made is None:
                return ready, b""
            self._zygotes[key].insert(0, made)
            reply, said = self._run(made, request, ahead, fds)
            if "again" in reply:  # with a process of the tested code that has answered nothing yet
                self._forget(key)
                return {"unknown": True}, b""
            if key in self._zygotes:
                reply["held_kb"] = self._held_kb(key)
            return reply, said
        finally:  # whoever else holds the connection, the tested code sees its end
            for fd in fds:
                with socket.socket(fileno=os.dup(fd)) as sock, contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _run(self, zygote: _Zygote, request: dict[str, Any], ahead: bytes, fds: list[int]) -> Reply:
        """Have a zygote run its tests. `ahead` was exchanged with the tested code already."""
        held = self._zygotes[request["key"]]
        start = time.monotonic()
        wall_s = request["limits"]["wall_s"]
        try:
            message = wire.pack(request, ahead)
            sent = socket.send_fds(zygote.sock, [message], fds)
            zygote.sock.sendall(message[sent:])
            # a fork is watched by the zygote
            reply = self._hear(zygote, start + wall_s if zygote.stays else None)
        except OSError:
            reply = None
        if reply is None:
            took = time.monotonic() - start
            said = os.pread(zygote.report, MOST_REPORTED, 0)
            held.remove(zygote)
            status: int | None = zygote.end()
            if not zygote.stays or (status == -signal.SIGKILL and took < wall_s):
                self._forget(request["key"])
                return {"unknown": True}, b""
            status = status if took < wall_s else None
            header = {"status": status, "cpu_s": zygote.used_s, "wall_s": took}
            return header | {"ended": self._is_lost(request["key"])}, said
        zygote.stays, zygote.used_s = reply["stays"], reply["used_s"]
        held.remove(zygote)
        if reply["ended"]:
            zygote.end()
        else:
            held.insert(0, zygote)
        reply["ended"] = self._is_lost(request["key"])
        return reply, self._said

    def _is_lost(self, key: str) -> bool:
        """Whether no zygote of the tests is left, nor what another one can be made of."""
        if self._zygotes[key] or key in self._late:
            return False
        self._forget(key)
        return True
