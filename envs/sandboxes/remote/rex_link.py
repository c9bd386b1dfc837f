"""The host's side of the guest in a machine that SWE-ReX reaches.

All that is asked of SWE-ReX is to run short programs: one that starts the guest, and couriers. A
courier hands over a request, and waits for the reply for a fraction of a second; for what takes
longer, others come back to look. So no request to SWE-ReX is ever long, whatever the command, and
its server, which does one thing at a time, is free for others in between.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import logging
import secrets
import tempfile
import time
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from swerex.exceptions import CommandTimeoutError, SwerexException
from swerex.runtime.abstract import AbstractRuntime, Command, UploadRequest

from hrmgym.envs.sandboxes.failures import GuestDied
from hrmgym.envs.sandboxes.inside import wire
from hrmgym.errors import SandboxError

_PACKAGE = "hrmgym.envs.sandboxes"
_PYTHON = ("python3", "-I", "-S", "-B", "-c")
_GRACE_S = 30.0  # beyond what a request is allowed
_COURIER_S = 60.0  # that a courier may take, on a machine that is busy
_PIECE = 100_000  # of one variable or argument; Linux allows 128 KiB
_MOST_PIECES = 600_000  # of all together; beyond that a file is uploaded

# Takes the sources from the command line: nothing of them lies where foreign code could look.
_BOOT = """
import sys, json, zlib, binascii
from importlib.machinery import ModuleSpec
sources = json.loads(zlib.decompress(binascii.a2b_base64("".join(sys.argv[3:]))))
class Sources:
    hrmgym = True
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in sources:
            return ModuleSpec(name, Sources, is_package=sources[name] is None)
    @staticmethod
    def create_module(spec):
        return None
    @staticmethod
    def exec_module(module):
        text = sources[module.__name__] or ""
        exec(compile(text, "<" + module.__name__ + ">", "exec", dont_inherit=True), module.__dict__)
sys.meta_path.insert(0, Sources)
del sys.argv[3:]
from hrmgym.envs.sandboxes.remote.rex_guest import main
main(sys.argv[1], int(sys.argv[2]))
"""

# Prints "+" and the reply; "?" when there is none yet; "!" when nobody is there to reply. The
# request comes by environment variables: a command line can be read by everybody.
_COURIER = """
import sys, os, time, zlib, _socket
from binascii import a2b_base64
path, reply, patience = sys.argv[1:]
patience = float(patience)
payload = [os.environ[f"HRMGYM_{i}"] for i in range(int(os.environ["HRMGYM_N"]))]
end = time.monotonic() + patience
def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()
    os._exit(0)
if payload:
    if payload[0] == "@":
        with open(payload[1], "rb") as file:
            data = file.read()
        os.unlink(payload[1])
    else:
        data = zlib.decompress(a2b_base64("".join(payload)))
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        link.connect(path)
        link.sendall(data)
        link.settimeout(patience)
        if not link.recv(1) and not os.path.exists(reply):
            say("!")
    except TimeoutError:
        pass
    except OSError:
        say("!")
while not os.path.exists(reply):
    if not reply or time.monotonic() >= end:
        say("?")
    time.sleep(0.005)
with open(reply) as file:
    text = file.read()
os.unlink(reply)
say("+" + text)
"""


class RexLink:
    """One guest in a machine that SWE-ReX reaches; it starts when it is first asked.

    The machine needs python3 (3.11 or newer) and, for commands, bash.
    """

    def __init__(self, runtime: AbstractRuntime) -> None:
        self._runtime = runtime
        self._top = f"/tmp/hrmgym-{secrets.token_hex(8)}"
        # One user per guest. Not above 65535, which is all that a rootless container has.
        self._user = 20_000 + secrets.randbelow(40_000)
        self._path = ""
        self._started = False
        self._turn = asyncio.Lock()
        self.workspace = f"{self._top}/workspace"

    async def ask(
        self,
        op: str,
        header: dict[str, Any] | None = None,
        blob: bytes = b"",
        *,
        limit_s: float = 60.0,
        at: str = "socket",
    ) -> tuple[dict[str, Any], bytes]:
        """One request, and its reply.

        Args:
            op: What to do, see rex_guest.py.
            header: What to do it with.
            blob: The same, as bytes.
            limit_s: Seconds that it may take there; nobody waits much longer.
            at: Name of the socket.

        Raises:
            GuestDied: The guest was lost, with all that it held; another one starts at the next.
            OSError: What a file operation said.
            SandboxError: The machine does not do what it was asked to.
        """
        async with self._turn:
            if not self._started:
                await self._start()
        name = secrets.token_hex(8)
        message = wire.pack({"op": op, "id": name, **(header or {})}, blob)
        text = await self._wait(at, name, message, limit_s)
        head, _, data = text.partition("\n")
        try:
            reply = json.loads(head)
            content = base64.b64decode(data, validate=True)
            assert isinstance(reply, dict)
        except (ValueError, AssertionError):
            raise SandboxError(f"the sandbox gave an unreadable answer: {head[:200]!r}") from None
        if "broken" in reply:
            raise SandboxError(f"the sandbox could not {op}: {reply['broken']}")
        if "error" in reply:
            raise OSError(int(reply["errno"]), str(reply["error"]))
        return reply, content

    async def _wait(self, at: str, name: str, message: bytes, limit_s: float) -> str:
        own = f"{self._top}/guest"
        deadline = time.monotonic() + limit_s + _GRACE_S
        payload = await self._payload(message, name)
        patience, pause = 0.05, 0.01
        while True:
            text = await self._courier(f"{own}/{at}", f"{own}/{name}", patience, payload)
            if text[:1] == "+":
                return text[1:]
            if text[:1] != "?" or time.monotonic() > deadline:
                self._started = False
                what = (
                    "does not answer" if text[:1] == "?" else "has ended, and what it held is lost"
                )
                raise GuestDied(f"the sandbox {what}")
            payload = []
            await asyncio.sleep(pause)
            patience, pause = min(2 * patience, 0.25), min(1.5 * pause, 1.0)

    async def _payload(self, message: bytes, name: str) -> list[str]:
        packed = zlib.compress(message, 1)
        if 4 * len(packed) < 3 * _MOST_PIECES:
            return _pieces(packed)
        path = f"{self._top}-{name}"  # not in the guest's folder: SWE-ReX may be another user
        with tempfile.NamedTemporaryFile(prefix="hrmgym-") as file:
            file.write(message)
            file.flush()
            await self._runtime.upload(UploadRequest(source_path=file.name, target_path=path))
        return ["@", path]

    async def _courier(self, at: str, reply: str, patience: float, payload: Sequence[str]) -> str:
        pieces = {f"HRMGYM_{i}": piece for i, piece in enumerate(payload)}
        env = {"PATH": self._path, "HRMGYM_N": str(len(payload)), **pieces}
        return await self._run([*_PYTHON, _COURIER, at, reply, str(patience)], env)

    async def _run(self, argv: list[str], env: dict[str, str] | None = None) -> str:
        try:
            done = await self._runtime.execute(Command(command=argv, timeout=_COURIER_S, env=env))
        except CommandTimeoutError:
            raise GuestDied("the sandbox does not answer") from None
        except FileNotFoundError:
            raise SandboxError("the sandbox's machine or image has no python3") from None
        except (SwerexException, OSError) as error:
            raise SandboxError(f"the sandbox's machine cannot run a program: {error}") from None
        if done.exit_code != 0:
            said = done.stderr.strip().splitlines() or [f"exit code {done.exit_code}"]
            raise SandboxError(f"python3 in the sandbox failed: {said[-1]}")
        return str(done.stdout)

    async def _start(self) -> None:
        argv = [*_PYTHON, _BOOT, self._top, str(self._user), *_pieces(_sources())]
        told = json.loads(await self._run(argv))
        self._path = str(told["path"])
        if told["user"] is None:
            logging.getLogger("hrmgym.sandboxes").info(
                "foreign code runs as the user of SWE-ReX's server"
            )
        self._started = True

    async def stop(self) -> None:
        """End the guest, everything in it, and its files."""
        if self._started:
            self._started = False
            message = zlib.compress(wire.pack({"op": "stop"}), 1)
            await self._courier(f"{self._top}/guest/socket", "", 30.0, _pieces(message))


def _pieces(data: bytes) -> list[str]:
    text = base64.b64encode(data).decode()
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


@cache
def _sources() -> bytes:
    """Every module of `sandboxes` that the guest imports, directly or not, packed."""
    top = Path(__file__).parents[1]
    found: dict[str, str | None] = {}  # None: a package
    wanted = [f"{_PACKAGE}.remote.rex_guest"]
    while wanted:
        name = wanted.pop()
        file = top.joinpath(*name.removeprefix(_PACKAGE).split("."))
        if name in found or not file.with_suffix(".py").is_file():
            continue
        found[name] = text = file.with_suffix(".py").read_text("utf-8")
        parts = name.split(".")[:-1]
        found |= {".".join(parts[: end + 1]): None for end in range(len(parts))}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PACKAGE):
                # Each is a module, or something in one.
                wanted += [str(node.module), *(f"{node.module}.{one.name}" for one in node.names)]
    return zlib.compress(json.dumps(found).encode(), 9)
