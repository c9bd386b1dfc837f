"""The program that runs inside a local sandbox: a small fork server. Standard library only.

It closes itself in, and then serves one of two modes until the host closes the connection:

- `calls`: one run of foreign code at a time; after each run every other process is killed, and the
  next run finds fresh, empty scratch space;
- `shell`: files and spawned programs, each under a keeper of its own (see keeper.py).

Whoever holds this process's end of the connection is this process alone: foreign code gets a fork
with every other file descriptor closed.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH102, PTH118, PTH211
from __future__ import annotations

import _signal  # without the enums of `signal`, which cost every fork a quarter of a millisecond
import gc
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from hrmgym.envs.sandboxes import calls, files, isolation, keeper, runs, wire

Reply = tuple[dict[str, Any], bytes]
Handler = Callable[[dict[str, Any], bytes, list[int]], Reply]


def main() -> NoReturn:
    """Close in, report, serve."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    options = json.loads(sys.argv[2])
    try:
        box = Box(options)
        if options["isolate"]:
            box.close_in(sock)
        else:
            box.settle_for_less()
    except Exception as error:
        sock.sendall(wire.pack({"error": f"{type(error).__name__}: {error}"}))
        os._exit(1)
    sock.sendall(wire.pack({"workspace": box.workspace, "libraries": f"{box.tools}/lib"}))
    if options["mode"] == "calls":
        calls.warm_up()
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 2)  # until here the host has listened
    _forget_package()
    gc.collect()
    gc.freeze()
    gc.disable()
    server = _Calls(sock, box) if options["mode"] == "calls" else _Shell(box)
    try:
        while True:
            request, blob, fds = wire.receive(sock)
            try:
                reply = server.handlers[request["op"]](request, blob, fds)
            except ConnectionError:
                raise
            except OSError as error:
                reply = {"error": error.strerror or str(error), "errno": error.errno or 5}, b""
            for fd in fds:
                os.close(fd)
            sock.sendall(wire.pack(*reply))
            del request, blob, reply  # the next run of foreign code is a fork of this process
            server.tidy_up()
    except ConnectionError:
        pass
    finally:
        box.end()
        os._exit(0)


def _forget_package() -> None:
    """Nothing of ours is importable by foreign code."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "hrmgym"]:
        del sys.modules[name]


class Box:
    """This process's surroundings."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.workspace = isolation.WORKSPACE
        self.temporary = "/tmp"
        self.tools = isolation.TOOLS
        self.isolated = bool(options["isolate"])
        self.two = self.proc = False
        self.own_pid_space = -1
        self.scratch_mb = int(options["file_mb"])

    def close_in(self, sock: socket.socket) -> None:
        """Enter the sandbox. Returns in a new process, the sandbox's process 1."""
        isolation.clear_arguments()
        isolation.die_with_parent()
        if os.getppid() != self.options["host"]:
            os._exit(1)
        _write_text("/proc/self/oom_score_adj", "1000")  # the first to go when memory runs out
        prefix = os.path.realpath(sys.base_prefix)
        sys.path[:] = [os.path.realpath(entry) for entry in sys.path]
        self.two = isolation.enter_namespaces()
        isolation.die_with_parent()  # a change of user clears it
        first = os.fork()
        if first:
            sock.close()
            os.closerange(2, 1024)
            _, status = os.waitpid(first, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        isolation.die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # process 1 feels only signals that it handles
        self.own_pid_space = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self.proc = isolation.build_root(prefix, self.options["libraries"], self.options["hidden"])
        isolation.mount_scratch(self.scratch_mb)
        socket.sethostname("sandbox")
        if self.proc:  # no user namespaces of its own: they would bring capabilities back
            _write_text("/proc/sys/user/max_user_namespaces", "0")
        isolation.renounce()
        os.chdir("/")

    def settle_for_less(self) -> None:
        """No isolation: a temporary folder, limits, and care that no process is left."""
        import tempfile

        isolation.prctl(isolation.PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _end_of_host)
        isolation.die_with_parent(signal.SIGTERM)
        top = self.tools = tempfile.mkdtemp(prefix="hrmgym-")
        self.workspace, self.temporary = top + "/workspace", top + "/tmp"
        os.mkdir(self.workspace)
        os.mkdir(self.temporary)
        os.mkdir(top + "/lib")
        for name, source in self.options["libraries"].items():
            os.symlink(source, f"{top}/lib/{name}")
        isolation.add_programs(top)
        isolation.renounce()

    def become_foreign(self, limits: dict[str, Any]) -> None:
        """Take every power from this process, which is about to run foreign code."""
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        count = None
        if self.isolated and _kernel() >= (5, 14):  # since then counted per user namespace
            count = 0 if self.two else 3
        isolation.apply_limits(limits, count_processes=count)
        if self.isolated:
            isolation.drop_privileges(to_guest=self.two)

    def environment(self) -> dict[str, str]:
        """Environment variables of foreign code."""
        return {
            "PATH": f"{self.tools}/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": self.temporary,
            "TMPDIR": self.temporary,
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{self.tools}/lib",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
        }

    def fresh_scratch(self, size_mb: int = 0) -> None:
        """Empty scratch space, in a sandbox new and of that size (0: of the size it had)."""
        if self.isolated:
            self.scratch_mb = size_mb or self.scratch_mb
            isolation.mount_scratch(self.scratch_mb, again=True)
        else:
            files.wipe(self.workspace)
            files.wipe(self.temporary)

    def end(self) -> None:
        """Leave nothing behind. In a sandbox the kernel sees to it when process 1 ends."""
        if not self.isolated:
            keeper.kill_rest(isolated=False)
            import shutil

            shutil.rmtree(self.tools, ignore_errors=True)


def _end_of_host(number: int, frame: object) -> NoReturn:
    raise ConnectionError("the host has gone")


def _write_text(path: str, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(fd, text.encode())
    except OSError:
        pass
    finally:
        os.close(fd)


def _kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()))


class _Calls:
    """One run of a function at a time."""

    def __init__(self, sock: socket.socket, box: Box) -> None:
        self._sock, self._box = sock, box
        self._own_state = _own_state()
        self._used = False
        self.handlers: dict[str, Handler] = {"ping": _ping, "calls": self._run}

    def _run(self, request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
        box = self._box
        if box.scratch_mb != request["limits"]["file_mb"]:
            box.fresh_scratch(request["limits"]["file_mb"])
        try:
            header, lines = runs.run(
                request,
                box.workspace,
                lambda: box.become_foreign(request["limits"]),
                isolated=box.isolated,
                host=self._sock.fileno(),
            )
        except OSError as error:
            raise ConnectionError(str(error)) from None
        if _own_state() != self._own_state:
            raise ConnectionError("foreign code has changed the limits of this process")
        self._used = True
        return header, lines

    def tidy_up(self) -> None:
        """Renew the scratch space, while the host reads the answer."""
        if self._used:
            self._used = False
            self._box.fresh_scratch()


def _own_state() -> tuple[object, ...]:
    """What foreign code could change of this process where both are the same user."""
    limits = [resource.getrlimit(which) for which in range(16)]  # RLIM_NLIMITS of Linux
    priority = os.getpriority(os.PRIO_PROCESS, 0)
    return limits, priority, os.sched_getscheduler(0), os.sched_getaffinity(0)


def _ping(request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
    return {}, b""


class _Shell:
    """Files and programs."""

    def __init__(self, box: Box) -> None:
        self._box = box
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers report by themselves
        self.handlers: dict[str, Handler] = {
            "ping": _ping,
            "spawn": self._spawn,
            "fresh": self._fresh,
            "write": self._as_foreign(files.write),
            "read": self._as_foreign(files.read),
            "read_all": self._as_foreign(files.read_all),
            "replace": self._as_foreign(files.replace),
        }

    def _as_foreign(self, act: Callable[[str, dict[str, Any], bytes], Reply]) -> Handler:
        """`act` with the file permissions of foreign code: it may have planted links."""

        def handler(request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
            if self._box.two:
                os.setegid(isolation.GUEST_ID)
                os.seteuid(isolation.GUEST_ID)
            try:
                return act(self._box.workspace, request, blob)
            finally:
                if self._box.two:
                    os.seteuid(0)
                    os.setegid(0)

        return handler

    def _fresh(self, request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
        self._box.fresh_scratch(request["file_mb"])
        return {}, b""

    def tidy_up(self) -> None:
        """Nothing: the host says when it wants fresh scratch space."""

    def _spawn(self, request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
        box = self._box
        request["env"] = {**box.environment(), **(request["env"] or {})}
        request["cwd"] = os.path.join(box.workspace, request["cwd"] or "")
        if box.isolated:
            isolation.unshare(isolation.CLONE_NEWPID)
        child = -1
        try:
            child = os.fork()
        finally:
            if box.isolated and child != 0:
                isolation.setns(box.own_pid_space, isolation.CLONE_NEWPID)
        if child == 0:
            try:
                keeper.keep(request, fds, box.become_foreign, isolated=box.isolated)
            finally:
                os._exit(70)
        return {}, b""
