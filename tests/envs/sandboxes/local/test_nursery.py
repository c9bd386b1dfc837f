"""Incubators and the guests that they fork: starts, ends, and answers that are none."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.sandboxes.failures import GuestBroken, GuestDied
from hrmgym.envs.sandboxes.inside import wire
from hrmgym.envs.sandboxes.local import nursery
from hrmgym.envs.sandboxes.local.link import Guest
from hrmgym.errors import SandboxError


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No incubators but a test's own, which end with it: other tests may hold sandboxes."""
    monkeypatch.setattr(nursery, "_incubators", {})
    yield
    assert not nursery._incubators


def gone(pid: int) -> bool:
    """Whether the process ends within a minute."""
    for _ in range(6000):
        if not nursery.is_running(pid):
            return True
        time.sleep(0.01)
    return False


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


@pytest.mark.parametrize("isolate", [True, False])
def test_guests_come_from_one_incubator_and_it_ends_with_the_last(isolate: bool) -> None:
    async def work() -> None:
        first = await Guest.start("calls", isolate=isolate)
        second = await Guest.start("shell", isolate=isolate)
        incubator = first._incubator
        assert incubator is second._incubator
        assert incubator.users == 2
        assert nursery.is_running(first.pid)
        await first.close()
        assert not nursery.is_running(first.pid)
        assert not first.alive
        assert second.alive
        assert await second.request({"op": "ping"}) == ({}, b"")
        await second.close()
        await second.close()
        assert not incubator.alive
        assert not nursery.is_running(incubator.pid)

    run(work)


def test_isolated_and_other_guests_have_different_incubators() -> None:
    async def work() -> None:
        guests = [await Guest.start("calls", isolate=isolate) for isolate in (True, False)]
        assert guests[0]._incubator is not guests[1]._incubator
        for guest in guests:
            await guest.close()

    run(work)


def test_a_killed_guest_is_seen_and_the_next_one_starts() -> None:
    async def work() -> None:
        keep = await Guest.start("calls", isolate=True)
        guest = await Guest.start("calls", isolate=True)
        os.kill(guest.pid, signal.SIGKILL)
        assert gone(guest.pid)
        with pytest.raises(GuestDied, match="sandbox has ended"):
            await guest.request({"op": "ping"})
        assert not guest.alive
        await guest.close()
        assert keep.alive
        await keep.close()

    run(work)


@pytest.mark.parametrize("isolate", [True, False])
def test_guests_end_with_their_incubator_and_it_is_replaced(isolate: bool) -> None:
    async def work() -> None:
        guests = [await Guest.start("shell", isolate=isolate) for _ in range(3)]
        incubator = guests[0]._incubator
        os.kill(incubator.pid, signal.SIGKILL)
        assert all([gone(guest.pid) for guest in guests])
        other = await Guest.start("calls", isolate=isolate)
        assert other._incubator is not incubator
        for guest in guests:
            assert not guest.alive
            await guest.close()
        assert await other.request({"op": "ping"}) == ({}, b"")
        await other.close()

    run(work)


def children() -> set[int]:
    """Of every thread of this process."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has just ended
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def test_an_incubator_that_is_killed_while_it_starts_is_replaced() -> None:
    async def work() -> None:
        others = children()
        lost = nursery.lease(isolate=True)
        starting = asyncio.ensure_future(Guest.start("calls", isolate=True))
        for _ in range(6000):
            found = children() - others
            if found:
                break
            await asyncio.sleep(0.001)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        guest = await starting
        assert guest._incubator is not lost
        assert guest.alive
        await guest.close()
        nursery.release(lost)

    run(work)


def test_an_incubator_that_cannot_start_says_why() -> None:
    incubator = nursery.Incubator({"isolate": True})
    with pytest.raises(SandboxError, match=r"refuses an isolated sandbox .KeyError: 'host'"):
        incubator.ready.result(60)
    incubator.close()
    assert not incubator.alive


def test_scratch_space_that_cannot_be_made_is_a_refusal() -> None:
    async def work() -> None:
        with pytest.raises(SandboxError, match="refuses an isolated sandbox"):
            await Guest.start("calls", isolate=True, file_mb=-1)

    run(work)


def test_an_interrupted_request_is_no_other_ones_answer() -> None:
    async def work() -> None:
        guest = await Guest.start("shell", isolate=True)
        os.kill(guest.pid, signal.SIGSTOP)  # or it may have answered before it is interrupted
        asking = asyncio.ensure_future(guest.request({"op": "read_all", "most": 1}))
        await asyncio.sleep(0)
        asking.cancel()
        os.kill(guest.pid, signal.SIGCONT)
        with pytest.raises(asyncio.CancelledError):
            await asking
        with pytest.raises(GuestDied):
            await guest.request({"op": "ping"})
        await guest.close()

    run(work)


def test_what_is_no_operation_ends_the_guest_with_a_word() -> None:
    async def work() -> None:
        guest = await Guest.start("shell", isolate=True)
        with pytest.raises(GuestBroken, match="given up: KeyError: 'nonsense'"):
            await guest.request({"op": "nonsense"})
        await guest.close()
        assert not nursery.is_running(guest.pid)

    run(work)


# --- a guest that is a socket, and answers what the test wants ---


@contextmanager
def impostor(answer: bytes) -> Iterator[Guest]:
    """A guest that has its answer ready."""
    sock, far_sock = socket.socketpair()
    life, far_life = socket.socketpair()
    with sock, far_sock, life, far_life:
        sock.setblocking(False)
        far_sock.sendall(answer)
        yield Guest(nursery.Incubator.__new__(nursery.Incubator), sock, life)


@pytest.mark.parametrize(
    "answer",
    [
        wire.pack({"n": 1}),  # of a request that was never made
        wire.pack({}),
        wire.pack({"over": "it was too much"}),
        wire.HEAD.pack(9, 0) + b"no { json",
        wire.HEAD.pack(2, 0) + b"[]",
        wire.HEAD.pack(2, 0) + b"\xff\xfe",
    ],
    ids=["other", "none", "over", "json", "list", "text"],
)
def test_answers_that_are_none(answer: bytes) -> None:
    async def work() -> None:
        with impostor(answer) as guest:
            with pytest.raises(GuestBroken):
                await guest.request({"op": "ping"})
            with pytest.raises(GuestDied):
                await guest.request({"op": "ping"})
            assert not guest.alive

    run(work)


def test_an_answer_that_is_too_long_is_not_read() -> None:
    async def work() -> None:
        with (
            impostor(wire.HEAD.pack(4, 1 << 31)) as guest,
            pytest.raises(GuestDied, match="too long"),
        ):
            await guest.request({"op": "ping"})

    run(work)


# --- threads and forks ---

_SCRIPT = """
import asyncio, os, sys, threading
from hrmgym.envs.sandboxes.local import nursery
from hrmgym.envs.sandboxes.local.link import Guest

guests = []
def start():
    guests.append(asyncio.run(Guest.start("calls", isolate=True)))
thread = threading.Thread(target=start)
thread.start()
thread.join()
assert guests[0].alive  # though the thread that started it has ended
child = os.fork()
if child == 0:
    assert not nursery._incubators
    start()
    assert guests[1]._incubator is not guests[0]._incubator
    asyncio.run(guests[1].close())
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert guests[0].alive
print(guests[0].pid, guests[0]._incubator.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_threads_end_and_forks_begin_without_harm_and_death_takes_all() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    assert all(gone(int(pid)) for pid in done.stdout.split())
