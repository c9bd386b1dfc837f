"""A client of `swerex-remote` that always ends, and trusts nothing that comes back.

SWE-ReX's own client (1.4) gives every request a new connection and 300 seconds, waits without end
on a connection that has gone silent, prints to standard output, and lets the server choose any
Python callable as the "exception" to raise: a container that foreign code has taken over could run
code in this process.
"""

from __future__ import annotations

import asyncio
import builtins
import io
import json
import logging
import shlex
import socket
import tarfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError
from swerex import exceptions
from swerex.deployment.remote import RemoteDeployment as SwerexRemoteDeployment
from swerex.exceptions import CommandTimeoutError, SwerexException
from swerex.runtime.abstract import (
    Action,
    BashInterruptAction,
    BashObservation,
    CloseBashSessionResponse,
    CloseResponse,
    CloseSessionRequest,
    CloseSessionResponse,
    Command,
    CommandResponse,
    CreateBashSessionResponse,
    CreateSessionRequest,
    CreateSessionResponse,
    IsAliveResponse,
    Observation,
    ReadFileRequest,
    ReadFileResponse,
    UploadRequest,
    UploadResponse,
    WriteFileRequest,
    WriteFileResponse,
)
from swerex.runtime.remote import RemoteRuntime

from hrmgym.errors import SandboxError

#: Seconds that a request may take beyond what its command is allowed.
GRACE_S = 30.0
_CONNECT_S = 10.0
_IDLE_S = 3.0  # the server drops a connection that is idle for five
_MOST_BYTES = 256 << 20  # of one answer
_PROBE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}

M = TypeVar("M", bound=BaseModel)


class RexRuntime(RemoteRuntime):
    """SWE-ReX's runtime interface over HTTP.

    Connections are kept and used again. Every request has a deadline: its command's timeout and
    `grace_s`, or `grace_s` alone. A command without a timeout has none, but ends with an error when
    its machine has gone. All methods belong to one event loop; `close` must be called in it.

    Args:
        host: Address with http:// or https://. Over http:// the token and everything else can be
            read on the way.
        port: Port, where `host` does not say it.
        auth_token: The server's token. Who holds it can run any command there.
        timeout: Seconds that `is_alive` waits.
        grace_s: See above.
    """

    def __init__(
        self,
        *,
        host: str,
        auth_token: str,
        port: int | None = None,
        timeout: float = 10.0,
        grace_s: float = GRACE_S,
        logger: logging.Logger | None = None,
    ) -> None:
        super().__init__(
            logger=logger or logging.getLogger("hrmgym.sandboxes"),
            host=host,
            auth_token=auth_token,
            port=port,
            timeout=timeout,
        )
        self._grace_s = grace_s
        self._http: _Connections | None = None

    @property
    def address(self) -> str:
        """Where the server is."""
        return str(self._api_url)

    # --- requests ---

    async def _ask(
        self, endpoint: str, answer: type[M], *, limit_s: float | None, **content: Any
    ) -> M:
        """One request; the answer is checked against `answer`."""
        timeout = aiohttp.ClientTimeout(total=limit_s, sock_connect=_CONNECT_S)
        method = "POST" if content else "GET"
        headers = {"X-Request-ID": str(uuid.uuid4())}
        if self._http is None:
            self._http = _Connections(self._headers)
        try:
            async with (
                self._http as client,
                client.request(
                    method,
                    f"{self._api_url}/{endpoint}",
                    timeout=timeout,
                    headers=headers,
                    allow_redirects=False,
                    **content,
                ) as response,
            ):
                body = await _read(response)
                if response.status != 200:
                    await self.close()  # after an error the server drops the connection
        except TimeoutError:
            await self.close()
            raise SandboxError(
                f"{self.address} did not answer /{endpoint} within {limit_s or _CONNECT_S:g} s"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise SandboxError(f"{self.address} cannot be reached: {_said(error)}") from None
        if response.status == 200:
            try:
                return answer.model_validate_json(body)
            except ValidationError as error:
                said = str(error).splitlines()[0]
                raise SandboxError(f"{self.address} gave no answer of its form: {said}") from None
        return self._refused(endpoint, response.status, body)

    def _refused(self, endpoint: str, status: int, body: bytes) -> NoReturn:
        try:
            data = json.loads(body)
        except ValueError:
            data = None
        data = data if isinstance(data, dict) else {}
        if status == 511 and isinstance(told := data.get("swerexception"), dict):
            raise _exception(told) from None
        if status == 401 or status == 403:
            raise SandboxError(
                f"{self.address} refuses the token (HTTP {status}): check auth_token"
            )
        detail = data.get("detail", body[:200].decode(errors="replace"))
        raise SandboxError(f"{self.address} answered /{endpoint} with HTTP {status}: {detail}")

    async def _post(
        self, endpoint: str, request: BaseModel | None, answer: type[M], limit_s: float | None
    ) -> M:
        payload = request.model_dump() if request else {}
        return await self._ask(endpoint, answer, limit_s=limit_s, json=payload)

    def _limit(self, timeout: float | None) -> float | None:
        return None if timeout is None else timeout + self._grace_s

    # --- SWE-ReX's interface ---

    async def is_alive(self, *, timeout: float | None = None) -> IsAliveResponse:
        """Whether the server answers. While it runs a command it answers nobody."""
        try:
            limit_s = self._get_timeout(timeout)
            return await self._ask("is_alive", IsAliveResponse, limit_s=limit_s)
        except (SandboxError, SwerexException) as error:
            return IsAliveResponse(is_alive=False, message=str(error))

    async def require_alive(self, timeout: float | None = None) -> None:
        """`is_alive`, as an error that says what is wrong.

        Raises:
            SandboxError: Nobody answers there, or not as a `swerex-remote` does.
        """
        answer = await self._ask("is_alive", IsAliveResponse, limit_s=self._get_timeout(timeout))
        if not answer:
            raise SandboxError(f"{self.address} says that it is not alive: {answer.message}")

    async def create_session(self, request: CreateSessionRequest) -> CreateSessionResponse:
        """Start a bash behind a terminal. Its prompt can be forged by what runs in it."""
        limit_s = self._limit(request.startup_timeout)
        return await self._post("create_session", request, CreateBashSessionResponse, limit_s)

    async def run_in_session(self, action: Action) -> Observation:
        """Run a command in a session, or interrupt the one that runs."""
        if isinstance(action, BashInterruptAction):
            limit_s = self._limit(action.timeout * (action.n_retry + 1))
        else:
            limit_s = self._limit(action.timeout)
        return await self._post("run_in_session", action, BashObservation, limit_s)

    async def close_session(self, request: CloseSessionRequest) -> CloseSessionResponse:
        """End a session; what it has put in the background lives on."""
        return await self._post("close_session", request, CloseBashSessionResponse, self._grace_s)

    async def execute(self, command: Command) -> CommandResponse:
        """Run a program.

        Raises:
            CommandTimeoutError: It was killed; what it has started lives on.
        """
        return await self._post("execute", command, CommandResponse, self._limit(command.timeout))

    async def read_file(self, request: ReadFileRequest) -> ReadFileResponse:
        """The text of a file."""
        return await self._post("read_file", request, ReadFileResponse, self._grace_s)

    async def write_file(self, request: WriteFileRequest) -> WriteFileResponse:
        """Write a text, making folders."""
        return await self._post("write_file", request, WriteFileResponse, self._grace_s)

    async def upload(self, request: UploadRequest) -> UploadResponse:
        """Copy a file or a folder there; a folder with its modes and links, onto what is there."""
        source = Path(request.source_path)
        if source.is_dir():
            archive = f"/tmp/hrmgym-{uuid.uuid4().hex}.tar"
            await self.send(_tar(source), archive)
            target = shlex.quote(request.target_path)
            script = (
                f"mkdir -p {target} && tar --no-same-owner -C {target} -xf {archive};"
                f" code=$?; rm -f {archive}; exit $code"
            )
            done = await self.execute(Command(command=["/bin/sh", "-c", script], timeout=600.0))
            if done.exit_code != 0:
                raise SandboxError(f"upload to {request.target_path} failed: {done.stderr.strip()}")
        elif source.is_file():
            await self.send(source.read_bytes(), request.target_path)
        else:
            raise FileNotFoundError(2, "No such file or folder", request.source_path)
        return UploadResponse()

    async def send(self, data: bytes, path: str) -> None:
        """Write a file of any content, making folders."""
        form = aiohttp.FormData()
        form.add_field("file", data, filename="file", content_type="application/octet-stream")
        form.add_field("target_path", path)
        form.add_field("unzip", "false")
        limit_s = self._grace_s + len(data) / 1e6  # at least a megabyte a second
        await self._ask("upload", UploadResponse, limit_s=limit_s, data=form)

    async def close(self) -> CloseResponse:
        """Close the connections as soon as nothing is under way over them; the next request opens
        new ones. The server's sessions stay: they may be another client's."""
        held, self._http = self._http, None
        if held is not None:
            await held.retire()
        return CloseResponse()


class _Connections:
    """Connections that requests share, until they are retired."""

    def __init__(self, headers: dict[str, str]) -> None:
        connector = aiohttp.TCPConnector(
            keepalive_timeout=_IDLE_S, limit=0, socket_factory=_probed_socket
        )
        self._session = aiohttp.ClientSession(connector=connector, headers=headers)
        self._users = 0
        self._retired = False

    async def __aenter__(self) -> aiohttp.ClientSession:
        self._users += 1
        return self._session

    async def __aexit__(self, *_: object) -> None:
        self._users -= 1
        if self._retired and not self._users:
            await self._session.close()

    async def retire(self) -> None:
        """Close them when the last request is done."""
        self._retired = True
        if not self._users:
            await self._session.close()


def _probed_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket on which the kernel notices that the other machine has gone."""
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBE.items():
        if hasattr(socket, name):  # not everywhere
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(1 << 20):
        body += chunk
        if len(body) > _MOST_BYTES:
            raise SandboxError(f"an answer of more than {_MOST_BYTES >> 20} MiB")
    return bytes(body)


def _exception(told: dict[str, Any]) -> Exception:
    """The exception that the server reports, if it is one of a known class."""
    message, extra = str(told.get("message", "")), told.get("extra_info")
    module, _, name = str(told.get("class_path", "")).rpartition(".")
    known = {"swerex.exceptions": exceptions, "builtins": builtins}.get(module)
    kind = getattr(known, name, None)
    made: Exception
    if kind is TimeoutError or (module, name) == ("subprocess", "TimeoutExpired"):
        made = CommandTimeoutError(message)
    elif isinstance(kind, type) and issubclass(kind, (SwerexException, OSError, ValueError)):
        made = ValueError(message) if issubclass(kind, UnicodeError) else kind(message)
    else:
        made = SwerexException(f"{name}: {message}" if name else message)
    if isinstance(extra, dict):
        made.__dict__["extra_info"] = extra
    return made


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _tar(folder: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in sorted(path.name for path in folder.iterdir()):
            archive.add(folder / name, arcname=name)
    return data.getvalue()


def adopt(runtime: RemoteRuntime, logger: logging.Logger) -> RexRuntime:
    """A client of our own in place of SWE-ReX's."""
    held = runtime._config
    return RexRuntime(
        host=held.host,
        port=held.port,
        auth_token=held.auth_token,
        timeout=held.timeout,
        logger=logger,
    )


async def await_life(
    is_alive: Callable[..., Awaitable[IsAliveResponse]], timeout: float, look_s: float = 0.25
) -> None:
    """Wait until `is_alive` says so, without blocking the event loop.

    Raises:
        SandboxError: It did not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    said = "it was not asked"
    while (left := deadline - time.monotonic()) > 0:
        answer = await is_alive(timeout=min(left, 10.0))
        if answer:
            return
        said = answer.message
        await asyncio.sleep(look_s)
    raise SandboxError(f"the sandbox did not answer within {timeout:g} s: {said}")


class RemoteDeployment(SwerexRemoteDeployment):
    """A `swerex-remote` that somebody else has started, and goes on running."""

    _runtime: RexRuntime | None

    async def start(self) -> None:
        """Connect.

        Raises:
            SandboxError: Nobody answers there, or refuses the token.
        """
        made = RexRuntime(
            host=self._config.host,
            port=self._config.port,
            auth_token=self._config.auth_token,
            timeout=self._config.timeout,
            logger=self.logger,
        )
        try:
            await made.require_alive()
        except BaseException:
            await made.close()
            raise
        self._runtime = made

    async def is_alive(self, *, timeout: float | None = None) -> IsAliveResponse:
        """Whether the server answers."""
        if self._runtime is None:
            return IsAliveResponse(is_alive=False, message="not started")
        return await self._runtime.is_alive(timeout=timeout)

    async def stop(self) -> None:
        """Disconnect."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            await runtime.close()

    def __del__(self) -> None:
        """Nothing: connections close with the process, and SWE-ReX's way needs an event loop."""
