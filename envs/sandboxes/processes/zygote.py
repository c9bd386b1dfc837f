"""The process that holds one task's tests and runs them. Inside the sandbox of the tests.

It makes a run itself where nothing can stay behind unseen (see baseline.py), and otherwise in a
fork; either talks to the tested code over a socket. Standard library and pytest only.
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
import time
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.between import crossing, examination, tapes
from hrmgym.envs.sandboxes.between.baseline import Baseline
from hrmgym.envs.sandboxes.between.examiner import Examiner
from hrmgym.envs.sandboxes.between.plain import Unfit
from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.inside import calls, files, wire
from hrmgym.envs.sandboxes.processes import serving

#: Bytes of a run's report that are read.
MOST_REPORTED = 8 << 20
MORE_MEMORY_MB = 256
"""What pytest and its tests may take up, beyond what tested code may."""
_MORE_PROCESSES = 256  # zygotes count, too
_MOST_GROWTH = 16 << 20  # bytes that may stay behind in a process after a run of tests
_PAGE = os.sysconf("SC_PAGE_SIZE")


def settle(
    link: socket.socket, report: int, groups: list[int], box: Any, request: dict[str, Any]
) -> None:
    """Make this new process a zygote's: the link as descriptor 3, the report as 4, and no other.

    Where that fails, it says so, and ends.

    Args:
        link: Connection to the judge.
        report: File that the events go to.
        groups: Entries of the control group that it is to be in.
        box: The guest's surroundings.
        request: What the host has asked for.
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
        root, temporary = _folders(box, request)
        if box.isolated:
            isolation.unshare(isolation.CLONE_NEWNS)
            isolation.mount_scratch(request["limits"]["file_mb"], again=True)
        else:
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


def _folders(box: Any, request: dict[str, Any]) -> tuple[str, str]:
    """Workspace and temporary folder; shared ones, where there are mounts of its own."""
    if box.isolated:
        return box.workspace, box.temporary
    name = request["key"][:16]
    return f"{box.workspace}/{name}", f"{box.temporary}/{name}"


def be_zygote(
    sock: socket.socket, report: int, box: Any, request: dict[str, Any], *, early: bool
) -> NoReturn:
    """Collect the tests, unless that needs tested code; then make a run for each request."""
    root, temporary = _folders(box, request)
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
    runner = _Runner(course, report)
    if early and not course.finder.used:
        runner.settle()
    ready = {"used": course.finder.used, "late": not early, "stays": runner.stays}
    sock.sendall(wire.pack(ready | {"used_s": _used_s()}))
    before = _look(root, request["files"]), _look(temporary, {})
    while True:
        try:
            run, ahead, (fd,) = wire.receive(sock)
        except wire.Broken:
            os._exit(0)
        os.ftruncate(report, 0)
        os.lseek(report, 0, os.SEEK_SET)
        collects = not runner.settled
        with socket.socket(fileno=fd) as connection:
            header, said = runner.run(run, connection, tapes.unpacked(ahead))
        now = _look(root, request["files"]), _look(temporary, {})
        if collects and now != before:  # what collecting has written is not there the next time
            header["ended"] = True
        header |= {"stays": runner.stays, "used_s": _used_s()}
        sock.sendall(wire.pack(header, said))
        if now != before:  # a test has written something
            files.wipe(temporary)
            files.wipe(root)
            calls.write_files(root, request["files"])
            before = _look(root, request["files"]), _look(temporary, {})


def memory_of(pid: int) -> int:
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


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _used_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Runner:
    """Makes the runs of a zygote.

    Args:
        course: The tests.
        report: File that the events go to.
    """

    def __init__(self, course: examination.Course, report: int) -> None:
        self._course, self._report = course, report
        self._tape: tapes.Tape | None = None
        self._base: Baseline | None = None
        self.settled = False
        """Whether the tests are collected."""
        self._size = self._peak = 0

    @property
    def stays(self) -> bool:
        """Whether the next run is made in this process, past whose limits it is no more."""
        return self._base is not None or not self.settled

    def settle(self) -> None:
        """Note how things are, now that the tests are collected."""
        self._base = self._course.baseline()
        self.settled = True
        self._size, self._peak = memory_of(0), _peak()
        gc.collect()
        gc.freeze()
        if self._base is None:
            gc.disable()

    def run(
        self, request: dict[str, Any], sock: socket.socket, ahead: list[tapes.Message]
    ) -> tuple[dict[str, Any], bytes]:
        """Make a run.

        Returns:
            The header, and what the run reported. Two headers say that there was no run: "other",
            with what was exchanged, where other answers led to the tests of this process; "again",
            where what was exchanged before does not fit these tests.
        """
        start, used_s = time.monotonic(), _used_s()
        limits = request["limits"]
        _signal.setitimer(_signal.ITIMER_PROF, limits["cpu_s"])
        link = Examiner(sock, self._course.support, self._course.own)
        status: int | None = 0
        intact, cpu_s = True, 0.0
        try:
            if not self.settled:
                tape = tapes.Tape(ahead)
                intact = self._collect(link, tape)
                if tape.diverged:
                    return {"again": True, "ended": True}, b""
            elif self._tape is not None:
                other = self._replay(self._tape, link, ahead)
                if other is not None:
                    _signal.setitimer(_signal.ITIMER_PROF, 0)
                    return {"other": True, "ended": False}, tapes.packed(other)
            self._course.connect(link)
            if self._base is None and intact and not link.lost:
                status, cpu_s = self._run_in_fork(link, start + limits["wall_s"], limits["cpu_s"])
            else:
                self._course.run(link, examination.events_to(self._report))
                intact = intact and (self._base is None or self._base.restore())
                intact = intact and not self._has_grown()
            intact = intact and not link.broken
        except crossing.Lost:
            intact = self.settled and (self._base is None or self._base.restore())
        except BaseException as error:
            intact = False
            why = f"{type(error).__name__}: {calls.describe(error, '/')[1]}"
            examination.events_to(self._report)({"bad": why})
        _signal.setitimer(_signal.ITIMER_PROF, 0)
        cpu_s += _used_s() - used_s
        header = {"status": status, "cpu_s": cpu_s, "wall_s": time.monotonic() - start}
        return header | {"ended": not intact}, os.pread(self._report, MOST_REPORTED, 0)

    def _has_grown(self) -> bool:
        """Whether runs have left so much memory behind that the next ones had less."""
        peak = _peak()
        if peak == self._peak:
            return False
        self._peak = peak
        return memory_of(0) - self._size > _MOST_GROWTH

    @staticmethod
    def _replay(
        tape: tapes.Tape, link: Examiner, ahead: list[tapes.Message]
    ) -> list[tapes.Message] | None:
        try:
            return tape.replay(link, ahead)
        except crossing.Lost:
            link.lost = True  # the run says so
        except Unfit as error:
            link.lost = link.broken = True
            link.fault = f"the tested code's answer cannot be read: {error}"
        return None

    def _collect(self, link: Examiner, tape: tapes.Tape) -> bool:
        """Collect with the tested code; whether a later run can do with what was collected."""
        tape.record(link)
        try:
            self._course.collect_with(link)
        except crossing.Lost:
            return False  # the run says so
        finally:
            tape.stop(link)
        if link.lost or sum(len(data) for _, data in tape.messages) > tapes.MOST_BYTES:
            return False
        self._tape = tape
        self.settle()
        return True

    def _run_in_fork(
        self, link: Examiner, deadline: float, cpu_s: float
    ) -> tuple[int | None, float]:
        """Run the tests in a fork; returns when it is dead. Its exit code, and CPU seconds."""
        child = os.fork()
        if child == 0:
            try:
                os.setpgid(0, 0)
                _signal.setitimer(_signal.ITIMER_PROF, cpu_s)
                gc.enable()
                self._course.run(link, examination.events_to(self._report))
            except crossing.Lost:
                pass
            except BaseException as error:
                why = f"{type(error).__name__}: {calls.describe(error, '/')[1]}"
                examination.events_to(self._report)({"bad": why})
            finally:
                os._exit(0)
        _, ended = serving.wait_for_child(child, select.poll(), deadline)
        in_time = ended is not None
        if ended is None:
            os.kill(child, signal.SIGKILL)
            ended = os.wait4(child, 0)[1:]
        code, usage = ended
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)  # whatever a test has started
        status = os.waitstatus_to_exitcode(code) if in_time else None
        return status, usage.ru_utime + usage.ru_stime


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
