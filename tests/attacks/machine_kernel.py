"""Parts of the kernel that programs under test have no business with."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import Attack, deed


def _syscalls(name: str, body: str, **options: object) -> Attack:
    return deed(name, f"import ctypes\nlibc = ctypes.CDLL(None)\n{body}", **options)


def _opens(name: str, call: str, **options: object) -> Attack:
    """Wins when a system call gives a descriptor, or zero."""
    return _syscalls(name, f"won = libc.syscall({call}) >= 0\n", **options)


ATTACKS: tuple[Attack, ...] = (
    # --- namespaces and power ---
    *(
        _syscalls(f"new-{name}-namespace", f"won = libc.unshare({flag}) == 0\n")
        for name, flag in (
            ("user", 0x10000000),
            ("mount", 0x00020000),
            ("process", 0x20000000),
            ("network", 0x40000000),
        )
    ),
    _syscalls(
        "user-namespace-by-clone",
        "child = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)\n"
        "if child == 0: os._exit(0)\n"
        "won = child > 0\n",
    ),
    _syscalls(
        "namespaces-of-a-process-of-the-host",
        "fd = os.open('/proc/@PID@/ns/mnt', os.O_RDONLY)\nwon = libc.setns(fd, 0x20000) == 0\n",
    ),
    _syscalls("another-user", "won = libc.setuid(0) == 0\n"),
    _syscalls("another-group", "won = libc.setgroups(0, None) == 0 or libc.setgid(0) == 0\n"),
    _syscalls("programs-with-the-rights-of-others", "won = libc.prctl(39, 0, 0, 0, 0) == 0\n"),
    deed(
        "capabilities",
        "for line in open('/proc/self/status'):\n"
        "    if line.startswith('Cap'): won = won or int(line.split()[1], 16) > 0\n",
    ),
    # --- the machine ---
    deed(
        "name-of-the-host",
        "import socket\nsocket.sethostname('@MARK@')\n",
        wins=frozenset({"hostname"}),
    ),
    _syscalls("name-of-the-domain", "won = libc.setdomainname(b'@MARK@', 4) == 0\n"),
    deed(
        "settings-of-the-kernel",
        "for name in ('net/ipv4/ip_forward', 'kernel/shmmax', 'kernel/core_pattern'):\n"
        "    try:\n"
        "        open('/proc/sys/' + name, 'w').write('1')\n"
        "        won = True\n"
        "    except OSError: pass\n",
    ),
    deed(
        "limits-on-namespaces",
        "open('/proc/sys/user/max_user_namespaces', 'w').write('100')\nwon = True\n",
    ),
    _syscalls(
        "messages-of-the-kernel",
        "room = ctypes.create_string_buffer(4096)\nwon = libc.klogctl(3, room, 4096) > 0\n",
        unshown="kernel.dmesg_restrict",
    ),
    deed(
        "the-clock",
        "time.clock_settime(time.CLOCK_REALTIME, time.time() + 1000)\nwon = True\n",
        unshown="the clock belongs to the first user namespace",
    ),
    deed(
        "real-time-priority",
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\nwon = True\n",
        unshown="needs CAP_SYS_NICE of the first user namespace",
    ),
    deed(
        "a-higher-priority",
        "os.setpriority(os.PRIO_PROCESS, 0, -5)\nwon = True\n",
        unshown="needs CAP_SYS_NICE of the first user namespace",
    ),
    _syscalls(
        "power-off", "won = libc.reboot(0) == 0\n", unshown="nothing that may be tried in earnest"
    ),
    # --- what is rarely looked at ---
    _opens("rings-of-input-and-output", "425, 4, ctypes.create_string_buffer(120)"),
    _opens("faults-in-user-space", "323, 1"),
    _opens(
        "programs-in-the-kernel",
        "321, 0, ctypes.create_string_buffer(128), 128",
        unshown="kernel.unprivileged_bpf_disabled",
    ),
    _opens(
        "performance-counters",
        "298, ctypes.create_string_buffer(b'\\1\\0\\0\\0\\x80\\0\\0\\0', 128), 0, -1, -1, 0",
        unshown="kernel.perf_event_paranoid",
    ),
    _opens("watching-a-file-system", "300, 0x200, 0"),
    _opens("keys", "248, b'user', b'@MARK@', b'x', 1, -5", wins=frozenset({"reward", "keys"})),
    _opens("tracing-oneself", "101, 0, 0, 0, 0"),
    _opens("addresses-without-chance", "135, 0x0040000"),
    _opens("segments-of-the-processor", "154, 0, ctypes.create_string_buffer(64), 64"),
    _opens("comparing-with-a-process-of-the-host", "312, @PID@, @PID@, 0, 0, 0"),
    _opens("moving-the-pages-of-a-process-of-the-host", "279, @PID@, 0, 0, 0, 0, 0"),
    deed(
        "a-terminal",
        "import fcntl\n"
        "fd = os.open('/dev/ptmx', os.O_RDWR)\nfcntl.ioctl(fd, 0x5412, b'x')\nwon = True\n",
        unshown="the unprotected machine has no terminals either",
    ),
    deed(
        "control-groups",
        "os.mkdir('/sys/fs/cgroup/@MARK@')\nwon = True\n",
        unshown="the unprotected machine shows no control groups",
    ),
    _syscalls(
        "module-of-the-kernel",
        "won = libc.syscall(313, 0, b'', 0) == 0\n",
        unshown="nothing that may be tried in earnest",
    ),
)
