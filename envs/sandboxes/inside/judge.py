"""A guest that holds tests, and runs them on code that runs in another guest.

For each task it keeps one process, the zygote, in which pytest has collected the task's tests. It
has memory and processes for itself, in a control group where there are any: what it may use does
not depend on how many others are kept. It makes a run itself where nothing can stay behind unseen
(see baseline.py), and otherwise in a fork; either talks to the tested code over a socket. Nothing
of the tested code's workspace comes here. Standard library and pytest only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH103, PTH116
from __future__ import annotations

import _signal  # without the enums of `signal`
import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.between import crossing, examination
from hrmgym.envs.sandboxes.between.examiner import Examiner
from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.inside import calls, files, serving, wire

Reply = tuple[dict[str, Any], bytes]
_MOST_REPORTED = 8 << 20  # bytes
MORE_MEMORY_MB = 256
"""What pytest and its tests may take up, beyond what tested code may."""
_MORE_PROCESSES = 256  # zygotes count, too
_MOST_GROWTH = 16 << 20  # bytes that may stay behind in a process after a run of tests
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Zygote:
    """One task's process, seen from the guest."""

    def __init__(self, pid: int, sock: socket.socket, report: int) -> None:
        self.pid, self.sock, self.report = pid, sock, report
        self.stays = False
        """Whether it makes runs itself."""
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
        zygote = self._fork(request, fds, early=not request["eager"])
        ready = self._hear(zygote, deadline)
        if ready is not None and ready.get("used"):  # collecting them needs the tested code
            zygote.end()
            zygote = self._fork(request, fds, early=False)
            ready = self._hear(zygote, deadline)
        if ready is not None and "failed" in ready:
            zygote.end()
            raise OSError(ready["errno"], ready["failed"])
        if ready is None:
            in_time = time.monotonic() < deadline
            if zygote.end() == -signal.SIGKILL and in_time:
                return {"killed": True}, b""
            return {"bad": "the tests cannot be collected in time, or end the process"}, b""
        if "bad" in ready:
            zygote.end()
            return ready, b""
        zygote.stays, zygote.used_s = ready["stays"], ready["used_s"]
        ready["held_kb"] = max(0, _memory_of(zygote.pid) - _memory_of(os.getpid())) >> 10
        self._zygotes[request["key"]] = zygote
        return ready, b""

    def _fork(self, request: dict[str, Any], groups: list[int], *, early: bool) -> _Zygote:
        """Make a zygote, in the control groups whose entries are given.

        Raises:
            OSError: There is no room for it.
        """
        ours, theirs = socket.socketpair()
        try:
            report = os.memfd_create("report")
            try:
                pid = os.fork()
            except OSError:
                os.close(report)
                raise
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            try:
                _settle(theirs, report, groups, self._box, request)
                _be_zygote(socket.socket(fileno=3), 4, self._box, request, early=early)
            finally:
                os._exit(70)
        theirs.close()
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
        try:
            zygote = self._zygotes.get(request["key"])
            if zygote is None:
                return {"unknown": True}, b""
            start = time.monotonic()
            wall_s = request["limits"]["wall_s"]
            try:
                socket.send_fds(zygote.sock, [wire.pack(request)], fds)
                # a fork is watched by the zygote
                reply = self._hear(zygote, start + wall_s if zygote.stays else None)
            except OSError:
                reply = None
            if reply is None:
                took = time.monotonic() - start
                said = os.pread(zygote.report, _MOST_REPORTED, 0)
                status: int | None = self._zygotes.pop(request["key"]).end()
                if not zygote.stays or (status == -signal.SIGKILL and took < wall_s):
                    return {"unknown": True}, b""
                status = status if took < wall_s else None
                header = {"status": status, "cpu_s": zygote.used_s, "wall_s": took, "ended": True}
                return header, said
            zygote.used_s = reply["used_s"]
            if reply["ended"]:
                self._zygotes.pop(request["key"]).end()
            return reply, self._said
        finally:  # whoever else holds the connection, the tested code sees its end
            for fd in fds:
                with socket.socket(fileno=os.dup(fd)) as sock, contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


def _settle(
    link: socket.socket, report: int, groups: list[int], box: Any, request: dict[str, Any]
) -> None:
    """Make this new process a zygote's: the link as descriptor 3, the report as 4, and no other.

    Where that fails, it says so, and ends.
    """
    try:
        for fd in groups:
            os.write(fd, b"0")  # cgroups(7): the writer itself
        kept = os.dup(link.fileno()), os.dup(report)
        for fd, target in zip(kept, (3, 4), strict=True):
            os.dup2(fd, target)
        link.detach()
        link = socket.socket(fileno=os.dup(3))
        null = os.open("/dev/null", os.O_RDWR)
        for target in (0, 1, 2):
            os.dup2(null, target)
        isolation.die_with_parent()
        root, temporary = box.workspace, box.temporary
        if box.isolated:
            isolation.unshare(isolation.CLONE_NEWNS)
            isolation.mount_scratch(request["limits"]["file_mb"], again=True)
        else:
            root, temporary = _own_folders(box, request)
            for folder in (root, temporary):
                os.makedirs(folder, exist_ok=True)
                files.wipe(folder)
            os.environ["HOME"] = os.environ["TMPDIR"] = temporary
        limits = dict(request["limits"])
        limits["cpu_s"] = 1 << 30  # a zygote lives for many runs
        limits["memory_mb"] += MORE_MEMORY_MB
        limits["processes"] += _MORE_PROCESSES
        box.become_foreign(box.bounds(limits))
        os.chdir(root)
        calls.write_files(root, request["files"])
        link.detach()
        os.closerange(5, 1024)
    except OSError as error:
        link.sendall(wire.pack({"failed": str(error), "errno": error.errno or 0}))
        os._exit(1)


def _own_folders(box: Any, request: dict[str, Any]) -> tuple[str, str]:
    """Workspace and temporary folder of a zygote where there are no mounts of its own."""
    name = request["key"][:16]
    return f"{box.workspace}/{name}", f"{box.temporary}/{name}"


def _be_zygote(
    sock: socket.socket, report: int, box: Any, request: dict[str, Any], *, early: bool
) -> NoReturn:
    """Collect the tests, unless that needs tested code; then make a run for each request."""
    root, temporary = box.workspace, box.temporary
    if not box.isolated:
        root, temporary = _own_folders(box, request)
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
    base = None if course.finder.used else course.baseline()
    gc.collect()
    gc.freeze()
    if base is None:
        gc.disable()
    ready = {"used": course.finder.used, "stays": base is not None, "used_s": _used_s()}
    sock.sendall(wire.pack(ready))
    before = _look(root, request["files"]), _look(temporary, {})
    size, peak = _memory_of(0), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while True:
        try:
            run, _, (fd,) = wire.receive(sock)
        except wire.Broken:
            os._exit(0)
        os.ftruncate(report, 0)
        os.lseek(report, 0, os.SEEK_SET)
        if base is None:
            header, said = _run(course, run, fd, report)
            intact = True
        else:
            header, said, intact = _run_here(course, run, fd, report)
            intact = base.restore() and intact
            now_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if now_peak != peak:  # else it cannot hold more than before
                peak = now_peak
                intact = intact and _memory_of(0) - size <= _MOST_GROWTH
        header |= {"ended": not intact, "used_s": _used_s()}
        sock.sendall(wire.pack(header, said))
        now = _look(root, request["files"]), _look(temporary, {})
        if now != before:  # a test has written something
            files.wipe(temporary)
            files.wipe(root)
            calls.write_files(root, request["files"])
            before = _look(root, request["files"]), _look(temporary, {})


def _memory_of(pid: int) -> int:
    """Bytes that a process has for itself, or shares since it was forked; 0 stands for this one."""
    try:
        fd = os.open(f"/proc/{pid or 'self'}/statm", os.O_RDONLY)
    except OSError:  # there is no /proc in some containers
        return 0
    try:
        _, resident, mapped, *_ = os.read(fd, 256).split()  # see proc_pid_statm(5)
    finally:
        os.close(fd)
    return (int(resident) - int(mapped)) * _PAGE


def _used_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _run_here(
    course: examination.Course, request: dict[str, Any], fd: int, report: int
) -> tuple[dict[str, Any], bytes, bool]:
    """Run the tests in this process; also says whether it can be trusted with another run.

    The guest watches the time: past the limits this process is no more.
    """
    start, used_s = time.monotonic(), _used_s()
    _signal.setitimer(_signal.ITIMER_PROF, request["limits"]["cpu_s"])
    intact = True
    try:
        with socket.socket(fileno=fd) as sock:
            link = Examiner(sock, course.support, course.own)
            course.run(link, examination.events_to(report))
        intact = not link.broken
    except crossing.Lost:
        pass
    except BaseException as error:
        intact = False
        why = f"{type(error).__name__}: {calls.describe(error, '/')[1]}"
        examination.events_to(report)({"bad": why})
    _signal.setitimer(_signal.ITIMER_PROF, 0)
    header = {"status": 0, "cpu_s": _used_s() - used_s, "wall_s": time.monotonic() - start}
    return header, os.pread(report, _MOST_REPORTED, 0), intact


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
