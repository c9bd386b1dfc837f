"""Tries every means of isolation once, each in a process of its own. Standard library only.

Prints a JSON list of [name, whether it holds, detail]; see probe.py.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH102, PTH110, PTH112, PTH123
from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import sys
from collections.abc import Callable

from hrmgym.envs.sandboxes import isolation


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
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(444, None, ctypes.c_size_t(0), 1)
    if abi < 0:
        raise OSError("not in this kernel, or disabled")
    return f"ABI {abi}"


def _seccomp() -> str:
    path = "/proc/sys/kernel/seccomp/actions_avail"
    if not os.path.exists(path):
        raise OSError("not in this kernel")
    return "filters available"


def _cgroups() -> str:
    top = "/sys/fs/cgroup"
    if os.path.exists(f"{top}/cgroup.controllers"):
        kind, place = "v2", top
    elif os.path.isdir(f"{top}/memory"):
        kind, place = "v1", f"{top}/memory"
    else:
        raise OSError("none mounted")
    if not os.access(place, os.W_OK):
        raise OSError(f"{kind}, not writable")
    return f"{kind}, writable"


def _overlay() -> str:
    isolation.enter_namespaces()
    isolation.mount("none", "/", "", isolation.MS_REC | isolation.MS_PRIVATE)
    isolation.mount("tmpfs", "/tmp", "tmpfs", 0)
    for name in ("lower", "upper", "work", "all"):
        os.mkdir(f"/tmp/{name}")
    options = "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work"
    isolation.mount("overlay", "/tmp/all", "overlay", 0, options)
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
