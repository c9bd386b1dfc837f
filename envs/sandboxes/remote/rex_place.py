"""Where foreign code runs in a machine that SWE-ReX reaches, and as whom. Standard library only."""

# The guest starts faster without pathlib.
# ruff: noqa: PTH101, PTH102, PTH104, PTH110, PTH123
from __future__ import annotations

import _signal
import base64
import json
import os
import re
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.inside import files

Reply = tuple[dict[str, Any], bytes]
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|KEY|^HRMGYM_", re.IGNORECASE)
#: Where foreign code may leave files outside its own folders.
_COMMON = ("/tmp", "/var/tmp", "/dev/shm")


class Place:
    """The folders of one guest, and who foreign code is.

    top/            open to everybody
        guest/      socket and replies; the guest's alone
        workspace/  foreign code's
        temporary/  foreign code's

    Args:
        top: A folder that does not exist.
        user: User and group for foreign code, if this process may choose.
    """

    def __init__(self, top: str, user: int) -> None:
        self.top, self.own = top, f"{top}/guest"
        self.workspace, self.temporary = f"{top}/workspace", f"{top}/temporary"
        self.user = user if _can_become(user) else None
        if os.path.exists(top):  # a guest before this one has died
            self.kill_user()
            files.remove(top)
        os.mkdir(top)
        os.chmod(top, 0o755)  # pytest looks at the folders above
        os.mkdir(self.own, 0o700)
        for path in (self.workspace, self.temporary):
            os.mkdir(path, 0o700)
            if self.user is not None:
                os.chown(path, self.user, self.user)

    def become_foreign(self, limits: dict[str, Any]) -> None:
        """Take every power from this process, which is about to run foreign code."""
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # the first to go when memory runs out
        self.drop_user()
        count = None if self.user is None else 0
        isolation.apply_limits(isolation.bounds(limits, count_processes=count))

    def drop_user(self) -> None:
        """Become the user that foreign code is, if it is another one."""
        if self.user is not None:
            os.setgroups([])
            os.setresgid(self.user, self.user, self.user)
            os.setresuid(self.user, self.user, self.user)

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        """This machine's variables without its secrets, ours, and `more`."""
        kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
        ours = {
            "HOME": self.temporary,
            "TMPDIR": self.temporary,
            "LANG": kept.get("LANG", "C.UTF-8"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
        }
        return kept | ours | more

    def kill_user(self) -> None:
        """Kill every process of foreign code's user, wherever it hides."""
        if self.user is not None:
            child = os.fork()
            if child == 0:
                with suppress(OSError):
                    self.drop_user()
                    os.kill(-1, _signal.SIGKILL)  # this one too
                os._exit(0)
            os.waitpid(child, 0)

    def sweep(self) -> None:
        """Remove what foreign code has left outside the workspace: processes, then files."""
        self.kill_user()
        files.wipe(self.temporary)
        if self.user is None:
            return  # what is ours there may be anybody's
        for folder in _COMMON:
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.stat(follow_symlinks=False).st_uid == self.user:
                        files.remove(entry.path)


def _can_become(user: int) -> bool:
    """Whether this process may become `user`, and `user` could still run this Python."""
    if os.geteuid() != 0:
        return False
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            code = 0 if os.access(os.path.realpath(sys.executable), os.X_OK) else 1
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def answer(place: Place, conn: socket.socket, name: str, act: Callable[[], Reply]) -> None:
    """Leave the reply of `act` where the couriers look for it, and wake the one that waits."""
    try:
        header, blob = act()
    except OSError as error:
        header, blob = {"error": error.strerror or str(error), "errno": error.errno or 5}, b""
    except Exception as error:
        header, blob = {"broken": f"{type(error).__name__}: {error}"}, b""
    path = f"{place.own}/{name}"
    with open(f"{path}.new", "wb") as file:
        file.write(json.dumps(header).encode() + b"\n" + base64.b64encode(blob))
    os.rename(f"{path}.new", path)
    with suppress(OSError):  # that courier has gone; another one will come
        conn.send(b"+")


def pour(out: int, text: bytearray, most: int) -> bool:
    """Move what is in a pipe to `text`, and drop the excess; whether the pipe is still open."""
    for _ in range(64):  # then the caller looks at the clock
        try:
            data = os.read(out, 1 << 16)
        except BlockingIOError:
            return True
        if not data:
            return False
        text += data[: max(0, most - len(text))]
    return True
