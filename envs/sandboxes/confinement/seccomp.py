"""The system calls that foreign code may not make: a filter for seccomp(2), made of classic BPF.

A filter only narrows what the kernel offers; it is installed on top of namespaces, a bare root and
the loss of all capabilities, and keeps kernel code that has no business with tests out of reach.
What it refuses fails with EPERM, or as in a kernel that lacks it where libraries then take another
way. Inside the sandbox only; standard library only.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from hrmgym.envs.sandboxes.confinement.syscalls import NUMBERS

EPERM, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT = 1, 38, 93, 97

Level = Literal["guest", "program", "outside"]
Op = tuple[int, int, int, int]  # code, jt, jf, k: struct sock_filter
Rule = tuple[Op, ...]

_ABSENT = ("shmget", "semget", "msgget", "mq_open", "clone3")  # ENOSYS: some kernels lack them
_MOUNTS = (
    *("mount", "umount2", "open_tree", "open_tree_attr", "move_mount"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"),
)
_SIGNALS = ("kill", "tkill", "tgkill", "pidfd_open")
_SCHEDULING = ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr")
_MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
_X32 = 0x40000000  # numbers from here on are calls of x86_64's 32-bit twin

_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW flag but CLONE_NEWTIME
_NEW_USER, _NEW_TIME = 0x10000000, 0x80
_TERMINAL_TRICKS = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_PROTOCOLS = (0, 1, 6, 17, 58)  # any, ICMP, TCP, UDP, ICMPv6; others are rarely tested modules

# --- the machine that runs filters, see linux/filter.h and linux/seccomp.h -----------------------

_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_EQUAL, _AT_LEAST, _ANY_BIT = 0x15, 0x35, 0x45
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCH = 0, 4


def _load_argument(index: int) -> Op:
    return _LOAD, 0, 0, 16 + 8 * index  # its low half: both machines are little-endian


_PASS: Op = (_RETURN, 0, 0, _ALLOW)


def _refuse(number: int = EPERM) -> Op:
    return _RETURN, 0, 0, _ERRNO | number


def _only(index: int, values: Sequence[int], number: int = EPERM) -> Rule:
    """Pass if an argument is one of `values`."""
    tests = [(_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return _load_argument(index), *tests, _refuse(number), _PASS


def _but(index: int, values: Sequence[int]) -> Rule:
    """Refuse if an argument is one of `values`."""
    tests = [(_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return _load_argument(index), *tests, _PASS, _refuse()


def _no_bit(index: int, bits: int) -> Rule:
    return _load_argument(index), (_ANY_BIT, 1, 0, bits), _PASS, _refuse()


def _both_only(first: int, second: int) -> Rule:
    """Pass if the first two arguments are these."""
    return (*_only(0, (first,))[:-1], *_only(1, (second,)))


def _sockets() -> Rule:
    """Unix sockets; TCP and UDP, which in a net namespace reach nobody outside."""
    types = (
        _load_argument(1),
        (_AND, 0, 0, 0xF),
        (_EQUAL, 2, 0, 1),
        (_EQUAL, 1, 0, 2),
        _refuse(EPROTONOSUPPORT),
    )
    inet = (*types, *_only(2, _PROTOCOLS, EPROTONOSUPPORT))
    netlink = _only(2, (0,), EPROTONOSUPPORT)  # NETLINK_ROUTE, which lists interfaces
    return (
        _load_argument(0),
        (_EQUAL, 0, 1, _UNIX),
        _PASS,
        (_EQUAL, 3 + len(netlink), 0, _INET),
        (_EQUAL, 2 + len(netlink), 0, _INET6),
        (_EQUAL, 1, 0, _NETLINK),
        _refuse(EAFNOSUPPORT),
        *netlink,
        *inet,
    )


def _rules(level: Level, spared: Iterable[int]) -> dict[str, Rule]:
    """What happens to each call that is not simply allowed."""
    if level == "program":
        rules: dict[str, Rule] = {name: (_refuse(),) for name in (*_MOUNTS, "setns")}
        rules["unshare"] = _no_bit(0, _NEW_NAMESPACES | _NEW_TIME)
        return rules
    special = (*_SIGNALS, *_SCHEDULING, "setpriority")
    rules = {name: (_refuse(),) for name in NUMBERS if name not in special}
    rules.update({name: (_refuse(ENOSYS),) for name in _ABSENT})
    rules["unshare"] = _no_bit(0, _NEW_NAMESPACES | _NEW_TIME)
    rules["clone"] = _no_bit(0, _NEW_NAMESPACES)  # its low byte is a signal
    rules["prlimit64"] = _only(0, (0,))
    rules["ioprio_set"] = _both_only(1, 0)
    rules["personality"] = _only(0, (0, 0xFFFFFFFF))  # the usual one; and to ask
    rules["ioctl"] = _but(1, _TERMINAL_TRICKS)
    if level == "guest":
        for name in (*_MOUNTS, "setns"):
            del rules[name]
        rules["unshare"] = _no_bit(0, _NEW_USER | _NEW_TIME)
        rules["socket"] = _sockets()
        return rules
    ours = [number & 0xFFFFFFFF for pid in spared for number in (pid, -pid)]
    rules["kill"] = _but(0, (0xFFFFFFFF, *ours))  # -1 is everybody
    rules["tkill"] = rules["tgkill"] = _but(0, ours)
    rules["pidfd_open"] = (_refuse(),)
    rules["setpriority"] = _both_only(0, 0)
    rules.update(dict.fromkeys(_SCHEDULING, _only(0, (0,))))
    return rules


def program(machine: str, level: Level, spared: Iterable[int] = ()) -> bytes:
    """The filter, as an array of struct sock_filter; empty for a machine that it is not known for.

    Args:
        machine: As `os.uname` names it.
        level: `guest`: for a guest in namespaces, and through it for all foreign code in it;
            `program`: on top of that for programs, which need not mount as the guest does;
            `outside`: for foreign code without namespaces, which also gets no sockets, and whose
            scheduling calls reach no other process.
        spared: Processes that foreign code outside must not signal.
    """
    if machine not in _MACHINES:
        return b""
    column, arch, _ = _MACHINES[machine]
    rules = _rules(level, spared)
    numbered = {NUMBERS[name][column]: rule for name, rule in rules.items()}
    numbered.pop(-1, None)
    if column == 0:
        numbered[_X32] = (_refuse(ENOSYS),)
    head: list[Op] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    ops = [*head, *_search(_pieces(numbered))]
    return b"".join(
        code.to_bytes(2, "little") + bytes((jt, jf)) + k.to_bytes(4, "little")
        for code, jt, jf, k in ops
    )


def _pieces(numbered: Mapping[int, Rule]) -> list[tuple[int, Rule]]:
    """The rules as a step function: (first number, rule), up to the next one's first number."""
    pieces: list[tuple[int, Rule]] = [(0, (_PASS,))]
    for number in sorted(numbered):
        if numbered[number] != pieces[-1][1]:
            pieces.append((number, numbered[number]))
        if number < _X32 and number + 1 not in numbered:
            pieces.append((number + 1, (_PASS,)))
    return pieces


def _search(pieces: Sequence[tuple[int, Rule]]) -> list[Op]:
    """Binary search for a number's piece. Rules of several steps come after the tree."""
    tails: list[Op] = []
    starts: list[int] = []  # of the leaves' rules in `tails`, in the order of the leaves

    def tree(low: int, high: int) -> list[Op]:
        if high - low == 1:
            rule = pieces[low][1]
            if len(rule) == 1:
                return [rule[0]]
            starts.append(len(tails))
            tails.extend(rule)
            return [(_JUMP, 0, 0, -1)]
        middle = (low + high) // 2
        below, above = tree(low, middle), tree(middle, high)
        return [(_AT_LEAST, len(below), 0, pieces[middle][0]), *below, *above]

    ops = tree(0, len(pieces))
    for at, op in enumerate(ops):
        if op[0] == _JUMP:
            ops[at] = (_JUMP, 0, 0, len(ops) - at - 1 + starts.pop(0))
    return ops + tails


# --- installing it -------------------------------------------------------------------------------


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("ops", ctypes.c_char_p)]


class Filter:
    """A filter ready to be installed; made once, before the processes that install it."""

    def __init__(self, ops: bytes, machine: str) -> None:
        self.length = len(ops) // 8
        self._number = _MACHINES[machine][2]
        self._program = _Program(self.length, ops)
        self._reference = ctypes.byref(self._program)
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall

    def fits(self) -> bool:
        """Whether the kernel takes filters that refuse with an error number."""
        action = ctypes.c_uint32(_ERRNO)
        return bool(self._syscall(self._number, 2, 0, ctypes.byref(action)) == 0)

    def install(self) -> None:
        """Filter this process and all that it starts, for ever. It needs no_new_privs.

        Raises:
            OSError: The kernel has no filters.
        """
        # Flag 4: no slower defence against leaks between parts of one process, all of it foreign.
        if self._syscall(self._number, 1, 4, self._reference) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"seccomp: {os.strerror(number)}")


def prepare(level: Level, spared: Iterable[int] = ()) -> Filter | None:
    """The filter for this machine, see `program`; None where there is none."""
    machine = os.uname().machine
    ops = program(machine, level, spared)
    made = Filter(ops, machine) if ops else None
    return made if made is not None and made.fits() else None
