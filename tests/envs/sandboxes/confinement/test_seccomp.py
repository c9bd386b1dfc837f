"""The filter of system calls: its steps on a machine of our own, and its effect in the kernel."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

import pytest

from hrmgym.envs.sandboxes.confinement import seccomp
from hrmgym.envs.sandboxes.confinement.syscalls import NUMBERS

Run = Callable[[str], str]
ALLOW, EPERM, KILL = 0x7FFF0000, 0x00050001, 0x80000000
ENOSYS, NO_FAMILY, NO_PROTOCOL = 0x00050026, 0x00050061, 0x0005005D
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


def decide(ops: bytes, arch: int, number: int, *args: int) -> int:
    """What a filter says, by the rules of linux/filter.h."""
    words = [value & 0xFFFFFFFFFFFFFFFF for value in (*args, *[0] * (6 - len(args)))]
    data = struct.pack("<IIQ6Q", number, arch, 0, *words)
    steps = list(struct.iter_unpack("<HBBI", ops))
    at = held = 0
    for _ in range(len(steps)):
        code, yes, no, k = steps[at]
        at += 1
        match code:
            case 0x06:
                return int(k)
            case 0x20:
                (held,) = struct.unpack_from("<I", data, k)
            case 0x54:
                held &= k
            case 0x05:
                at += k
            case 0x15:
                at += yes if held == k else no
            case 0x35:
                at += yes if held >= k else no
            case 0x45:
                at += yes if held & k else no
            case _:
                raise AssertionError(f"step {code:#x}")
    raise AssertionError("endless")


@pytest.fixture(params=list(MACHINES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asker(machine: str, level: seccomp.Level, *spared: int) -> Callable[..., int]:
    arch, column = MACHINES[machine]
    ops = seccomp.program(machine, level, spared)

    def ask(name: str, *args: int) -> int:
        return decide(ops, arch, NUMBERS[name][column], *args)

    return ask


def test_every_call_of_no_concern_is_allowed(machine: str) -> None:
    arch, column = MACHINES[machine]
    special = {numbers[column] for numbers in NUMBERS.values()}
    for level in ("guest", "program", "outside"):
        ops = seccomp.program(machine, level, (77,))
        for number in set(range(600)) - special:
            assert decide(ops, arch, number) == ALLOW, number


@pytest.mark.parametrize("level", ["guest", "outside"])
def test_dangerous_calls_are_refused(machine: str, level: seccomp.Level) -> None:
    ask = asker(machine, level)
    names = ("ptrace", "bpf", "keyctl", "io_uring_setup", "kexec_load", "reboot", "pivot_root")
    for name in (*names, "chroot", "userfaultfd", "clock_settime", "open_by_handle_at"):
        assert ask(name) == EPERM, name
    for name in ("clone3", "shmget", "mq_open"):
        assert ask(name) == ENOSYS, name
    assert ask("clone", 0x3D0F00) == ALLOW  # a thread
    assert ask("clone", 17) == ALLOW  # a fork
    for flag in (1 << bit for bit in (17, 25, 26, 27, 28, 29, 30)):
        assert ask("clone", flag | 17) == EPERM
    assert ask("personality", 0xFFFFFFFF) == ask("personality", 0) == ALLOW
    assert ask("personality", 0x0040000) == EPERM
    assert ask("ioctl", 0, 0x5401) == ALLOW
    assert ask("ioctl", 0, 0x5412) == ask("ioctl", 0, 1 << 32 | 0x5412) == EPERM
    assert ask("prlimit64", 0) == ALLOW
    assert ask("prlimit64", 1) == EPERM
    assert ask("ioprio_set", 1, 0) == ALLOW
    assert ask("ioprio_set", 1, 5) == ask("ioprio_set", 2, 0) == EPERM


def test_a_guest_mounts_and_its_programs_do_not(machine: str) -> None:
    guest, program = asker(machine, "guest"), asker(machine, "program")
    outside = asker(machine, "outside")
    for name in ("mount", "umount2", "setns", "fsmount", "move_mount"):
        assert guest(name) == ALLOW
        assert program(name) == outside(name) == EPERM
    assert guest("unshare", 0x20000000) == ALLOW
    assert guest("unshare", 0x10000000) == EPERM  # user namespaces bring capabilities back
    assert program("unshare", 0x20000000) == outside("unshare", 0x20000000) == EPERM
    assert program("unshare", 0x400) == ALLOW  # file descriptors
    assert program("ptrace") == ALLOW  # the guest's filter, below it, refuses


def test_sockets(machine: str) -> None:
    guest, outside = asker(machine, "guest"), asker(machine, "outside")
    assert guest("socket", 1, 1, 0) == ALLOW
    for family in (2, 10):
        assert guest("socket", family, 0x80801, 6) == ALLOW  # with flags
        assert guest("socket", family, 2, 0) == ALLOW
        assert guest("socket", family, 3, 1) == NO_PROTOCOL  # raw
        assert guest("socket", family, 1, 132) == NO_PROTOCOL  # SCTP
    assert guest("socket", 16, 3, 0) == ALLOW
    assert guest("socket", 16, 3, 12) == NO_PROTOCOL  # nftables
    for family in (0, 3, 17, 38, 40):
        assert guest("socket", family, 1, 0) == NO_FAMILY
    assert {outside("socket", family, 1, 0) for family in (1, 2, 10, 16)} == {EPERM}


def test_outside_no_other_process_is_reached(machine: str) -> None:
    ask = asker(machine, "outside", 4321)
    assert ask("kill", 99, 9) == ask("kill", 0, 15) == ALLOW
    assert ask("kill", -1, 9) == ask("kill", 4321, 9) == ask("kill", -4321, 9) == EPERM
    assert ask("tgkill", 4321, 4321, 9) == EPERM
    for name in ("sched_setaffinity", "sched_setscheduler", "sched_setattr"):
        assert ask(name, 0) == ALLOW
        assert ask(name, 5) == EPERM
    assert ask("setpriority", 0, 0) == ALLOW
    assert ask("setpriority", 0, 5) == ask("setpriority", 2, 0) == EPERM
    assert asker(machine, "guest")("kill", -1, 9) == ALLOW  # everybody is in the sandbox


def test_other_kinds_of_calls_are_no_way_around() -> None:
    ops = seccomp.program("x86_64", "guest")
    assert decide(ops, 0x40000003, 26) == KILL  # 32-bit
    assert decide(ops, 0xC000003E, 0x40000000 | 101) == ENOSYS
    assert seccomp.program("riscv64", "guest") == b""


# --- in the kernel -------------------------------------------------------------------------------

CALLS = """
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def said(done):
    return errno.errorcode[ctypes.get_errno()] if done < 0 else "done"
print(*(said(libc.{}) for _ in "x"))
"""


@pytest.mark.skipif(os.uname().machine not in MACHINES, reason="no filter for this machine")
@pytest.mark.parametrize("where", ["inside", "outside"])
@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("personality(0x40000)", "EPERM"),
        ("unshare(0x10000000)", "EPERM"),
        ("mount(b'x', b'/tmp', b'tmpfs', 0, None)", "EPERM"),
        ("ptrace(0, 0, 0, 0)", "EPERM"),  # PTRACE_TRACEME, which needs no power
        ("shmget(0, 4096, 0o1600)", "ENOSYS"),
        ("socket(38, 5, 0)", "EAFNOSUPPORT or EPERM"),
        ("prlimit(1, 7, None, None)", "EPERM"),
        ("unshare(0x400)", "done"),
    ],
)
def test_programs(where: str, call: str, answer: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(where)
    assert run(CALLS.format(call)).strip() in answer.split(" or ")


def test_calls_are_filtered_by_the_guest_alone(inside_function: Run) -> None:
    status = dict(line.split(":\t") for line in inside_function(STATUS).splitlines() if line)
    assert (status["Seccomp"], status["NoNewPrivs"], int(status["CapEff"], 16)) == ("2", "1", 0)


STATUS = "def f(x):\n    return open('/proc/self/status').read()\n"


def test_programs_get_a_filter_of_their_own_on_top(inside: Run, outside: Run) -> None:
    program = "print(*(line for line in open('/proc/self/status') if 'Seccomp_f' in line))"
    if inside(program).strip():  # newer kernels count them
        assert inside(program).split() == ["Seccomp_filters:", "2"]
        assert outside(program).split() == ["Seccomp_filters:", "1"]


def test_loopback_servers_work_inside(inside: Run) -> None:
    program = (
        "import socket, threading\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "def serve(): server.accept()[0].send(b'served')\n"
        "threading.Thread(target=serve).start()\n"
        "print(socket.create_connection(server.getsockname()).recv(9).decode())\n"
    )
    assert inside(program) == "served\n"


def test_no_socket_outside_but_pairs(outside: Run) -> None:
    program = (
        "import socket\n"
        "a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))\n"
        "for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):\n"
        "    try: socket.socket(family)\n"
        "    except PermissionError: print('refused')\n"
    )
    assert outside(program) == "b'x'\nrefused\nrefused\nrefused\n"
