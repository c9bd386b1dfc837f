"""What an attack must not reach: files, a process, sockets, and the state of the machine.

Standard library only: the same canaries live on the host, next to the sandboxes, and on the small
machine where attacks meet an unprotected runner.
"""

from __future__ import annotations

import os
import resource
import secrets
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: Serves the secret to whoever asks, and notes that somebody has asked.
_SERVER = """
import os, select, socket, sys
secret, folder, abstract = sys.argv[1].encode(), sys.argv[2], sys.argv[3]
tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
named, hidden = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
tcp.bind(("127.0.0.1", 0))
udp.bind(tcp.getsockname())
named.bind(folder + "/socket")
hidden.bind("\\0" + abstract)
for server in (tcp, named, hidden):
    server.listen()
print(tcp.getsockname()[1], flush=True)
while True:
    for ready in select.select([tcp, udp, named, hidden], [], [])[0]:
        try:
            if ready is udp:
                udp.sendto(secret, udp.recvfrom(99)[1])
            else:
                client = ready.accept()[0]
                client.sendall(secret)
                client.close()
        except OSError:
            pass
        with open(folder + ".contacts", "ab") as log:
            log.write(b".")
"""

#: Most looks at all processes.
_LOOKS = 30


class Canaries:
    """They sit in `folder`, which is made, and watch from the moment they are made.

    Attributes:
        mark: What attacks call themselves and what they leave, to be told from all the rest.
        words: What stands for them in the text of an attack: `@FOLDER@`, `@PID@`, `@PORT@`, ...
    """

    def __init__(self, folder: Path) -> None:
        self.mark = f"evil{secrets.token_hex(4)}"
        self.secret = f"canary-secret-{secrets.token_hex(8)}"
        self._folder = folder
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        for name in ("secret", "precious", "log"):
            (folder / name).write_text(f"{self.secret}\n")
            (folder / name).chmod(0o644)
        self._contacts = folder.with_name(folder.name + ".contacts")
        self._contacts.touch()
        abstract = f"canary-{secrets.token_hex(4)}"
        self._server = subprocess.Popen(
            [sys.executable, "-S", "-c", _SERVER, self.secret, str(folder), abstract],
            env={"CANARY": self.secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._server.stdout is not None
        port = self._server.stdout.readline().decode().strip()
        self.words = {
            "@MARK@": self.mark,
            "@FOLDER@": str(folder),
            "@PID@": str(self._server.pid),
            "@PORT@": port,
            "@ABSTRACT@": abstract,
        }
        self._known = self._look()
        self._peak_kb = _peak_kb()

    def harm(self) -> set[str]:
        """Names of what has changed since the last call."""
        before, self._known = self._known, self._look()
        found = {name for name, value in self._known.items() if value != before[name]}
        peak, self._peak_kb = self._peak_kb, _peak_kb()
        if self._peak_kb > peak + (200 << 10):
            found.add("memory")
        return found

    def _look(self) -> dict[str, object]:
        return {
            "process": _condition(self._server.pid),
            "files": sorted(_entries(self._folder)),
            "contact": self._contacts.read_bytes(),
            "hostname": socket.gethostname(),
            "clock": round((time.time() - time.monotonic()) / 5),
            "mounts": _mounts(self.mark),
            "ipc": [_lines(f"/proc/sysvipc/{kind}") for kind in ("shm", "sem", "msg")],
            "queues": [p.name for p in _children(Path("/dev/mqueue"))],
            "keys": [line for line in _lines("/proc/keys") if self.mark in line],
            "left": sorted(marked(self.mark)),
            "litter": [
                str(path)
                for folder in ("/tmp", "/var/tmp", "/dev/shm", "/home", "/")
                for path in _children(Path(folder))
                if self.mark in path.name
            ],
        }

    def close(self) -> None:
        """Free them."""
        self._server.kill()
        self._server.wait()
        if self._server.stdout is not None:
            self._server.stdout.close()


def marked(mark: str) -> set[int]:
    """Processes, on all of what /proc shows, that bear the mark of attacks.

    It looks again while others come and go: one that forks all the time has a new number before its
    old one is read.
    """
    found: set[int] = set()
    for _ in range(_LOOKS):
        pids = _pids()
        for pid in pids:
            with suppress(OSError):
                path = Path("/proc", str(pid))
                status = (path / "stat").read_text().rpartition(")")[2].split()[0]
                named = (path / "comm").read_text() + (path / "cmdline").read_text(errors="replace")
                if mark in named and status not in "ZX" and pid != os.getpid():
                    found.add(pid)
        if found or _pids() == pids:
            break
    return found


def _pids() -> set[int]:
    return {int(path.name) for path in Path("/proc").glob("[0-9]*")}


def _peak_kb() -> int:
    """Most memory that this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _condition(pid: int) -> object:
    """What an attack could change of a process."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        limits = Path(f"/proc/{pid}/limits").read_text()
        priority = os.getpriority(os.PRIO_PROCESS, pid)
        adjusted = Path(f"/proc/{pid}/oom_score_adj").read_text()
        affinity = os.sched_getaffinity(pid)
    except OSError:
        return "gone"
    if state in "ZX":
        return "gone"
    return state in "tT", limits, priority, adjusted, affinity


def _entries(folder: Path) -> Iterator[tuple[str, int, int, bytes]]:
    for path in folder.iterdir():
        held = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(held.st_mode) else b""
        yield path.name, held.st_mode, held.st_nlink, data


def _mounts(mark: str) -> list[str]:
    """Mount points that attacks make. Others come and go with other programs of the machine."""
    points = [line.split()[4] for line in _lines("/proc/self/mountinfo")]
    return [point for point in points if point in ("/", "/proc", "/tmp", "/home") or mark in point]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
