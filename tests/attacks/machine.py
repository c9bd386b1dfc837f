"""A small machine on which attacks meet an unprotected runner, and can harm nobody.

Each attack gets a machine of its own: namespaces of every kind, a read-only view of the system's
programs, scratch space in memory, canaries, and a user who is root in there and nobody outside.
There are no system call filters, no rights taken away and no limits but on memory and the number of
processes, far above what the attacks need. It shares no code with the sandboxes that it is compared
with. Linux 5.14 or newer; standard library only.

A program of its own: jobs come in as one JSON list, verdicts go out as JSON lines.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import canaries
import unprotected

_NEWUSER, _NEWNS = 0x10000000, 0x00020000
_REST = 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000  # uts, ipc, pid, net
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_RECURSIVE = 442, 0x8000
_RDONLY, _NOSUID, _NODEV = 1, 2, 4
_NOBODY, _INNER = 65534, 1000
_AT_ONCE = 2
_PATIENCE_S = 2.0
_MUCH_KB = 100 << 10  # of the runner, which holds all that it reads

_libc = ctypes.CDLL(None, use_errno=True)


def _call(what: str, *args: Any) -> None:
    if getattr(_libc, what)(*args) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    _call("mount", source.encode(), target.encode(), kind.encode(), flags, data.encode())


def _freeze(target: str) -> None:
    """Make a mount, and all below it, read-only."""
    attributes = struct.pack("QQQQ", _RDONLY | _NOSUID | _NODEV, 0, 0, 0)
    _call("syscall", _MOUNT_SETATTR, -100, target.encode(), _AT_RECURSIVE, attributes, 32)


def _unshare(flags: int, mapping: str | None, helper: Callable[[int], None] | None) -> None:
    """Enter new namespaces; the user's are mapped from within, or from outside by the helper."""
    if helper is None:
        _call("unshare", flags)
        assert mapping is not None
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(mapping)
        Path("/proc/self/gid_map").write_text(mapping)
        return
    me, (ask, asked) = os.getpid(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(asked)
        os.read(ask, 1)
        try:
            helper(me)
        finally:
            os._exit(0)
    _call("unshare", flags)
    os.close(asked)
    os.close(ask)
    os.waitpid(child, 0)


# --- the machine under all machines --------------------------------------------------------------


def main() -> None:
    """Make the file system that all machines show, and run the jobs."""
    prefix, packages = os.path.realpath(sys.base_prefix), json.loads(sys.argv[1])
    jobs = json.loads(sys.stdin.buffer.read())
    is_root = os.geteuid() == 0

    def two_users(pid: int) -> None:
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{kind}").write_text(f"0 0 1\n{_INNER} {_NOBODY} 1\n")

    _unshare(_NEWUSER | _NEWNS | _REST, f"0 {os.geteuid()} 1", two_users if is_root else None)
    first = os.fork()
    if first:
        _, status = os.waitpid(first, 0)
        sys.exit(os.waitstatus_to_exitcode(status))
    _call("prctl", 1, signal.SIGKILL, 0, 0, 0)  # die with the parent
    _build_root(prefix, packages)
    running: dict[int, tuple[int, Any]] = {}
    while jobs or running:
        while jobs and len(running) < _AT_ONCE:
            job = jobs.pop(0)
            out, into = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(out)
                _machine(job, into, is_root=is_root)
            os.close(into)
            running[child] = out, job["name"]
        done, _ = os.wait()
        if done in running:
            out, name = running.pop(done)
            with os.fdopen(out, "rb") as file:
                said = file.read()
            verdict = json.loads(said) if said else {"harm": ["machine"], "solved": False}
            print(json.dumps({"name": name, **verdict}), flush=True)


def _build_root(prefix: str, packages: dict[str, str]) -> None:
    _mount("none", "/", "", _REC | _PRIVATE)
    _mount("tmpfs", "/tmp", "tmpfs", 0, "size=8m,mode=0755")
    for name in ("old", "dev", "etc", "proc", "tmp", "home", "usr", "opt/site", "empty", "var/tmp"):
        Path("/tmp", name).mkdir(parents=True)
    _call("pivot_root", b"/tmp", b"/tmp/old")
    os.chdir("/")
    for name in ("usr", "bin", "sbin", "lib", "lib64"):
        old = Path("/old", name)
        if old.is_symlink():
            Path("/", name).symlink_to(old.readlink())
        elif old.is_dir():
            _show(f"/{name}", f"/{name}")
    if not Path(prefix).is_dir():
        _show(prefix, prefix)
    for version in Path(prefix, "lib").glob("python3*/site-packages"):
        _mount("/empty", str(version), "", _BIND)
    for name, path in packages.items():
        _show(path, f"/opt/site/{name}")
    for name in ("null", "zero", "full", "random", "urandom"):
        Path("/dev", name).touch()
        _mount(f"/old/dev/{name}", f"/dev/{name}", "", _BIND)
    for name in ("shm", "mqueue"):
        Path("/dev", name).mkdir()
    Path("/dev/fd").symlink_to("/proc/self/fd")
    Path("/bin-python").mkdir()
    for name in ("python", "python3"):
        Path("/bin-python", name).symlink_to(os.path.realpath(sys.executable))
    Path("/etc/passwd").write_text("root:x:0:0::/home/agent:/bin/bash\n")
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n")
    _mount("proc", "/proc", "proc")
    _call("umount2", b"/old", 2)


def _show(source: str, target: str) -> None:
    path = Path("/old" + source)
    if path.is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).touch()
    _mount(str(path), target, "", _BIND | _REC)
    _freeze(target)


# --- one machine ---------------------------------------------------------------------------------


def _machine(job: dict[str, Any], report: int, *, is_root: bool) -> NoReturn:
    """Make a machine, run the job on it, report, and let it all go."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    try:
        if is_root:
            os.setgroups([])
            os.setresgid(_INNER, _INNER, _INNER)
            os.setresuid(_INNER, _INNER, _INNER)
        _call("prctl", 4, 1, 0, 0, 0)  # else /proc/self is not ours
        _unshare(_NEWUSER | _NEWNS | _REST, f"0 {os.geteuid()} 1", None)
        first = os.fork()
        if first:
            os.close(report)
            _reap(first, time.monotonic() + _longest(job) + 20)
            os._exit(0)
        _call("prctl", 1, signal.SIGKILL, 0, 0, 0)
        _furnish()
        verdict = _watch(job)
        os.write(report, json.dumps(verdict).encode())
    finally:
        os._exit(0)


def _longest(job: dict[str, Any]) -> float:
    """Seconds that an honest runner may take: each phase, the agent's too, up to three commands."""
    phases = 1 + job["rounds"] + bool(job["commands"])
    return job["wall_s"] * phases * (3 if job["kind"] == "stdio" else 1) + _PATIENCE_S


def _reap(child: int, deadline: float) -> None:
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.01)


def _furnish() -> None:
    """Scratch space, a loopback interface, and an environment."""
    for place in ("/tmp", "/var/tmp", "/home", "/dev/shm"):
        _mount("tmpfs", place, "tmpfs", _NOSUID | _NODEV, "size=256m,nr_inodes=100k")
    _mount("proc", "/proc", "proc")
    _mount("mqueue", "/dev/mqueue", "mqueue")
    socket.sethostname("machine")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # up, running
    Path("/home/agent").mkdir()
    resource.setrlimit(resource.RLIMIT_NPROC, (500, 500))
    resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    os.environ.clear()
    os.environ |= {
        "PATH": "/bin-python:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/home/agent",
        "PYTHONPATH": "/opt/site",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "GRADING_KEY": "canary-secret-of-the-environment",
    }


def _watch(job: dict[str, Any]) -> dict[str, Any]:
    """Run the runner, and look at what it and the canaries have become."""
    watched = canaries.Canaries(Path("/home/canary"))
    words = watched.words

    def put(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    job["files"] = {path: put(text) for path, text in job["files"].items()}
    job["commands"] = [put(text) for text in job["commands"]]
    ours, theirs = socket.socketpair()  # unlike a pipe, none that /proc opens to others
    runner = os.fork()
    if runner == 0:
        os.setsid()
        ours.close()
        with suppress(subprocess.SubprocessError):
            theirs.send(b"1" if unprotected.judge(job) else b"0")
        os._exit(0)
    theirs.close()
    deadline = time.monotonic() + _longest(job)
    ended, peak_kb = 0, 0
    while not ended and time.monotonic() < deadline:
        with suppress(ChildProcessError):
            ended, _, usage = os.wait4(runner, os.WNOHANG)
            peak_kb = usage.ru_maxrss
        time.sleep(0.005)
    ours.setblocking(False)
    try:
        said = ours.recv(1)
    except OSError:
        said = b""
    time.sleep(0.05)  # for what a daemon is about to do
    harm = watched.harm()
    if not ended:
        harm.add("hang")
    elif not said:
        harm.add("runner")
    if peak_kb > _MUCH_KB:
        harm.add("memory")
    return {"solved": said == b"1", "harm": sorted(harm)}
