"""The program that runs inside a local sandbox: a small fork server. Standard library only.

The incubator forks it. It makes itself at home, and then serves in one mode until the host closes
the connection:

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
import errno
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar

from hrmgym.envs.sandboxes.confinement import isolation, landlock, seccomp
from hrmgym.envs.sandboxes.inside import files, keeper, layers, runs, wire
from hrmgym.envs.sandboxes.processes import judge, screens, serving

Reply = tuple[dict[str, Any], bytes]
Handler = Callable[[dict[str, Any], bytes, list[int]], Reply]
_T = TypeVar("_T")


def serve(sock: socket.socket, options: dict[str, Any], pid: int) -> NoReturn:
    """Close in, report, and answer requests. The incubator has just forked this process.

    Args:
        sock: Connection to the host.
        options: mode, file_mb, and what the incubator was set up with.
        pid: This process, as the host sees it.
    """
    try:
        box = Box(options)
        if options["isolate"]:
            box.close_in()
        else:
            box.settle_for_less()
        server = _SERVERS[options["mode"]](sock, box)
        sys.path += box.packages  # for forks of this process; after all that it imports itself
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        sock.sendall(wire.pack({"error": text, **number_of(error)}))
        os._exit(1)
    sock.sendall(
        wire.pack(
            {
                "pid": pid,
                "workspace": box.workspace,
                "libraries": box.libraries,
                "shell": f"{box.tools}/shell/bash",
            }
        )
    )
    gc.collect()
    gc.freeze()
    try:
        while True:
            request, blob, fds = wire.receive(sock)
            number = request.pop("n")
            try:
                header, data = server.handlers[request["op"]](request, blob, fds)
            except ConnectionError:
                raise
            except OSError as error:
                text = error.strerror or str(error)
                header, data = {"error": text, "errno": error.errno or errno.EIO}, b""
            for fd in fds:
                os.close(fd)
            header["n"] = number
            sock.sendall(wire.pack(header, data))
            del request, blob, header, data  # the next foreign code is a fork of this process
            server.tidy_up()
    except wire.Broken:
        pass
    except BaseException as error:  # one that ends in silence was killed
        with suppress(OSError):
            sock.sendall(
                wire.pack({"over": f"{type(error).__name__}: {error}", **number_of(error)})
            )
    finally:
        box.end()
        os._exit(0)


def number_of(error: BaseException) -> dict[str, int]:
    """What the host is told beside an error's text: the number of a system's error."""
    number = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
    return {"errno": number or 0}


def forget_package() -> None:
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
        self.rules: landlock.Ruleset | None = None
        self.own_pid_space = -1
        self.scratch_mb = int(options["file_mb"])

    def close_in(self) -> None:
        """Make the namespaces that this process has just been started in a sandbox."""
        self.two = self.options["two"]
        self.own_pid_space = self.options["pid_space"]
        self.proc = isolation.mount_proc()
        isolation.mount_scratch(self.scratch_mb)
        socket.sethostname("sandbox")
        isolation.raise_loopback()
        with suppress(OSError):  # the names of the host's control groups are not for foreign code
            isolation.unshare(isolation.CLONE_NEWCGROUP)
        if self.proc:  # no user namespaces of its own: they would bring capabilities back
            write_text("/proc/sys/user/max_user_namespaces", "0")
            write_text("/proc/sys/user/max_inotify_instances", "32")  # else the host's share
        isolation.renounce()
        if _GUEST_FILTER is not None:
            _GUEST_FILTER.install()

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
        if _LANDLOCK:
            self.rules = landlock.Ruleset(self._outside())
        isolation.renounce()
        seccomp_filter = seccomp.prepare(
            "outside", (os.getpid(), os.getppid(), self.options["host"])
        )
        if seccomp_filter is not None:
            seccomp_filter.install()

    def _outside(self) -> list[landlock.Grant]:
        """What foreign code may reach of the machine's files."""
        prefix, libraries = os.path.realpath(sys.base_prefix), self.options["libraries"]
        hidden = {*self.options["hidden"], *isolation.package_folders(prefix)}
        return landlock.outside(prefix, self.tools, libraries.values(), hidden)

    def bounds(self, limits: dict[str, Any]) -> isolation.Bounds:
        """The resource limits of a run."""
        count = None
        if self.isolated and _KERNEL >= (5, 14):  # since then counted per user namespace
            count = 0 if self.two else 2  # the guest, a keeper
        return isolation.bounds(limits, count_processes=count)

    def become_foreign(self, bounds: isolation.Bounds) -> None:
        """Take every power from this process, which is about to run foreign code.

        The guest's own filter of system calls holds for it too.
        """
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        isolation.apply_limits(bounds)
        isolation.drop_privileges(to_guest=self.two)
        if self.rules is not None:
            self.rules.restrict()

    @contextmanager
    def as_foreign(self) -> Iterator[None]:
        """The file permissions of foreign code: it may have planted links."""
        if not self.two:
            yield
            return
        os.setegid(isolation.GUEST_ID)
        os.seteuid(isolation.GUEST_ID)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def confine(self) -> None:
        """Take mounts, namespaces and all writing outside the scratch space from this process.

        For keepers and their programs. In a run of calls, which is short, it would cost a tenth
        of its time, and forbid nothing that is not forbidden by the lack of capabilities and a
        root that is read-only.
        """
        if _LANDLOCK:
            landlock.restrict(landlock.inside(self.workspace), alone=False)
        if _PROGRAM_FILTER is not None:
            _PROGRAM_FILTER.install()

    @property
    def packages(self) -> list[str]:
        """The folder of packages that the task brings, where it does."""
        return [f"{self.tools}/lib/.packages"] if ".packages" in self.options["libraries"] else []

    @property
    def libraries(self) -> str:
        """Folders of the task's packages and of pytest, as PYTHONPATH has them."""
        return ":".join([*self.packages, f"{self.tools}/lib"])

    def environment(self) -> dict[str, str]:
        """Environment variables of foreign code."""
        programs = [f"{self.tools}/bin", *(f"{top}/bin" for top in self.packages)]
        return {
            "PATH": ":".join([*programs, "/usr/local/bin:/usr/bin:/bin"]),
            "HOME": self.temporary,
            "TMPDIR": self.temporary,
            "LANG": "C.UTF-8",
            "PYTHONPATH": self.libraries,
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
            with suppress(OSError):
                files.remove(self.tools)


def _end_of_host(number: int, frame: object) -> NoReturn:
    raise ConnectionError("the host has gone")


def write_text(path: str, text: str) -> None:
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


# Made once: the incubator imports this file, and every guest is a fork of it.
_KERNEL, _LANDLOCK = _kernel(), landlock.abi() > 0
_GUEST_FILTER, _PROGRAM_FILTER = seccomp.prepare("guest"), seccomp.prepare("program")


class _Calls:
    """One run of a function at a time."""

    def __init__(self, sock: socket.socket, box: Box) -> None:
        self._sock, self._box = sock, box
        self._own_state = _own_state()
        self._used = False
        self._start = runs.Start()
        self.handlers: dict[str, Handler] = {
            "ping": _ping,
            "calls": self._run,
            "serve": self._serve,
            "screen": self._screen,
        }

    def _serve(self, request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
        """Serve modules to the tests at the other end of a connection."""
        header = self._ran(request, lambda foreign, host: serving.serve(
            request, self._box.workspace, foreign, self._start, fds[0],
            isolated=self._box.isolated, host=host,
        ))  # fmt: skip
        return header, b""

    def _run(self, request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
        return self._ran(request, lambda foreign, host: runs.run(
            request, self._box.workspace, foreign, self._start,
            isolated=self._box.isolated, host=host,
        ))  # fmt: skip

    def _screen(self, request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
        """Try many texts of one file, in processes that try more than one."""
        request["libraries"] = f"{self._box.tools}/lib"
        return self._ran(request, lambda foreign, host: screens.screen(
            request, blob, self._box.workspace, foreign, self._start, self._box.fresh_scratch,
            isolated=self._box.isolated, host=host,
        ), more_cpu_s=request["slice_s"] + screens.SPARE_CPU_S)  # fmt: skip

    def _ran(
        self,
        request: dict[str, Any],
        run: Callable[[Callable[[], None], int], _T],
        more_cpu_s: float = 0.0,
    ) -> _T:
        box = self._box
        if box.scratch_mb != request["limits"]["file_mb"]:
            box.fresh_scratch(request["limits"]["file_mb"])
        limits = request["limits"]
        # before the fork, which pays for every step
        bounds = box.bounds({**limits, "cpu_s": limits["cpu_s"] + more_cpu_s})
        self._used = True
        try:
            result = run(lambda: box.become_foreign(bounds), self._sock.fileno())
        except OSError as error:  # not an answer: what is left of the run may be in the way
            raise ConnectionError(error.errno or 0, str(error)) from None
        if not self._box.two and _own_state() != self._own_state:
            raise ConnectionError("foreign code has changed the limits of this process")
        return result

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

    def __init__(self, sock: socket.socket, box: Box) -> None:
        self._box = box
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers report by themselves
        self._layers = layers.Layers(
            box.workspace,
            box.temporary,
            as_foreign=box.as_foreign,
            renew=box.fresh_scratch if box.isolated else None,
            owner=isolation.GUEST_ID if box.two else None,
        )
        self.handlers: dict[str, Handler] = {
            "ping": _ping,
            "spawn": self._spawn,
            "fresh": self._fresh,
            "write": self._on_files(files.write),
            "read": self._on_files(files.read),
            "read_all": self._on_files(files.read_all),
            "base": lambda request, blob, fds: self._layers.add_base(request, blob),
            "look": lambda request, blob, fds: self._layers.look(request, blob),
            "reset": lambda request, blob, fds: self._layers.reset(request, blob),
        }

    def _on_files(self, act: Callable[[str, dict[str, Any], bytes], Reply]) -> Handler:
        def handler(request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
            with self._box.as_foreign():
                return act(self._box.workspace, request, blob)

        return handler

    def _fresh(self, request: dict[str, Any], blob: bytes, fds: list[int]) -> Reply:
        self._layers.forget()
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
                bounds = box.bounds(request["limits"])
                keeper.keep(
                    request,
                    fds,
                    lambda: box.become_foreign(bounds),
                    box.confine,
                    isolated=box.isolated,
                )
            finally:
                os._exit(70)
        return {}, b""


#: Mode -> what answers the requests of such a guest.
_SERVERS: dict[str, Any] = {
    "calls": _Calls,
    "tests": _Calls,  # pytest is loaded there
    "judge": judge.Judge,
    "shell": _Shell,
}
