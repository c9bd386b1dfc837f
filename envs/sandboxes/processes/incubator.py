"""A process that forks guests: everything is imported and set up once. Standard library only.

The host process has one of these for each kind of isolation, and one more for judges, which have
pytest imported. It closes itself in first: new
namespaces, and the bare root that all guests show. A guest is then one fork of it into namespaces
of its own, nested in these, where it finds the root as a read-only copy that it cannot take apart.

A guest never outlives its incubator: in a sandbox the incubator is process 1 of the process
namespace around the guests' own, and the kernel ends all of it together.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH120
from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.between import candidate, examination
from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.inside import calls, pages, wire
from hrmgym.envs.sandboxes.processes import guest

_CLONE3 = 435  # the same number on every architecture
_MOST_FILES = 1 << 16


def main() -> NoReturn:
    """Close in, report, and start guests until the host closes the connection."""
    control = socket.socket(fileno=int(sys.argv[1]))
    setup = json.loads(sys.argv[2])
    pages.hand_down_files()
    os.environ.pop("LD_BIND_NOW", None)  # foreign programs need not wait for it
    try:
        incubator = Incubator(control, setup)
        if setup["isolate"]:
            incubator.close_in()
        else:
            isolation.die_with_parent()
        _require_parent(setup)
        calls.warm_up()
        candidate.warm_up()
        if setup["judge"]:
            _load_pytest(setup)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        control.sendall(wire.pack({"error": text, **guest.number_of(error)}))
        os._exit(1)
    control.sendall(wire.pack({"pid": incubator.pid}))
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (1, 2):  # until here the host has listened
        os.dup2(null, stream)
    os.close(null)
    guest.forget_package()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        incubator.serve()
    except ConnectionError:
        pass
    finally:
        os._exit(0)


def _load_pytest(setup: dict[str, Any]) -> None:
    """Import what judges need: most of what the start of one would cost."""
    if setup["isolate"]:
        places = [f"{isolation.TOOLS}/lib"]
    else:
        places = list(dict.fromkeys(os.path.dirname(path) for path in setup["libraries"].values()))
    sys.path += places
    examination.load()
    del sys.path[-len(places) :]


def _require_parent(setup: dict[str, Any]) -> None:
    """The host may have ended before this process asked to end with it."""
    if not setup["isolate"] and os.getppid() != setup["host"]:
        os._exit(1)


class Incubator:
    """The process itself.

    Args:
        control: Connection to the host.
        setup: isolate; judge (whether its guests need pytest); host (its process id); libraries and
            hidden, see `isolation.build_root`.
    """

    def __init__(self, control: socket.socket, setup: dict[str, Any]) -> None:
        self._control, self._setup = control, setup
        self._lives: dict[int, socket.socket] = {}
        self._two = False
        self._processes = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
        self.pid = os.getpid()

    def close_in(self) -> None:
        """Enter a sandbox that has the bare root. Returns in a new process, its process 1."""
        isolation.clear_arguments()
        isolation.die_with_parent()
        if os.getppid() != self._setup["host"]:
            os._exit(1)
        guest.write_text("/proc/self/oom_score_adj", "1000")  # the first to go when memory runs out
        prefix = os.path.realpath(sys.base_prefix)
        sys.path[:] = [os.path.realpath(entry) for entry in sys.path]
        self._two = isolation.enter_namespaces()
        isolation.die_with_parent()  # a change of user clears it
        first = os.fork()
        if first:
            self._control.close()
            os.closerange(2, 1024)
            _, status = os.waitpid(first, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        isolation.die_with_parent()
        self.pid = int(os.readlink("self", dir_fd=self._processes))
        isolation.build_root(prefix, self._setup["libraries"], self._setup["hidden"])
        os.chdir("/")

    def serve(self) -> None:
        """Start guests, tell of their ends, and kill those whose life line is cut.

        Raises:
            ConnectionError: The host has gone, or wants no more of this.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        wake, waken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waken, warn_on_full_buffer=False)
        while True:
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            poll.register(wake, select.POLLIN)
            by_fd = {life.fileno(): pid for pid, life in self._lives.items()}
            for fd in by_fd:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll():
                if fd == wake:
                    with suppress(BlockingIOError):
                        os.read(wake, 4096)
                    self._reap()
                elif fd == self._control.fileno():
                    self._start()
                elif by_fd[fd] in self._lives:  # the host wants it dead; it does not say why
                    self._lives[by_fd[fd]].recv(64)
                    with suppress(ProcessLookupError):
                        os.kill(by_fd[fd], signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            life = self._lives.pop(pid, None)
            if life is not None:
                with suppress(OSError):
                    life.send(str(os.waitstatus_to_exitcode(status)).encode())
                life.close()

    def _start(self) -> None:
        """Fork one guest; the host has sent its connection, its life line, and groups to join."""
        options, _, (sock, life, *groups) = wire.receive(self._control)
        ours, theirs = socket.socketpair()
        try:
            pid = clone() if self._setup["isolate"] else os.fork()
        except OSError as error:
            text = f"a new process in new namespaces: {error.strerror}"
            os.write(sock, wire.pack({"error": text, **guest.number_of(error)}))
            pid = -1
        if pid == 0:
            try:
                self._become_guest(options, sock, theirs, groups)
            finally:
                os._exit(70)
        for fd in (sock, *groups):
            os.close(fd)
        theirs.close()
        with ours:
            line = socket.socket(fileno=life)
            if pid < 0:
                line.close()
                return
            self._lives[pid] = line
            if self._setup["isolate"]:
                with suppress(OSError):  # the guest tells the host what is missing
                    self._map_users(ours)

    def _map_users(self, gate: socket.socket) -> None:
        """Give a new guest the users that this process has, and let it go on."""
        name = gate.recv(32).decode()
        ids = (0, isolation.GUEST_ID) if self._two else (isolation.GUEST_ID,)
        text = "".join(f"{number} {number} 1\n" for number in ids).encode()
        for file in ("uid_map", "gid_map"):
            fd = os.open(f"{name}/{file}", os.O_WRONLY, dir_fd=self._processes)
            try:
                os.write(fd, text)
            finally:
                os.close(fd)
        gate.send(b"\n")

    def _become_guest(
        self, options: dict[str, Any], sock: int, gate: socket.socket, groups: list[int]
    ) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection = socket.socket(fileno=os.dup(sock))
        try:
            for fd in groups:
                os.write(fd, b"0")  # cgroups(7): the writer itself
            if self._setup["isolate"]:
                isolation.die_with_parent()
                pid = int(os.readlink("self", dir_fd=self._processes))
                gate.send(b"%d" % pid)
                if not gate.recv(1):
                    raise PermissionError(1, "the users of a new namespace cannot be mapped")
            else:
                pid = os.getpid()
        except OSError as error:
            text = f"{type(error).__name__}: {error}"
            connection.sendall(wire.pack({"error": text, **guest.number_of(error)}))
            os._exit(1)
        space = os.open("self/ns/pid", os.O_RDONLY, dir_fd=self._processes)
        kept = [fcntl.fcntl(fd, fcntl.F_DUPFD, 256) for fd in (connection.fileno(), space)]
        os.closerange(3, 256)
        for target, fd in enumerate(kept, start=3):
            os.dup2(fd, target)
        os.closerange(3 + len(kept), _MOST_FILES)
        connection.detach()
        more = {"two": self._two, "pid_space": 4}
        guest.serve(socket.socket(fileno=3), {**self._setup, **options, **more}, pid)


def clone() -> int:
    """fork(2) with new namespaces of every kind for the child, which is their process 1.

    Python does not know of it: only for a process with a single thread.

    Raises:
        OSError: The kernel or its policy does not allow it.
    """
    fields = [0] * 8  # struct clone_args, see clone(2)
    fields[0], fields[4] = isolation.ALL_NAMESPACES, signal.SIGCHLD
    args = (ctypes.c_uint64 * 8)(*fields)
    pid = _syscall(_CLONE3, ctypes.addressof(args), ctypes.sizeof(args))
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(pid)


# PyDLL: the interpreter's lock is held across the fork, as os.fork does it.
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_syscall.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t]
_syscall.restype = ctypes.c_long
