"""Which files foreign code may reach: a ruleset for landlock(7), which needs no privileges.

Where there are no namespaces this is what keeps foreign code from the user's files: it reads and
runs the system's programs, and writes below its own folders only. Links, bind mounts and paths
through /proc do not help it, because the kernel judges the file itself.

Landlock has no say over metadata: where foreign code is the same user, it may still change the
mode and the times of that user's files. And it grants whole folders: POSIX semaphores and shared
memory, which lie among everybody's in /dev/shm, are refused outside namespaces.

Inside the sandbox only; standard library only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH114, PTH118, PTH208
from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import stat
from collections.abc import Collection, Iterable, Iterator

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_PR_SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
_DEVICES_MADE = 1 << 6 | 1 << 11  # character and block devices: granted nowhere
REFER, TRUNCATE, IOCTL = 1 << 13, 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (READ | (1 << 13) - 1 | REFER | TRUNCATE) & ~_DEVICES_MADE
DEVICE = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL
#: ABI -> rights on files that it knows
_KNOWN = {1: 1 << 13, 2: 1 << 14, 3: 1 << 15, 4: 1 << 15, 5: 1 << 16}

DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
_HIGH = 1024  # numbers from here on outlive the closing of what foreign code must not see

Grant = tuple[str, int]

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def abi() -> int:
    """Version of the kernel's Landlock; 0 where there is none."""
    return max(0, int(_syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def _call(number: int, *args: object) -> int:
    done = int(_syscall(number, *args, 0))
    if done < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock: {os.strerror(error)}")
    return done


def restrict(grants: Iterable[Grant], *, alone: bool) -> None:
    """Restrict this process and all that it starts, for ever. It needs no_new_privs.

    Args:
        grants: Path and rights on all that is below it; what is not there is left out.
        alone: Whether there are no namespaces around it: then reading is restricted too, and there
            is no TCP, and no signal or abstract socket that reaches a process outside.

    Raises:
        OSError: The kernel has no Landlock.
    """
    fd = _build(grants, alone=alone)
    try:
        _enforce(fd)
    finally:
        os.close(fd)


def _build(grants: Iterable[Grant], *, alone: bool) -> int:
    version = abi()
    handled = (_KNOWN.get(version) or _KNOWN[5]) - 1
    if not alone:
        handled &= ~READ
    fields = [handled]
    if version >= 4:
        fields.append(3 if alone else 0)  # bind and connect
    if version >= 6:
        fields.append(3 if alone else 0)  # abstract sockets and signals
    attributes = (ctypes.c_uint64 * len(fields))(*fields)
    fd = _call(_CREATE, attributes, ctypes.c_size_t(8 * len(fields)), 0)
    try:
        for path, rights in grants:
            _allow(fd, path, rights & handled)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_FILES
        rule = rights.to_bytes(8, "little") + fd.to_bytes(4, "little")
        _call(_ADD_RULE, ruleset, 1, rule)
    finally:
        os.close(fd)


def _enforce(fd: int) -> None:
    quiet = 1 if abi() >= 7 else 0  # no line in the audit log for each refusal
    _call(_RESTRICT, fd, quiet)


class Ruleset:
    """Rules that are made once and hold for many processes; see `restrict`."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = list(grants)
        self._fd = -1
        most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most[1] == resource.RLIM_INFINITY or most[1] > _HIGH:
            wanted = 2 * _HIGH if most[1] < 0 else min(most[1], 2 * _HIGH)
            if 0 <= most[0] < wanted:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most[1]))
            fd = _build(self._grants, alone=True)
            self._fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
            os.close(fd)

    def restrict(self) -> None:
        """Restrict this process; it does not keep what could change the rules of the next one."""
        if self._fd < 0:
            restrict(self._grants, alone=True)
            return
        try:
            _enforce(self._fd)
        finally:
            os.close(self._fd)


# --- what foreign code may reach -----------------------------------------------------------------


def inside(workspace: str) -> list[Grant]:
    """For a program in a sandbox, whose root shows only what it may read."""
    writable = [(path, WRITE) for path in (workspace, "/tmp")]
    return [*writable, ("/proc", WRITE_FILE | TRUNCATE), *((path, DEVICE) for path in DEVICES)]


def outside(
    prefix: str, tools: str, shown: Collection[str], hidden: Collection[str]
) -> list[Grant]:
    """For foreign code among the files of this machine.

    Args:
        prefix: Folder of the Python installation.
        tools: Folder of the sandbox, with `workspace` and `tmp`, which may be written.
        shown: Further files and folders that may be read.
        hidden: Folders that may not be read, even where they lie in one that may.
    """
    grants = [(f"{tools}/workspace", WRITE), (f"{tools}/tmp", WRITE), (tools, READ)]
    grants += [(path, DEVICE) for path in DEVICES]
    grants += [(path, READ) for path in (*_SYSTEM_FILES, *shown)]
    for top in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", prefix):
        grants += _around(os.path.realpath(top), hidden)
    for name in os.listdir("/etc"):
        if name in _SETTINGS or name.startswith("java"):
            grants.append((f"/etc/{name}", READ))
    return grants


_SYSTEM_FILES = (
    *("/proc", "/sys/devices/system/cpu", "/sys/kernel/mm/transparent_hugepage"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf"),
)
_SETTINGS = (
    *("alternatives", "bash.bashrc", "gitconfig", "group", "hosts", "ld.so.cache", "localtime"),
    *("mime.types", "nsswitch.conf", "passwd", "profile", "protocols", "services", "timezone"),
)


def _around(top: str, hidden: Collection[str]) -> Iterator[Grant]:
    """Rights on all of `top` but the hidden folders; of those, the names can be seen."""
    if top in hidden:
        return
    if not any(path.startswith(top + "/") for path in hidden):
        yield top, READ
        return
    yield top, READ_DIR
    for name in os.listdir(top):
        path = os.path.join(top, name)
        if not os.path.islink(path):  # what it leads to has rights of its own, or none
            yield from _around(path, hidden)
