"""Which process a record was written by, and whether it still lives."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Names this process; what it names is no other process's, though numbers are used again."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": _started(os.getpid())}


def works_here(process: Mapping[str, Any] | None) -> bool:
    """Whether a process that `this_process` named lives. On another host, nobody can say: True."""
    if not process:
        return False
    if process.get("host") != socket.gethostname():
        return True
    pid = process.get("pid")
    if not isinstance(pid, int):
        return False
    return _started(pid) not in (None, "") and _started(pid) == process.get("started")


def _started(pid: int) -> str | None:
    """When a process began, in the kernel's ticks since boot, with the boot's id; None: it does not
    live."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name, in parentheses, may hold anything; the third field is the state, Z a zombie.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else f"{boot}-{fields[19].decode()}"
