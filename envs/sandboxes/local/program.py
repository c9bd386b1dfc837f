"""A program that runs in a guest, seen from the host."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from hrmgym.envs.sandboxes.failures import GuestDied
from hrmgym.envs.sandboxes.inside import keeper, values
from hrmgym.envs.sandboxes.local.link import Guest
from hrmgym.envs.task import Limits

_PATIENCE_S = 10.0
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Exit:
    """How a program ended."""

    status: int | None
    """Exit code; minus the signal that killed it; None where the host ended it."""
    cpu_s: float


class Program:
    """A running program and all that it has started. Use `start`."""

    def __init__(self, link: socket.socket, guest: Guest, number: int) -> None:
        self._link, self._guest, self._number = link, guest, number
        self._answers: asyncio.Queue[None] = asyncio.Queue()
        self._report: asyncio.Task[Exit] = asyncio.ensure_future(self._wait())

    @classmethod
    async def start(
        cls,
        guest: Guest,
        argv: Sequence[str],
        *,
        fds: Mapping[int, int],
        limits: Limits,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Program:
        """Start a program; `fds` maps its descriptors to ours, which are closed here."""
        number = next(_numbers)
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            for fd in set(fds.values()):
                os.close(fd)
            raise
        try:
            guest.begin(number, asdict(limits))
            await guest.request(
                {
                    "op": "spawn",
                    "argv": list(argv),
                    "cwd": cwd,
                    "env": dict(env) if env else None,
                    "limits": asdict(limits),
                    "targets": list(fds),
                },
                fds=[theirs.fileno(), *fds.values()],
            )
        except BaseException:
            guest.finished(number)
            ours.close()
            raise
        finally:
            theirs.close()
            for fd in set(fds.values()):
                os.close(fd)
        ours.setblocking(False)
        return cls(ours, guest, number)

    async def _wait(self) -> Exit:
        loop = asyncio.get_running_loop()
        data = b""
        try:
            while part := await loop.sock_recv(self._link, 4096):
                for _ in range(part.count(b"\n")):
                    self._answers.put_nowait(None)
                data += part
        except ConnectionError:
            pass
        finally:
            self._guest.finished(self._number)
        try:
            report = values.parse(data)
            return Exit(report["status"], float(report["cpu_s"]))
        except (values.Unfit, KeyError, TypeError):
            return Exit(None, 0.0)

    async def wait(self, timeout: float | None = None) -> Exit:
        """Wait for the end of the program and of all that it has started.

        Raises:
            TimeoutError: It still runs.
        """
        return await asyncio.wait_for(asyncio.shield(self._report), timeout)

    @property
    def running(self) -> bool:
        """Whether no report of the end has come."""
        return not self._report.done()

    def at_end(self, act: Callable[[], None]) -> None:
        """Call `act` when the program no longer runs."""
        self._report.add_done_callback(lambda _: act())

    async def interrupt(self) -> None:
        """SIGINT to the program and all that it has started."""
        await self._order(keeper.INTERRUPT)

    async def kill_others(self) -> None:
        """SIGKILL to all that the program has started, and not to itself."""
        await self._order(keeper.KILL_OTHERS)

    async def _order(self, order: bytes) -> None:
        """Give an order, and wait until it is carried out or the program has ended."""
        try:
            self._link.send(order)
        except OSError:
            return  # it has ended
        done = asyncio.ensure_future(self._answers.get())
        await asyncio.wait((done, self._report), return_when=asyncio.FIRST_COMPLETED)
        done.cancel()

    async def kill(self) -> Exit:
        """End all of it; returns when it is dead."""
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_WR)
        try:
            return await asyncio.wait_for(asyncio.shield(self._report), _PATIENCE_S)
        except TimeoutError:
            raise GuestDied("a program in the sandbox does not die") from None
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of it."""
        self._report.cancel()
        await asyncio.gather(self._report, return_exceptions=True)
        self._link.close()
