"""The host's side of one guest: starts it, talks to it, and ends it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from hrmgym.envs.sandboxes import wire
from hrmgym.errors import SandboxError, SandboxUnavailableError

#: What pytest needs at run time; nothing else of site-packages is shown inside.
LIBRARIES = ("_pytest", "py", "pytest", "pluggy", "iniconfig", "packaging", "pygments")

# A guest imports a few files of this folder before it closes itself in, and none of the packages
# around them.
_BOOT = """
import sys, types
for name in ("hrmgym", "hrmgym.envs", "hrmgym.envs.sandboxes"):
    sys.modules[name] = package = types.ModuleType(name)
    package.__path__ = []
package.__path__.append(sys.argv.pop())
"""
_MAIN = "from hrmgym.envs.sandboxes.guest import main\nmain()"


class GuestDied(SandboxError):
    """The guest's process has ended; another one has to be started."""


class Guest:
    """One guest process. Requests are answered one at a time, in order.

    All methods belong to one event loop.
    """

    def __init__(self, process: subprocess.Popen[bytes], sock: socket.socket) -> None:
        self._process, self._sock = process, sock
        self._turn = asyncio.Lock()
        self.loss_told = False
        """Whether some caller has been told that the guest has ended."""
        self.workspace = ""
        self.libraries = ""

    @classmethod
    async def start(
        cls, mode: Literal["calls", "shell"], *, isolate: bool, file_mb: int = 64
    ) -> Guest:
        """Start a guest and wait until it is ready.

        Raises:
            SandboxUnavailableError: The kernel, or its policy, refuses the isolation.
        """
        ours, theirs = socket.socketpair()
        options = {
            "mode": mode,
            "isolate": isolate,
            "file_mb": file_mb,
            "host": os.getpid(),
            "libraries": _library_paths(),
            "hidden": _hidden_paths(),
        }
        with theirs:
            process = subprocess.Popen(
                bare_python(_MAIN, str(theirs.fileno()), json.dumps(options)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env={"PYTHONHASHSEED": "0", "LANG": "C.UTF-8", "HOME": "/tmp", "TMPDIR": "/tmp"},
                start_new_session=True,
            )
        ours.setblocking(False)
        guest = cls(process, ours)
        assert process.stderr is not None
        try:
            with process.stderr:
                try:
                    header, _ = await asyncio.wait_for(guest._receive(), timeout=60)
                except (wire.Broken, TimeoutError) as error:
                    process.kill()
                    said = process.stderr.read().decode(errors="replace").strip()
                    raise SandboxError(f"the sandbox did not start: {said or error}") from None
            if "error" in header:
                raise SandboxUnavailableError(
                    f"this machine refuses an isolated sandbox ({header['error']}); `hrmgym doctor`"
                    " shows what is missing; use `type: docker`, or allow_unisolated: true for code"
                    " that you trust"
                )
        except BaseException:
            await guest.close()
            raise
        guest.workspace = header["workspace"]
        guest.libraries = header["libraries"]
        return guest

    @property
    def alive(self) -> bool:
        """Whether the process runs and the connection stands."""
        return self._sock.fileno() >= 0 and self._process.poll() is None

    async def request(
        self, header: dict[str, Any], blob: bytes = b"", fds: Sequence[int] = ()
    ) -> tuple[dict[str, Any], bytes]:
        """Send one request, with file descriptors that the guest gets copies of.

        Raises:
            GuestDied: There is no guest to answer.
            OSError: What a file operation said.
        """
        async with self._turn:
            try:
                await self._send(wire.pack(header, blob), fds)
                reply, data = await self._receive()
            except OSError as error:
                self.loss_told = True
                self._sock.close()
                raise GuestDied(f"the sandbox has ended: {error}") from None
            except asyncio.CancelledError:  # the answer would be taken for the next request's
                self._sock.close()
                raise
        if "error" in reply:
            raise OSError(reply["errno"], reply["error"], header.get("path"))
        return reply, data

    async def _send(self, data: bytes, fds: Sequence[int]) -> None:
        loop = asyncio.get_running_loop()
        if fds:
            done = socket.send_fds(self._sock, [data], list(fds))  # the buffer is empty: no wait
            data = data[done:]
        await loop.sock_sendall(self._sock, data)

    async def _receive(self) -> tuple[dict[str, Any], bytes]:
        text, blob = wire.lengths(await self._exactly(wire.HEAD.size))
        body = await self._exactly(text + blob)
        return json.loads(body[:text]), body[text:]

    async def _exactly(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = b""
        parts = []
        while size > 0:
            data = await loop.sock_recv(self._sock, min(size, 1 << 20))
            if not data:
                raise wire.Broken("the other side has closed the connection")
            parts.append(data)
            size -= len(data)
        return data if len(parts) == 1 else b"".join(parts)

    async def close(self) -> None:
        """End the guest and everything in it; returns when all of it is dead."""
        if self._sock.fileno() >= 0:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._sock.close()
        pause, waited = 0.001, 0.0
        while self._process.poll() is None:
            if waited > 5:
                self._process.kill()  # the kernel passes it on to process 1, and so to all
            await asyncio.sleep(pause)
            waited += pause
            pause = min(2 * pause, 0.05)


def python() -> str:
    """The real interpreter, without its virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def bare_python(code: str, *args: str) -> list[str]:
    """Command that runs `code` without site packages; it can import the modules of this folder."""
    return [python(), "-P", "-s", "-S", "-B", "-c", _BOOT + code, *args, str(Path(__file__).parent)]


def _library_paths() -> dict[str, str]:
    paths = {}
    for name in LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(os.path.realpath(spec.origin))
            path = origin.parent if spec.submodule_search_locations else origin
            paths[path.name] = str(path)
    return paths


def _hidden_paths() -> list[str]:
    """Folders with solutions or hidden tests, should they lie in a part that is shown."""
    checkout = Path(__file__).resolve().parents[2]
    hidden = [str(checkout)] if (checkout / "pyproject.toml").exists() else []
    if sys.prefix != sys.base_prefix:
        hidden.append(os.path.realpath(sys.prefix))
    if data := os.environ.get("HRMGYM_DATA"):
        hidden.append(os.path.realpath(data))
    return hidden
