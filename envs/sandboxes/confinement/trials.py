"""Tries every means of isolation once, each in a process of its own. Standard library only.

Prints a JSON list of [name, whether it holds, detail]; see probe.py.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH102, PTH123
from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable

from hrmgym.envs.sandboxes.confinement import cgroups, isolation, landlock, seccomp


def _namespace(flag: int) -> Callable[[], str]:
    def trial() -> str:
        isolation.unshare(isolation.CLONE_NEWUSER | flag)
        return "allowed"

    return trial


def _root() -> str:
    second = isolation.enter_namespaces()
    first = os.fork()
    if first == 0:
        try:
            proc = isolation.build_root(os.path.realpath(sys.base_prefix), {}, ())
            isolation.mount_scratch(1)
            os._exit(0 if proc else 3)
        except OSError as error:
            os.write(2, str(error).encode())
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    if code not in (0, 3):
        raise OSError("pivot_root into a tmpfs failed")
    user = "as nobody" if second else "as this user"
    return f"foreign code runs {user}" + ("" if code == 0 else ", without /proc")


def _no_new_privileges() -> str:
    isolation.renounce()
    with open("/proc/self/status") as file:
        if "NoNewPrivs:\t1" not in file.read():
            raise OSError("prctl had no effect")
    return "kept by prctl"


def _limits() -> str:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
    try:
        bytearray(1 << 29)
    except MemoryError:
        return "memory, CPU, files and processes"
    raise OSError("RLIMIT_AS has no effect")


def _landlock() -> str:
    version = landlock.abi()
    if not version:
        raise OSError("not in this kernel, or disabled")
    top = tempfile.mkdtemp(prefix="hrmgym-")
    try:
        os.mkdir(f"{top}/free")
        child = os.fork()
        if child == 0:
            isolation.prctl(isolation.PR_SET_NO_NEW_PRIVS, 1)
            landlock.restrict([(f"{top}/free", landlock.WRITE)], alone=True)
            free, other = _writable(f"{top}/free/a"), _writable(f"{top}/a")
            os._exit(0 if free and not other else 1)
        if os.waitpid(child, 0)[1]:
            raise OSError("a rule has no effect")
    finally:
        shutil.rmtree(top)
    more = [text for least, text in ((4, "TCP"), (6, "signals")) if version >= least]
    return f"ABI {version}: " + ", ".join(["files", *more])


def _writable(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
    except PermissionError:
        return False
    return True


def _seccomp() -> str:
    made = seccomp.prepare("outside")
    if made is None:
        raise OSError(f"no filter for {platform.machine()}")
    isolation.prctl(isolation.PR_SET_NO_NEW_PRIVS, 1)
    made.install()
    try:
        socket.socketpair()[0].close()
        socket.socket(socket.AF_UNIX)
    except PermissionError:
        return f"{made.length} steps"
    raise OSError("a filter has no effect")


def _cgroups() -> str:
    group = cgroups.take()
    if group is None:
        raise OSError("none that this user may make")
    try:
        group.fit({"memory_mb": 0, "file_mb": 0, "processes": 0})
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            for path in group.entries:
                path.write_text("0")
            os.write(into, b"x")
            bytearray(b"x" * (256 << 20))
            os._exit(0)
        os.close(into)
        if not os.read(out, 1):
            raise OSError("a group cannot be joined")
        _, status = os.waitpid(child, 0)
        if "memory" in group.controllers and os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            raise OSError("a memory limit has no effect")
    finally:
        group.close()
    return f"v{group.version}: " + ", ".join(group.controllers)


def _overlay() -> str:
    isolation.enter_namespaces()
    isolation.mount("none", "/", "", isolation.MS_REC | isolation.MS_PRIVATE)
    isolation.mount("tmpfs", "/tmp", "tmpfs", 0)
    for name in ("lower", "upper", "work", "all"):
        os.mkdir(f"/tmp/{name}")
    options = "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work"
    with open("/tmp/lower/a", "w") as file:
        file.write("old")
    isolation.mount("overlay", "/tmp/all", "overlay", 0, options)
    with open("/tmp/all/a", "w") as file:
        file.write("new")
    with open("/tmp/lower/a") as file:
        if file.read() != "old":
            raise OSError("the lower layer was written")
    return "allowed in a user namespace"


TRIALS: dict[str, Callable[[], str]] = {
    "user namespace": _namespace(0),
    "mount namespace": _namespace(isolation.CLONE_NEWNS),
    "pid namespace": _namespace(isolation.CLONE_NEWPID),
    "net namespace": _namespace(isolation.CLONE_NEWNET),
    "ipc namespace": _namespace(isolation.CLONE_NEWIPC),
    "uts namespace": _namespace(isolation.CLONE_NEWUTS),
    "bare root": _root,
    "no new privileges": _no_new_privileges,
    "resource limits": _limits,
    "landlock": _landlock,
    "seccomp": _seccomp,
    "cgroups": _cgroups,
    "overlayfs": _overlay,
}


def attempt(trial: Callable[[], str]) -> tuple[bool, str]:
    """Run one trial in a fork; whether it held, and what it said."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = [True, trial()]
        except BaseException as error:
            answer = [False, str(error) or type(error).__name__]
        os.write(into, json.dumps(answer).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as file:
        text = file.read()
    os.waitpid(child, 0)
    held, detail = json.loads(text) if text else (False, "the trial died")
    return held, detail


def main() -> None:
    """Print the results of all trials."""
    if platform.system() != "Linux":
        results = [[name, False, "Linux only"] for name in TRIALS]
    else:
        results = [[name, *attempt(trial)] for name, trial in TRIALS.items()]
    print(json.dumps(results))
