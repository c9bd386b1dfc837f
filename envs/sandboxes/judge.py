"""A guest that holds tests, and runs them on code that runs in another guest.

For each task it keeps one process, the zygote, in which pytest has collected the task's tests. A
run is a fork of it that talks to the tested code over a socket. Nothing of the tested code's
workspace comes here. Standard library and pytest only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH103, PTH116
from __future__ import annotations

import _signal  # without the enums of `signal`
import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from hrmgym.envs.sandboxes import calls, crossing, examination, files, isolation, serving, wire
from hrmgym.envs.sandboxes.examiner import Examiner

Reply = tuple[dict[str, Any], bytes]
_MOST_REPORTED = 8 << 20  # bytes
_MORE_MEMORY_MB = 256  # what pytest and its tests take up, next to what tested code may
_MORE_PROCESSES = 256  # zygotes count, too


class _Zygote:
    """One task's process, seen from the guest."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid, self.sock = pid, sock

    def end(self) -> int:
        """Kill it, unless it has ended; its exit code."""
        self.sock.close()
        try:
            os.kill(self.pid, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except (ProcessLookupError, ChildProcessError):
            return 0


class Judge:
    """What answers the requests of the host.

    Args:
        sock: Connection to the host.
        box: The guest's surroundings.
    """

    def __init__(self, sock: socket.socket, box: Any) -> None:
        self._sock, self._box = sock, box
        self._zygotes: dict[str, _Zygote] = {}
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
        """Make the zygote of a task, and end those that the host has no use for."""
        for key in (*request["end"], request["key"]):
            if key in self._zygotes:
                self._zygotes.pop(key).end()
        deadline = time.monotonic() + request["wall_s"]
        zygote = self._fork(request, early=not request["eager"])
        ready = self._hear(zygote, deadline)
        if ready is not None and ready.get("used"):  # collecting them needs the tested code
            zygote.end()
            zygote = self._fork(request, early=False)
            ready = self._hear(zygote, deadline)
        if ready is None:
            in_time = time.monotonic() < deadline
            if zygote.end() == -signal.SIGKILL and in_time:
                return {"killed": True}, b""
            return {"bad": "the tests cannot be collected in time, or end the process"}, b""
        if "bad" in ready:
            zygote.end()
            return ready, b""
        self._zygotes[request["key"]] = zygote
        return ready, b""

    def _fork(self, request: dict[str, Any], *, early: bool) -> _Zygote:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            try:
                kept = theirs.detach()
                os.dup2(kept, 3)
                null = os.open("/dev/null", os.O_RDWR)
                for target in (0, 1, 2):
                    os.dup2(null, target)
                os.closerange(4, 1024)
                isolation.die_with_parent()
                _be_zygote(socket.socket(fileno=3), self._box, request, early=early)
            finally:
                os._exit(70)
        theirs.close()
        return _Zygote(pid, ours)

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
        try:
            zygote = self._zygotes.get(request["key"])
            if zygote is None:
                return {"unknown": True}, b""
            try:
                socket.send_fds(zygote.sock, [wire.pack(request)], fds)
                reply = self._hear(zygote, None)
            except OSError:
                reply = None
            if reply is None:
                self._zygotes.pop(request["key"]).end()
                return {"unknown": True}, b""
            return reply, self._said
        finally:  # whoever else holds the connection, the tested code sees its end
            for fd in fds:
                with socket.socket(fileno=os.dup(fd)) as sock, contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


def _be_zygote(sock: socket.socket, box: Any, request: dict[str, Any], *, early: bool) -> NoReturn:
    """Collect the tests, unless that needs tested code; then fork a run for each request."""
    root, temporary = box.workspace, box.temporary
    if box.isolated:
        isolation.unshare(isolation.CLONE_NEWNS)
        isolation.mount_scratch(request["limits"]["file_mb"], again=True)
    else:
        root, temporary = f"{root}/{request['key'][:16]}", f"{temporary}/{request['key'][:16]}"
        for folder in (root, temporary):
            os.makedirs(folder, exist_ok=True)
            files.wipe(folder)
        os.environ["HOME"] = os.environ["TMPDIR"] = temporary
    limits = dict(request["limits"])
    limits["cpu_s"] = 1 << 30  # a zygote lives for many runs
    limits["memory_mb"] += _MORE_MEMORY_MB
    limits["processes"] += _MORE_PROCESSES
    box.become_foreign(limits)
    os.chdir(root)
    calls.write_files(root, request["files"])
    course = examination.Course(request, root)
    course.prepare()
    try:
        if early:
            course.collect()
    except BaseException as error:
        if not course.finder.used:
            text = f"{type(error).__name__}: {calls.describe(error, root)[1]}"
            sock.sendall(wire.pack({"bad": f"the tests cannot be collected: {text}"}))
            os._exit(1)
    sock.sendall(wire.pack({"used": course.finder.used}))
    gc.collect()
    gc.freeze()
    gc.disable()
    report = os.memfd_create("report")
    before = _look(root, request["files"]), _look(temporary, {})
    while True:
        try:
            run, _, (fd,) = wire.receive(sock)
        except wire.Broken:
            os._exit(0)
        sock.sendall(wire.pack(*_run(course, run, fd, report)))
        now = _look(root, request["files"]), _look(temporary, {})
        if now != before:  # a test has written something
            files.wipe(temporary)
            files.wipe(root)
            calls.write_files(root, request["files"])
            before = _look(root, request["files"]), _look(temporary, {})


def _look(top: str, names: dict[str, str]) -> list[tuple[int, ...]]:
    """What changes when something below a folder does: of it and of all folders and files."""
    paths = {top}
    for name in names:
        path = f"{top}/{name}"
        while len(path) > len(top):
            paths.add(path)
            path = path.rpartition("/")[0]
    found: list[tuple[int, ...]] = []
    for path in sorted(paths):
        try:
            seen = os.stat(path)
        except OSError:
            found.append((0,))
        else:
            found.append((seen.st_ino, seen.st_size, seen.st_mode, seen.st_ctime_ns))
    return found


def _run(course: examination.Course, request: dict[str, Any], fd: int, report: int) -> Reply:
    """Run the tests in a fork that writes to the file `report`; returns when it is dead."""
    limits = request["limits"]
    start = time.monotonic()
    deadline = start + limits["wall_s"]
    os.ftruncate(report, 0)
    os.lseek(report, 0, os.SEEK_SET)
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            _signal.setitimer(_signal.ITIMER_PROF, limits["cpu_s"])
            gc.enable()
            link = Examiner(socket.socket(fileno=fd), course.support, course.own)
            course.run(link, examination.events_to(report))
        except crossing.Lost:
            pass
        except BaseException as error:
            why = f"{type(error).__name__}: {calls.describe(error, '/')[1]}"
            examination.events_to(report)({"bad": why})
        finally:
            os._exit(0)
    os.close(fd)
    _, ended = serving.wait_for_child(child, select.poll(), deadline)
    in_time = ended is not None
    if ended is None:
        os.kill(child, signal.SIGKILL)
        ended = os.wait4(child, 0)[1:]
    code, usage = ended
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # whatever a test has started
    status = os.waitstatus_to_exitcode(code) if in_time else None
    text = os.pread(report, _MOST_REPORTED, 0)
    cpu_s = usage.ru_utime + usage.ru_stime
    return {"status": status, "cpu_s": cpu_s, "wall_s": time.monotonic() - start}, text
