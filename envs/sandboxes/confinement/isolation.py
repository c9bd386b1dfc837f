"""What takes power away from a process: namespaces, a bare root, capabilities, limits.

The program inside a sandbox imports this file before it closes itself in: Linux, standard library
only. See namespaces(7), user_namespaces(7), pivot_root(2), capabilities(7), prctl(2).
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH101, PTH102, PTH103, PTH106, PTH110, PTH112, PTH114, PTH115, PTH118, PTH120, PTH123, PTH208, PTH211
from __future__ import annotations

import ctypes
import fcntl
import math
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hrmgym.envs.sandboxes.confinement import settings

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_NEWCGROUP = 0x02000000
ALL_NAMESPACES = (
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE = 16384, 1 << 18
MNT_DETACH = 2
#: statvfs flags that a remount must repeat -> mount flags; the kernel refuses to clear them
_KEPT = {2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

GUEST_ID = 1000  # user and group that foreign code sees itself as
WORKSPACE = "/workspace"
TOOLS = "/opt/hrmgym"

_libc = ctypes.CDLL(None, use_errno=True)
_LONG = ctypes.c_ulong
if sys.platform == "linux":  # elsewhere the host side of other sandboxes may still be imported
    _libc.mount.argtypes = [ctypes.c_char_p] * 3 + [_LONG, ctypes.c_char_p]
    _libc.prctl.argtypes = [ctypes.c_int] + [_LONG] * 4


def _call(what: str, *args: Any) -> int:
    """One libc call; raises OSError with its name."""
    done = getattr(_libc, what)(*args)
    if done < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return int(done)


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags`."""
    _call("unshare", flags)


def setns(fd: int, flags: int) -> None:
    """Join the namespace that `fd` refers to."""
    _call("setns", fd, flags)


def prctl(option: int, value: int = 0) -> None:
    """prctl(2) with one argument."""
    _call("prctl", option, value, 0, 0, 0)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2)."""
    try:
        _call("mount", *(s.encode() or None for s in (source, target, kind)), flags, data.encode())
    except OSError as error:
        error.filename = target
        raise


def unmount(target: str) -> None:
    """umount2(2), lazily: what is still open lives on until it is closed."""
    _call("umount2", target.encode(), MNT_DETACH)


# --- namespaces ----------------------------------------------------------------------------------


def enter_namespaces() -> bool:
    """Move this process into new namespaces of every kind; its next child is their process 1.

    Returns:
        Whether foreign code can run as another user than this process: only a host that is root
        may map a second one.

    Raises:
        OSError: The kernel or its policy does not allow it.
    """
    user, group, me = os.geteuid(), os.getegid(), os.getpid()
    init_space = "4294967295" in _read("/proc/self/uid_map")
    ask, asked = os.pipe()
    answer, answered = os.pipe()
    helper = os.fork()
    if helper == 0:  # stays outside: only there may a second user be mapped
        os.close(asked)
        done = b"0"
        if os.read(ask, 1) and user == 0:
            try:
                _write(f"/proc/{me}/uid_map", f"0 0 1\n{GUEST_ID} {settings.NOBODY} 1\n")
                _write(f"/proc/{me}/gid_map", f"0 0 1\n{GUEST_ID} {settings.NOBODY} 1\n")
                done = b"1"
            except OSError:
                pass
        os.write(answered, done)
        os._exit(0)
    try:
        unshare(ALL_NAMESPACES)
        os.write(asked, b"1")
    finally:
        for fd in (ask, asked):
            os.close(fd)
        two = os.read(answer, 1) == b"1"
        for fd in (answer, answered):
            os.close(fd)
        os.waitpid(helper, 0)
    if two:
        os.setgroups([])
        return True
    if user == 0 and init_space:  # such a user could write the host's /proc/sys
        raise PermissionError(1, "root without CAP_SETUID cannot map a second user")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{GUEST_ID} {user} 1\n")
    _write("/proc/self/gid_map", f"{GUEST_ID} {group} 1\n")
    return False


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


# --- the root file system ------------------------------------------------------------------------


def build_root(prefix: str, libraries: Mapping[str, str], hidden: Sequence[str]) -> bool:
    """Replace the root by a bare one: the system's programs and one Python, read-only.

    Args:
        prefix: Folder of the Python installation.
        libraries: Name in `TOOLS`/lib -> folder or file of the host.
        hidden: Folders that stay empty where they lie in something that is shown.

    Returns:
        Whether /proc could be mounted; containers that mask theirs do not allow it.
    """
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,nr_inodes=4096,mode=0755")
    os.mkdir("/tmp/.old")
    _call("pivot_root", b"/tmp", b"/tmp/.old")
    os.chdir("/")
    for name in ("dev", "etc", "proc", "tmp", "usr", "var", "empty", WORKSPACE, TOOLS):
        os.makedirs(os.path.join("/", name), exist_ok=True)
    _show("/usr")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if os.path.islink(f"/.old/{name}"):
            os.symlink(os.readlink(f"/.old/{name}"), f"/{name}")
        elif os.path.isdir(f"/.old/{name}"):
            _show(f"/{name}")
    if not os.path.isdir(prefix):
        _show(prefix)
    for name, source in libraries.items():
        _show(source, f"{TOOLS}/lib/{name}")
    for path in (*hidden, *package_folders(prefix)):
        if os.path.isdir(path):
            bind("/empty", path)
    _fill_etc()
    for name in ("null", "zero", "full", "random", "urandom"):
        _write(f"/dev/{name}", "")
        mount(f"/.old/dev/{name}", f"/dev/{name}", "", MS_BIND)
    for name, target in {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1"}.items():
        os.symlink(target, f"/dev/{name}")
    os.symlink("fd/2", "/dev/stderr")
    os.symlink("/tmp", "/dev/shm")
    os.symlink("/tmp", "/var/tmp")
    add_programs(TOOLS)
    proc = mount_proc()
    unmount("/.old")
    os.rmdir("/.old")
    mount("", "/", "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    return proc


def bind(source: str, target: str) -> None:
    """Show a file or a folder at `target`, read-only, with everything mounted below it."""
    mount(source, target, "", MS_BIND | MS_REC)
    for line in _read("/.old/proc/self/mountinfo").splitlines():
        point = line.split()[4].replace("\\040", " ")
        if point == target or point.startswith(target + "/"):
            held = os.statvfs(point).f_flag
            kept = sum(flag for bit, flag in _KEPT.items() if held & bit)
            mount("", point, "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | kept)


def _show(source: str, target: str = "") -> None:
    """Bind a path of the old root; it keeps its place unless told."""
    target = target or source
    if os.path.isdir("/.old" + source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _write(target, "")
    bind("/.old" + source, target)


def package_folders(prefix: str) -> list[str]:
    """Every folder of installed Python packages that the new root shows."""
    found = []
    for top in {prefix, "/usr", "/usr/local"}:
        for lib in ("lib", "lib64"):
            for name in os.listdir(f"{top}/{lib}") if os.path.isdir(f"{top}/{lib}") else ():
                if name.startswith("python"):
                    base = f"{top}/{lib}/{name}"
                    found += [f"{base}/site-packages", f"{base}/dist-packages"]
    return found


def _fill_etc() -> None:
    _write("/etc/passwd", f"root:x:0:0::/:/bin/sh\nuser:x:{GUEST_ID}:{GUEST_ID}::/tmp:/bin/sh\n")
    _write("/etc/group", f"root:x:0:\nuser:x:{GUEST_ID}:\n")
    _write("/etc/hosts", "127.0.0.1 localhost\n")
    _write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    for name in os.listdir("/.old/etc"):  # what compilers and Java virtual machines need
        if name in ("ld.so.cache", "alternatives") or name.startswith("java"):
            _show(f"/etc/{name}")


def add_programs(tools: str) -> None:
    """Make `tools`/bin hold this Python, and pytest, under their usual names.

    And `tools`/shell a bash for sessions, which nobody may read: the kernel then closes the /proc
    entries of a shell, with its descriptors and memory, to the programs that it runs, see proc(5)
    and ptrace(2). Root of a machine without isolation may read all the same.
    """
    os.makedirs(f"{tools}/bin")
    for name in ("python", "python3"):
        os.symlink(os.path.realpath(sys.executable), f"{tools}/bin/{name}")
    _write(f"{tools}/bin/pytest", '#!/bin/sh\nexec python -m pytest "$@"\n')
    os.chmod(f"{tools}/bin/pytest", 0o755)
    os.makedirs(f"{tools}/shell")
    for source in ("/bin/bash", "/usr/bin/bash"):
        if os.path.exists(source):
            with open(source, "rb") as read, open(f"{tools}/shell/bash", "wb") as copy:
                copy.write(read.read())
            os.chmod(f"{tools}/shell/bash", 0o111)
            return
    _write(f"{tools}/shell/bash", '#!/bin/sh\nexec bash "$@"\n')  # wherever it is
    os.chmod(f"{tools}/shell/bash", 0o755)


def mount_proc() -> bool:
    """Mount the /proc of this process's namespaces; whether that was allowed."""
    try:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        return False
    return True


def mount_scratch(size_mb: int, *, again: bool = False) -> None:
    """An empty workspace and an empty /tmp, in memory, of `size_mb` MiB each."""
    data = f"size={size_mb}m,nr_inodes=65536,mode=0755,uid={GUEST_ID},gid={GUEST_ID}"
    for path in (WORKSPACE, "/tmp"):
        if again:
            unmount(path)
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, data)


def raise_loopback() -> None:
    """Bring up 127.0.0.1, for tests with servers; see netdevice(7)."""
    interface = struct.pack("16sh14x", b"lo", _IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, interface)


# --- power ---------------------------------------------------------------------------------------


def clear_arguments() -> None:
    """Overwrite this process's command line, which ps shows to foreign code."""
    fields = _read("/proc/self/stat").rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, see proc_pid_stat(5)
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, b"sandbox", min(7, end - start))


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel signal this process when the thread that started it ends."""
    prctl(PR_SET_PDEATHSIG, number)


def renounce() -> None:
    """Give up, for every program started from here, what a program file could grant.

    This process itself, and its forks until they start a program, close their /proc entries to
    others of the same user. The limits that are the same for all foreign code are set here too.
    """
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # past the last one that this kernel knows, or not ours to drop
    for which, most in _SETTLED.items():
        _limit(which, most)
    stack = resource.RLIMIT_STACK
    resource.setrlimit(stack, (_within(stack, settings.STACK), resource.getrlimit(stack)[1]))


def drop_privileges(*, to_guest: bool) -> None:
    """Keep no capability; where the host allowed a second user, become that one."""
    if to_guest:  # leaving user 0 clears all capabilities
        _become(GUEST_ID)
        return
    _call("capset", _CAPABILITY_HEADER, _NO_CAPABILITIES)


def _become(user: int) -> None:
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def rehearse() -> None:
    """Go through what takes power from a run, changing nothing: -1 stands for no change."""
    _become(-1)
    apply_limits([(which, *resource.getrlimit(which)) for which in _VARYING])


_CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()

#: Limits of all foreign code. Those that a process has by itself could be raised no more.
_SETTLED = {
    # A pipe to a program that collects cores is served even at 0, and refused at 1: see core(5).
    resource.RLIMIT_CORE: 1,
    resource.RLIMIT_NOFILE: settings.OPEN_FILES,
    resource.RLIMIT_MEMLOCK: 1 << 16,  # what any host gives
}
if sys.platform == "linux":
    _SETTLED[resource.RLIMIT_MSGQUEUE] = 0
    _SETTLED[resource.RLIMIT_NICE] = 0
    _SETTLED[resource.RLIMIT_RTPRIO] = 0
    _SETTLED[resource.RLIMIT_SIGPENDING] = 4096


Bounds = list[tuple[int, int, int]]

_VARYING = (resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_AS)


def bounds(limits: Mapping[str, Any], *, count_processes: int | None) -> Bounds:
    """The resource limits that differ from run to run, each with its soft and its hard value.

    Args:
        limits: The fields of `hrmgym.envs.task.Limits`.
        count_processes: How many processes the sandbox itself has; None where the kernel counts
            those of the whole machine, so that a limit would hit the innocent.
    """
    mega = 1 << 20
    cpu = max(1, math.ceil(limits["cpu_s"]))
    found = [(resource.RLIMIT_CPU, cpu, cpu + 1)]
    found += [(resource.RLIMIT_FSIZE, limits["file_mb"] * mega, limits["file_mb"] * mega)]
    if count_processes is not None:
        most = limits["processes"] + count_processes
        found += [(resource.RLIMIT_NPROC, most, most)]
    return [*found, (resource.RLIMIT_AS, limits["memory_mb"] * mega, limits["memory_mb"] * mega)]


def apply_limits(wanted: Bounds) -> None:
    """Set resource limits, of this process and all that it starts, as far as they may be had."""
    for which, soft, hard in wanted:
        _limit(which, soft, hard)


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    hard = soft if hard is None else hard
    try:
        resource.setrlimit(which, (soft, hard))
    except (ValueError, PermissionError):  # this process may not have that much itself
        resource.setrlimit(which, (_within(which, soft), _within(which, hard)))


def _within(which: int, value: int) -> int:
    most = resource.getrlimit(which)[1]
    return value if most == resource.RLIM_INFINITY else min(value, most)
