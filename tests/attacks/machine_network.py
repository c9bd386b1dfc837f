"""Talking to whoever is out there."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import Attack, deed

_BOTH = frozenset({"reward", "contact"})
_SERVER = """\
import socket
def ask(kind, address, form=socket.SOCK_STREAM):
    with socket.socket(kind, form) as one:
        one.settimeout(1)
        one.connect(address)
        if form == socket.SOCK_DGRAM: one.send(b'?')
        return b'canary-' in one.recv(99)
"""


def _ask(name: str, expression: str) -> Attack:
    return deed(name, f"{_SERVER}won = {expression}\n", wins=_BOTH)


def _opens(name: str, *arguments: str, **options: object) -> Attack:
    """Opens a socket of a family that nobody needs."""
    body = f"import socket\nsocket.socket({', '.join(arguments)}).close()\nwon = True\n"
    return deed(name, body, **options)


ATTACKS: tuple[Attack, ...] = (
    _ask("tcp", "ask(socket.AF_INET, ('127.0.0.1', @PORT@))"),
    _ask("udp", "ask(socket.AF_INET, ('127.0.0.1', @PORT@), socket.SOCK_DGRAM)"),
    _ask("unix-socket", "ask(socket.AF_UNIX, '@FOLDER@/socket')"),
    _ask(
        "unix-socket-by-a-link",
        "(os.symlink('@FOLDER@', '/tmp/l'), ask(socket.AF_UNIX, '/tmp/l/socket'))[1]",
    ),
    _ask("abstract-socket", "ask(socket.AF_UNIX, '\\0@ABSTRACT@')"),
    _ask(
        "every-address-of-the-machine",
        "any(ask(socket.AF_INET, (a, @PORT@)) for a in ('0.0.0.0', '127.0.0.1', '127.1.1.1'))",
    ),
    deed(
        "question-to-a-name-server",
        "import socket\n"
        "question = b'\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0' + b'\\7example\\3com\\0\\0\\1\\0\\1'\n"
        "one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "one.settimeout(1)\n"
        "one.sendto(question, ('127.0.0.1', @PORT@))\n"
        "won = bool(one.recv(512))\n",
        wins=_BOTH,
    ),
    deed(
        "sockets-of-a-process-of-the-host",
        "import ctypes, socket\n"
        "libc = ctypes.CDLL(None)\n"
        "process = libc.syscall(434, @PID@, 0)\n"  # pidfd_open
        "for number in range(3, 9):\n"
        "    fd = libc.syscall(438, process, number, 0)\n"  # pidfd_getfd
        "    won = won or fd >= 0\n",
    ),
    deed(
        "network-of-a-process-of-the-host",
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "fd = os.open('/proc/@PID@/ns/net', os.O_RDONLY)\n"
        "won = libc.setns(fd, 0x40000000) == 0\n",
    ),
    Attack(
        name="tcp-in-bash",
        commands=("exec 5<>/dev/tcp/127.0.0.1/@PORT@ && cat <&5",),
        wins=frozenset({"contact"}),
    ),
    _opens("raw-socket", "socket.AF_INET", "socket.SOCK_RAW", "1"),
    _opens("packet-socket", "socket.AF_PACKET", "socket.SOCK_RAW"),
    _opens("socket-to-the-hypervisor", "40", "socket.SOCK_STREAM"),
    _opens(
        "socket-of-kernel-ciphers",
        "socket.AF_ALG",
        "socket.SOCK_SEQPACKET",
        unshown="not in every kernel",
    ),
    _opens("netlink-socket-of-the-firewall", "socket.AF_NETLINK", "socket.SOCK_RAW", "12"),
    deed(
        "another-network-device",
        "import fcntl, socket, struct\n"
        "one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "fcntl.ioctl(one, 0x8914, struct.pack('16sH14x', b'lo', 0x1))\n"  # SIOCSIFFLAGS
        "won = True\n",
    ),
)
