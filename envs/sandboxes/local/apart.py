"""Has two guests run tests and the code that they test, with a socket between them."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from hrmgym.envs.sandboxes import failures
from hrmgym.envs.sandboxes.confinement.cgroups import Group, doors
from hrmgym.envs.sandboxes.failures import GuestBroken, GuestDied
from hrmgym.envs.sandboxes.local.link import Guest, fit
from hrmgym.envs.sandboxes.processes.zygote import MORE_MEMORY_MB
from hrmgym.envs.sandboxes.verdicts import aparttests
from hrmgym.envs.task import Limits

#: Tasks whose tests a judge keeps at hand, and the memory that all of them together may hold. Those
#: that were used least recently go first.
MOST_TASKS, KEPT_MB = 64, 1024
_EACH_MB = 8  # what each process holds beyond what can be told apart from others
_GRACE_S = 30.0  # beyond the time limit that the guests themselves keep


@dataclass(slots=True)
class _Kept:
    """The processes with some tests in them."""

    group: Group | None
    """Their control group, where there are any."""
    held_mb: int
    """What they hold while no test runs."""

    def ran_out_of_memory(self, kills: int) -> bool:
        """Whether the kernel has killed something in it for want of memory."""
        return self.group is not None and self.group.memory_kills() != kills


_Held = OrderedDict[str, _Kept]


class Judges:
    """Knows which tests each judge has at hand. One run at a time in each guest."""

    def __init__(self) -> None:
        self._held: WeakKeyDictionary[Guest, _Held] = WeakKeyDictionary()

    async def run(
        self,
        candidate: Guest,
        judge: Guest,
        plan: aparttests.Plan,
        files: Mapping[str, str],
        limits: Limits,
    ) -> aparttests.Reply:
        """Run tests in `judge` on `files` in `candidate`.

        Raises:
            GuestDied: One of them did not survive it.
        """
        for _ in range(2):
            if bad := await self._prepare(judge, plan, limits):
                return aparttests.Reply(b"", 0, 0, 0.0, 0.0, bad=bad)
            reply = await self._run(candidate, judge, plan, files, limits)
            if reply is not None:
                return reply
            self._drop(judge, plan.key)  # its process has ended
        raise GuestDied("the process that holds the tests has ended, twice")

    async def _prepare(self, judge: Guest, plan: aparttests.Plan, limits: Limits) -> str:
        """Have the judge collect the tests; returns why it cannot.

        Raises:
            OSError: There is no room for them, not even with nothing else kept.
        """
        held = self._held.setdefault(judge, OrderedDict())
        if plan.key in held:
            held.move_to_end(plan.key)
            return ""
        try:
            return await self._make(judge, held, plan, limits, _surplus(held))
        except OSError as error:
            if not held or failures.code_of(error) not in failures.SCARCE:
                raise
        return await self._make(judge, held, plan, limits, list(held))

    async def _make(
        self, judge: Guest, held: _Held, plan: aparttests.Plan, limits: Limits, end: list[str]
    ) -> str:
        """Have the judge end some processes, and then make one more."""
        message = aparttests.prepare_request(plan, limits, end)
        group = judge.keep()
        done = False
        try:
            kills = 0
            if group is not None:
                fit(group, _more(limits, 0))
                kills = group.memory_kills()
            with doors(group) as entries:
                header, _ = await _answer(judge, message, entries, message["wall_s"])
            kept = _Kept(group, _held_mb(header))
            for key in end:
                self._drop(judge, key)
            if "killed" in header and kept.ran_out_of_memory(kills):
                return "the tests need more memory than they may have when they are collected"
            if "killed" in header:
                raise GuestDied("the process that collects the tests was killed")
            if "bad" in header:
                return str(header["bad"])
            held[plan.key] = kept
            done = True
        finally:
            if not done:
                judge.let_go(group)
        return ""

    def _drop(self, judge: Guest, key: str) -> None:
        """The process of these tests has ended."""
        kept = self._held[judge].pop(key, None)
        if kept is not None:
            judge.let_go(kept.group)

    async def _run(
        self,
        candidate: Guest,
        judge: Guest,
        plan: aparttests.Plan,
        files: Mapping[str, str],
        limits: Limits,
    ) -> aparttests.Reply | None:
        """One run; None where the judge does not hold the tests any more."""
        kept = self._held[judge][plan.key]
        kills = 0
        if kept.group is not None:
            fit(kept.group, _more(limits, kept.held_mb))
            kills = kept.group.memory_kills()
        asked = aparttests.candidate_request(plan, files, limits)
        candidate.fit(asked["limits"])
        (served, _), (judged, events) = await _both(
            candidate, judge, asked, aparttests.judge_request(plan, limits), limits
        )
        if "held_kb" in judged:
            kept.held_mb = _held_mb(judged)
        gone = "unknown" in judged
        if gone and "unfit" not in served and not kept.ran_out_of_memory(kills):
            return None
        if gone or judged["ended"]:
            self._drop(judge, plan.key)
        if "unfit" in served:
            return aparttests.Reply(b"", 0, 0, 0.0, 0.0, bad=aparttests.unfit(served["unfit"]))
        if gone:
            return aparttests.Reply(b"", -signal.SIGKILL, served["status"], 0.0, 0.0, full=True)
        killed = -signal.SIGKILL
        return aparttests.Reply(
            events,
            judged["status"],
            served["status"],
            judged["cpu_s"] + served["cpu_s"],
            max(judged["wall_s"], served["wall_s"]),
            full=(judged["status"] == killed and kept.ran_out_of_memory(kills))
            or (served["status"] == killed and candidate.ran_out_of_memory()),
        )


def _surplus(held: _Held) -> list[str]:
    """Which processes have to go before there is one more."""
    end: list[str] = []
    size = sum(kept.held_mb for kept in held.values())
    for key, kept in held.items():
        if len(held) - len(end) < MOST_TASKS and size < KEPT_MB:
            break
        end.append(key)
        size -= kept.held_mb
    return end


def _held_mb(header: Mapping[str, Any]) -> int:
    return _EACH_MB + (int(header.get("held_kb", 0)) >> 10)


def _more(limits: Limits, held_mb: int) -> dict[str, Any]:
    """What processes with tests may use that hold something while none runs."""
    fields = limits.fields()
    fields["memory_mb"] += MORE_MEMORY_MB + held_mb
    return fields


async def _both(
    candidate: Guest,
    judge: Guest,
    asked: dict[str, Any],
    told: dict[str, Any],
    limits: Limits,
) -> tuple[tuple[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]:
    """The answers of both guests, which have a socket between them."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answers = [
            asyncio.ensure_future(_answer(guest, message, [end.fileno()], limits.wall_s))
            for guest, message, end in ((candidate, asked, theirs), (judge, told, ours))
        ]
        try:
            _, left = await asyncio.wait(answers, return_when=asyncio.FIRST_EXCEPTION)
            for end in (ours, theirs):  # whichever guest is left sees the end of it
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            if left:
                await asyncio.wait(left)
        finally:
            left = {one for one in answers if one.cancel()}
            if left:
                await asyncio.gather(*left, return_exceptions=True)
    return answers[0].result(), answers[1].result()


async def _answer(
    guest: Guest, message: dict[str, Any], fds: list[int], wall_s: float
) -> tuple[dict[str, Any], bytes]:
    try:
        async with asyncio.timeout(wall_s + _GRACE_S):
            return await guest.request(message, fds=fds)
    except TimeoutError:
        raise GuestBroken("the sandbox does not answer") from None
