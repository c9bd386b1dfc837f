"""The host's side of one guest: starts it, talks to it, and ends it."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from hrmgym.envs.outcome import FailureCode
from hrmgym.envs.sandboxes import failures
from hrmgym.envs.sandboxes.confinement import cgroups
from hrmgym.envs.sandboxes.failures import GuestBroken, GuestDied
from hrmgym.envs.sandboxes.inside import wire
from hrmgym.envs.sandboxes.local import nursery
from hrmgym.errors import SandboxError

Mode = Literal["calls", "tests", "judge", "shell"]
_START_S = 60.0
_PATIENCE_S = 5.0


class Guest:
    """One guest process. Requests are answered one at a time, in order.

    All methods belong to one event loop.
    """

    def __init__(
        self, incubator: nursery.Incubator, sock: socket.socket, life: socket.socket
    ) -> None:
        self._incubator, self._sock, self._life = incubator, sock, life
        self._turn = asyncio.Lock()
        self._numbers = itertools.count()
        self._released = False
        self._group: cgroups.Group | None = None
        self._kept: set[cgroups.Group] = set()
        self._programs: dict[int, Mapping[str, Any]] = {}
        self._kills = 0
        self.loss_told = False
        """Whether some caller has been told that the guest has ended."""
        self.pid = 0
        self.workspace = ""
        self.libraries = ""
        self.shell = ""
        """The bash for sessions."""

    @classmethod
    async def start(
        cls, mode: Mode, *, isolate: bool, file_mb: int = 64, packages: str = ""
    ) -> Guest:
        """Start a guest and wait until it is ready.

        Args:
            mode: What it serves.
            isolate: Whether in namespaces of its own.
            file_mb: Size of its scratch space.
            packages: Folder of packages that programs find.

        Raises:
            SandboxUnavailableError: The kernel, or its policy, refuses the isolation.
            SandboxError: It does not start.
        """
        options = {"mode": mode, "file_mb": file_mb}
        for attempt in range(2):
            incubator = nursery.lease(
                isolate=isolate, judge=mode in ("judge", "tests"), packages=packages
            )
            try:
                return await cls._start(incubator, options)
            except SandboxError:
                # An incubator that was killed has been, or will be, replaced.
                if attempt or incubator.alive:
                    raise
        raise AssertionError

    @classmethod
    async def _start(cls, incubator: nursery.Incubator, options: dict[str, Any]) -> Guest:
        """As `start`; takes over the lease of the incubator."""
        ours, theirs = socket.socketpair()
        life, its_life = socket.socketpair()
        ours.setblocking(False)
        life.setblocking(False)
        guest = cls(incubator, ours, life)
        try:
            with theirs, its_life:
                await asyncio.shield(asyncio.wrap_future(incubator.ready))
                guest._group = cgroups.take()
                with cgroups.doors(guest._group) as groups:
                    incubator.start_guest(options, [theirs.fileno(), its_life.fileno(), *groups])
            header, _ = await asyncio.wait_for(guest._receive(), timeout=_START_S)
            if "error" in header:
                raise nursery.refused(header)
        except TimeoutError:
            await guest.close()
            raise GuestDied(
                "the sandbox did not start in time", FailureCode.SANDBOX_START
            ) from None
        except OSError as error:
            await guest.close()
            code = failures.code_of(error)
            raise GuestDied(f"the sandbox did not start: {error}", code) from None
        except BaseException:
            await guest.close()
            raise
        guest.pid = header["pid"]
        guest.workspace = header["workspace"]
        guest.libraries = header["libraries"]
        guest.shell = header["shell"]
        return guest

    @property
    def alive(self) -> bool:
        """Whether the process runs and the connection stands."""
        if self._sock.fileno() < 0:
            return False
        try:
            self._life.recv(64, socket.MSG_PEEK)  # how it has ended, or the end of its incubator
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    async def request(
        self, header: dict[str, Any], blob: bytes = b"", fds: Sequence[int] = ()
    ) -> tuple[dict[str, Any], bytes]:
        """Send one request, with file descriptors that the guest gets copies of.

        Raises:
            GuestDied: There is no guest to answer, or what it answers is no answer.
            OSError: What a file operation said.
        """
        async with self._turn:
            number = next(self._numbers)
            try:
                await self._send(wire.pack({**header, "n": number}, blob), fds)
                reply, data = await self._receive()
            except OSError as error:
                self._give_up()
                raise GuestDied(f"the sandbox has ended: {error}") from None
            except ValueError as error:
                self._give_up()
                raise GuestBroken(f"the sandbox has answered nonsense: {error}") from None
            except asyncio.CancelledError:  # the answer would be taken for the next request's
                self._sock.close()
                raise
            if reply.pop("n", None) != number:
                self._give_up()
                code = failures.code_of_number(
                    int(reply.get("errno", 0)), FailureCode.LOST_CONNECTION
                )
                why = reply.get("over", "no reason")
                raise GuestBroken(f"the sandbox has given up: {why}", code)
        if "error" in reply:
            raise OSError(reply["errno"], reply["error"], header.get("path"))
        return reply, data

    # --- what it may use -------------------------------------------------------------------------

    def fit(self, limits: Mapping[str, Any]) -> None:
        """Give the next run its limits; nothing else runs here.

        Raises:
            GuestDied: What ran before still holds more than that.
        """
        if self._group is not None:
            fit(self._group, limits)
            self._kills = self._group.memory_kills()

    def begin(self, number: int, limits: Mapping[str, Any]) -> None:
        """Give a program its limits, or as much as any that still runs here has.

        Raises:
            GuestDied: What ran before still holds more than that.
        """
        self._programs[number] = limits
        running = self._programs.values()
        self.fit({name: max(one[name] for one in running) for name in limits})

    def finished(self, number: int) -> None:
        """The program that began under this number has ended."""
        self._programs.pop(number, None)

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed something here for want of memory since the last `fit`."""
        return self._group is not None and self._group.memory_kills() != self._kills

    def keep(self) -> cgroups.Group | None:
        """A group for a process that this guest keeps; it goes with the guest at the latest.

        Raises:
            OSError: There is none just now.
        """
        group = cgroups.take()
        if group is not None:
            self._kept.add(group)
        return group

    def let_go(self, group: cgroups.Group | None) -> None:
        """The process in a group that was kept has ended."""
        if group is not None:
            self._kept.discard(group)
            group.close()

    def _give_up(self) -> None:
        self.loss_told = True
        self._sock.close()

    async def _send(self, data: bytes, fds: Sequence[int]) -> None:
        loop = asyncio.get_running_loop()
        if fds:
            done = socket.send_fds(self._sock, [data], list(fds))  # the buffer is empty: no wait
            data = data[done:]
        if data:
            await loop.sock_sendall(self._sock, data)

    async def _receive(self) -> tuple[dict[str, Any], bytes]:
        text, blob = wire.lengths(await self._exactly(wire.HEAD.size))
        body = await self._exactly(text + blob)
        header = json.loads(body[:text])
        if not isinstance(header, dict):
            raise ValueError("no message")
        return header, body[text:]

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
        if not self._released:
            self._released = True
            try:
                await self._wait_for_end()
            finally:
                self._life.close()
                for group in (self._group, *self._kept):
                    if group is not None:
                        group.close()
                nursery.release(self._incubator)

    async def _wait_for_end(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            try:
                told = await asyncio.wait_for(loop.sock_recv(self._life, 64), _PATIENCE_S)
            except TimeoutError:
                await loop.sock_sendall(self._life, b"k")
                told = await asyncio.wait_for(loop.sock_recv(self._life, 64), _PATIENCE_S)
        except (OSError, TimeoutError):
            told = b""
        if not told and self.pid:  # nobody was left to see it die
            nursery.wait_for_end(self.pid)


def fit(group: cgroups.Group, limits: Mapping[str, Any]) -> None:
    """Set a group's limits.

    Raises:
        GuestDied: It still holds more than that.
    """
    try:
        group.fit(limits)
    except OSError as error:
        full = error.errno == errno.EBUSY
        code = FailureCode.HOST_MEMORY if full else failures.code_of(error)
        raise GuestDied(f"the limits of a sandbox cannot be set: {error}", code) from None
