"""Runs one program, and sees to it that nothing of it is left. Runs inside the sandbox only.

In a sandbox a keeper is process 1 of a process namespace of its own: whatever the program starts,
daemons included, is in there, and dies with it. Without isolation it is the subreaper of all its
descendants. Standard library only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH123, PTH208
from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import signal
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.confinement import isolation

INTERRUPT, KILL_OTHERS = b"i", b"k"


def keep(
    request: dict[str, Any],
    fds: list[int],
    become_foreign: Callable[[], None],
    confine: Callable[[], None],
    *,
    isolated: bool,
) -> NoReturn:
    """Run the program; report its exit on the first descriptor; exit when all of it is dead.

    The host commands by single bytes on that descriptor, each answered by a line end when it is
    done, and ends everything by closing it.

    Args:
        request: argv, env, cwd, limits, and `targets`, the numbers that the further descriptors
            get in the program.
        fds: The connection to the host, then the descriptors of the program.
        become_foreign: Takes every power from the process that calls it.
        confine: Takes from a process in a sandbox what neither a keeper nor a program needs.
        isolated: Whether this process was started in a new process namespace.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if isolated:
        isolation.unshare(isolation.CLONE_NEWNS)
        isolation.mount_proc()  # so that ps and kill agree
        confine()
    else:
        isolation.prctl(isolation.PR_SET_CHILD_SUBREAPER, 1)
    link, own = _move_up(fds)
    program = os.fork()
    if program == 0:
        _become_program(request, own, become_foreign)
    for fd in own:
        os.close(fd)
    status = _watch(link, program, isolated=isolated)
    kill_rest(isolated=isolated)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = {"status": status, "cpu_s": usage.ru_utime + usage.ru_stime}
    with suppress(OSError):  # the host does not listen any more
        link.send(json.dumps(report).encode())
    os._exit(0)


def _move_up(fds: list[int]) -> tuple[socket.socket, list[int]]:
    """The given descriptors above all numbers that the program wants; every other one closed."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in fds]
    os.closerange(3, 100)
    return socket.socket(fileno=high[0]), high[1:]


def _become_program(
    request: dict[str, Any], own: list[int], become_foreign: Callable[[], None]
) -> NoReturn:
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for target in (0, 1, 2):
            os.dup2(null, target)
        for fd, target in zip(own, request["targets"], strict=True):
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.fchmod(fd, 0o666)  # else /dev/stdout could not be opened by another user
            os.dup2(fd, target)
        os.closerange(max(3, *request["targets"]) + 1, 1024)
        become_foreign()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
            signal.signal(number, signal.SIG_DFL)
        os.chdir(request["cwd"])
        os.execvpe(request["argv"][0], request["argv"], request["env"])
    except OSError as error:
        what = error.filename or request["argv"][0]
        os.write(2, f"{what}: {os.strerror(error.errno or 0)}\n".encode())
    finally:
        os._exit(127)


def _watch(link: socket.socket, program: int, *, isolated: bool) -> int | None:
    """Exit code of the program, or None when the host has ended it."""
    wake, waken = os.pipe()
    os.set_blocking(waken, False)
    signal.set_wakeup_fd(waken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(link, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        while True:  # first, for what ended before the handler was there
            try:
                done, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if done == program:
                return os.waitstatus_to_exitcode(status)
            if not done:
                break
        for fd, _ in poll.poll():
            if fd == wake:
                os.read(wake, 4096)
            else:
                try:
                    order = link.recv(1)
                except ConnectionError:
                    order = b""
                if order == INTERRUPT:
                    signal_all(signal.SIGINT, isolated=isolated)
                elif order == KILL_OTHERS:
                    _kill_others(program, isolated=isolated)
                else:
                    return None
                link.send(b"\n")


def signal_all(number: int, *, isolated: bool) -> int:
    """Signal every process below this one; how many there were (1 stands for any)."""
    if isolated:
        _require_first_process()
        try:
            os.kill(-1, number)
        except ProcessLookupError:
            return 0
        return 1
    found = descendants()
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process, number)
    return len(found)


def _require_first_process() -> None:
    """Outside a process namespace, `kill -1` would hit the whole machine."""
    if os.getpid() != 1:
        raise PermissionError(1, "not process 1 of a sandbox")


def kill_rest(*, isolated: bool) -> None:
    """Kill every process below this one, and wait until they are gone."""
    while signal_all(signal.SIGKILL, isolated=isolated):
        try:
            while os.waitpid(-1, 0 if isolated else os.WNOHANG)[0]:
                pass
            time.sleep(0.001)
        except ChildProcessError:
            pass
    try:
        while os.waitpid(-1, 0)[0]:
            pass
    except ChildProcessError:
        pass


def _kill_others(program: int, *, isolated: bool) -> None:
    """Kill all but the program itself: a shell survives the command that it ran."""
    if isolated:
        _require_first_process()
    for _ in range(20):
        others = [p for p in descendants(everybody=isolated) if p != program]
        if not others:
            return
        for process in others:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.002)


def descendants(*, everybody: bool = False) -> list[int]:
    """Processes below this one, from /proc; with `everybody`, all but this one."""
    me, parents = os.getpid(), {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    rest = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if rest[0] not in (b"Z", b"X"):
                parents[int(name)] = int(rest[1])
    if everybody:
        return [process for process in parents if process != me]
    found: list[int] = []
    for process in parents:
        above = process
        while above in parents and above != me:
            above = parents[above]
        if above == me and process != me:
            found.append(process)
    return found
