"""The client of `swerex-remote`: what SWE-ReX's own one does wrong, and that ours does not."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import re
import socket
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from swerex.deployment.remote import RemoteDeployment as StockDeployment
from swerex.exceptions import CommandTimeoutError, SessionDoesNotExistError, SwerexException
from swerex.runtime.abstract import (
    BashAction,
    CloseBashSessionRequest,
    Command,
    CreateBashSessionRequest,
    ReadFileRequest,
    UploadRequest,
    WriteFileRequest,
)
from swerex.runtime.remote import RemoteRuntime

from hrmgym.envs.sandboxes.remote import rex
from hrmgym.envs.sandboxes.remote.rex import RemoteDeployment, RexRuntime
from hrmgym.errors import SandboxError
from hrmgym.tests.pinned import fault_of
from hrmgym.tests.rexserver import TOKEN, Relay, free_port, swerex_remote

HOST = "http://127.0.0.1"


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with swerex_remote() as port:
        yield port


@pytest.fixture
def relay(server: int) -> Iterator[Relay]:
    made = Relay(server)
    yield made
    made.close()


def ours(port: int, **options: float) -> RexRuntime:
    return RexRuntime(host=HOST, port=port, auth_token=TOKEN, **options)


def stock(port: int) -> RemoteRuntime:
    return RemoteRuntime(host=HOST, port=port, auth_token=TOKEN)


class Liar:
    """A server that gives every request the same answer: a container that was taken over."""

    def __init__(self, status: int, body: bytes) -> None:
        self._reply = (
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (status, len(body))
        ) + body
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            with conn:
                conn.settimeout(5)
                heard = b""
                while b"\r\n\r\n" not in heard:
                    heard += conn.recv(65536)
                conn.sendall(self._reply)

    def __enter__(self) -> Liar:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def chosen_exception(class_path: str, message: str) -> bytes:
    told = {"message": message, "class_path": class_path, "traceback": "", "extra_info": {}}
    return json.dumps({"swerexception": told}).encode()


# --- the interface ---


def test_commands_and_files(server: int, tmp_path: Path) -> None:
    async def work() -> None:
        made = ours(server)
        assert await made.is_alive()
        done = await made.execute(Command(command=["sh", "-c", "echo out; echo err >&2; exit 3"]))
        assert (done.stdout, done.stderr, done.exit_code) == ("out\n", "err\n", 3)
        await made.write_file(WriteFileRequest(path=str(tmp_path / "a/b"), content="text"))
        read = await made.read_file(ReadFileRequest(path=str(tmp_path / "a/b")))
        assert read.content == "text"
        await made.send(b"\0\xff", str(tmp_path / "c/d"))
        assert (tmp_path / "c/d").read_bytes() == b"\0\xff"
        await made.create_session(CreateBashSessionRequest(startup_timeout=10))
        seen = await made.run_in_session(BashAction(command="echo $((1 + 1))", timeout=10))
        assert "2" in seen.output
        await made.close_session(CloseBashSessionRequest())
        await made.close()

    asyncio.run(work())


def test_errors_of_the_server_are_raised(server: int) -> None:
    async def work() -> None:
        made = ours(server)
        with pytest.raises(CommandTimeoutError):
            await made.execute(Command(command=["sleep", "9"], timeout=0.1))
        with pytest.raises(SessionDoesNotExistError):
            await made.run_in_session(BashAction(command="true", session="none"))
        with pytest.raises(FileNotFoundError):
            await made.read_file(ReadFileRequest(path="/nonesuch"))
        with pytest.raises(ValueError, match="codec"):
            await made.read_file(ReadFileRequest(path="/bin/sh", encoding="utf-8"))
        await made.close()

    asyncio.run(work())


def test_uploads_keep_modes_and_links_and_may_be_repeated(server: int, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("run.sh")

    async def work(made: RemoteRuntime, name: str) -> Path:
        target = tmp_path / name
        for _ in range(2):
            request = UploadRequest(source_path=str(source), target_path=str(target))
            await made.upload(request)
        await made.close()
        return target

    lost = asyncio.run(work(stock(server), "stock"))
    with fault_of("swe-rex", "an upload loses modes and links"):
        assert not os.access(lost / "run.sh", os.X_OK)
        assert not (lost / "link").is_symlink()
    kept = asyncio.run(work(ours(server), "ours"))
    assert os.access(kept / "run.sh", os.X_OK)
    assert (kept / "link").readlink() == Path("run.sh")


# --- SWE-ReX's defects ---


def test_what_swerex_needs_and_does_not_declare_is_declared_here() -> None:
    def names(required: list[str] | None) -> set[str]:
        return {re.split(r"[^\w.-]", text)[0].lower() for text in required or [] if ";" not in text}

    with fault_of("swe-rex", "it does not declare aiohttp"):
        assert "aiohttp" not in names(importlib.metadata.requires("swe-rex"))
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert {"aiohttp", "swe-rex"} <= names(project["dependencies"])


def test_connections_are_used_again(relay: Relay) -> None:
    async def work(made: RemoteRuntime) -> int:
        before = relay.connections
        for _ in range(5):
            await made.execute(Command(command=["true"], timeout=10))
        await made.close()
        return relay.connections - before

    with fault_of("swe-rex", "every request takes a new connection"):
        assert asyncio.run(work(stock(relay.port))) >= 5
    assert asyncio.run(work(ours(relay.port))) == 1


def test_a_silent_connection_ends_in_an_error(relay: Relay) -> None:
    async def work() -> None:
        command = Command(command=["true"], timeout=0.1)
        made, theirs = ours(relay.port, grace_s=0.5), stock(relay.port)
        await made.execute(command)
        relay.silent = True
        waiting = asyncio.create_task(theirs.execute(command))
        with pytest.raises(SandboxError, match=r"did not answer /execute within 0\.6 s"):
            await made.execute(command)
        await asyncio.sleep(0.5)
        with fault_of("swe-rex", "its client waits for five minutes"):
            assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        relay.silent = False
        assert (await made.execute(command)).exit_code == 0  # over a new connection
        await made.close()

    asyncio.run(work())


def test_a_machine_that_has_gone_is_noticed_without_a_timeout() -> None:
    with rex._probed_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ())) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        async def work() -> None:
            made = ours(port)
            asking = asyncio.create_task(made.execute(Command(command=["true"])))
            peer, _ = await asyncio.to_thread(listener.accept)
            peer.close()
            with pytest.raises(SandboxError, match="cannot be reached"):
                await asking
            await made.close()

        asyncio.run(work())


def test_the_server_cannot_choose_what_is_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "made by the server"

    async def work(made: RemoteRuntime) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011
            await made.execute(Command(command=["true"], timeout=5))
        if isinstance(made, RexRuntime):
            await made.close()

    with Liar(511, chosen_exception("os.mkdir", str(target))) as liar:
        asyncio.run(work(ours(liar.port)))
        assert capsys.readouterr().out == ""
        assert not target.exists()
        with fault_of("swe-rex", "the server chooses what the client calls"):
            asyncio.run(work(stock(liar.port)))
            assert capsys.readouterr().out != ""
            assert target.exists()


@pytest.mark.parametrize(
    ("class_path", "kind"),
    [
        ("swerex.exceptions.SessionExistsError", SwerexException),
        ("builtins.PermissionError", PermissionError),
        ("builtins.UnicodeDecodeError", ValueError),
        ("builtins.SystemExit", SwerexException),
        ("builtins.exec", SwerexException),
        ("pexpect.exceptions.EOF", SwerexException),
        ("subprocess.TimeoutExpired", CommandTimeoutError),
        ("", SwerexException),
    ],
)
def test_only_harmless_exceptions_are_raised(class_path: str, kind: type[Exception]) -> None:
    async def work(port: int) -> None:
        made = ours(port)
        with pytest.raises(kind):
            await made.execute(Command(command=["true"], timeout=5))
        await made.close()

    with Liar(511, chosen_exception(class_path, "what it says")) as liar:
        asyncio.run(work(liar.port))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"[1]", "no answer of its form"),
        (200, b"\xff", "no answer of its form"),
        (200, b'{"stdout": 1}', "no answer of its form"),
        (500, b"<html>", "HTTP 500: <html>"),
        (511, b"{}", "HTTP 511"),
        (302, b"{}", "HTTP 302"),
        (401, b'{"detail": "no"}', "refuses the token"),
    ],
)
def test_other_answers_are_errors(status: int, body: bytes, said: str) -> None:
    async def work(port: int) -> None:
        made = ours(port)
        with pytest.raises(SandboxError, match=said):
            await made.execute(Command(command=["true"], timeout=5))
        await made.close()

    with Liar(status, body) as liar:
        asyncio.run(work(liar.port))


# --- the deployment ---


def deployment(server: int, **options: object) -> RemoteDeployment:
    return RemoteDeployment(**{"host": HOST, "port": server, "auth_token": TOKEN, **options})


def test_deployment(server: int) -> None:
    async def work() -> None:
        made = deployment(server, timeout=10)
        assert not await made.is_alive()
        await made.start()
        assert await made.is_alive(timeout=10)
        await made.runtime.create_session(CreateBashSessionRequest(startup_timeout=10))
        await made.stop()
        await made.stop()
        await made.start()  # another client's sessions live on
        await made.runtime.close_session(CloseBashSessionRequest())
        await made.stop()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": free_port()}, "cannot be reached"),
        ({"host": "http://nonesuch.invalid"}, "cannot be reached"),
        ({"auth_token": "wrong"}, "check auth_token"),
    ],
)
def test_what_is_wrong_is_said_at_the_start(
    server: int, options: dict[str, object], said: str
) -> None:
    async def work() -> None:
        made = deployment(server, **{"timeout": 10, **options})
        with pytest.raises(SandboxError, match=said):
            await made.start()

    start = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - start < 30  # a hang would be endless


def test_swerexs_deployment_starts_without_looking() -> None:
    made = StockDeployment(host=HOST, port=free_port(), auth_token="wrong")
    with fault_of("swe-rex", "its deployment starts without a server"):
        try:
            asyncio.run(made.start())
        except Exception as error:
            raise AssertionError from error
