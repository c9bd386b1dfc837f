"""Has two guests run tests and the code that they test, with a socket between them."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from hrmgym.envs.sandboxes.local.link import Guest, GuestBroken, GuestDied
from hrmgym.envs.sandboxes.verdicts import aparttests
from hrmgym.envs.task import Limits

#: Tasks whose tests a judge keeps at hand.
MOST_TASKS = 64
_GRACE_S = 30.0  # beyond the time limit that the guests themselves keep


class Judges:
    """Knows which tests each judge has at hand. One run at a time in each guest."""

    def __init__(self) -> None:
        self._held: WeakKeyDictionary[Guest, OrderedDict[str, None]] = WeakKeyDictionary()

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
            self._held[judge].pop(plan.key, None)  # its process has ended
        raise GuestDied("the process that holds the tests has ended, twice")

    async def _prepare(self, judge: Guest, plan: aparttests.Plan, limits: Limits) -> str:
        """Have the judge collect the tests; returns why it cannot."""
        held = self._held.setdefault(judge, OrderedDict())
        if plan.key in held:
            held.move_to_end(plan.key)
            return ""
        end = []
        while len(held) >= MOST_TASKS:
            end.append(held.popitem(last=False)[0])
        message = aparttests.prepare_request(plan, limits, end)
        header, _ = await _answer(judge, message, (), message["wall_s"])
        if "killed" in header:
            raise GuestDied("the process that collects the tests was killed")
        if "bad" in header:
            return str(header["bad"])
        held[plan.key] = None
        return ""

    async def _run(
        self,
        candidate: Guest,
        judge: Guest,
        plan: aparttests.Plan,
        files: Mapping[str, str],
        limits: Limits,
    ) -> aparttests.Reply | None:
        """One run; None where the judge does not hold the tests any more."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            asked = [
                asyncio.ensure_future(_answer(guest, message, [end.fileno()], limits.wall_s))
                for guest, message, end in (
                    (candidate, aparttests.candidate_request(plan, files, limits), theirs),
                    (judge, aparttests.judge_request(plan, limits), ours),
                )
            ]
            try:
                _, left = await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION)
                for end in (ours, theirs):  # whichever guest is left sees the end of it
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                if left:
                    await asyncio.wait(left)
            finally:
                left = {one for one in asked if one.cancel()}
                if left:
                    await asyncio.gather(*left, return_exceptions=True)
        (served, _), (judged, events) = asked[0].result(), asked[1].result()
        if "unknown" in judged:
            return None
        if judged["ended"]:
            self._held[judge].pop(plan.key, None)
        return aparttests.Reply(
            events,
            judged["status"],
            served["status"],
            judged["cpu_s"] + served["cpu_s"],
            max(judged["wall_s"], served["wall_s"]),
        )


async def _answer(
    guest: Guest, message: dict[str, Any], fds: list[int] | tuple[int, ...], wall_s: float
) -> tuple[dict[str, Any], bytes]:
    try:
        async with asyncio.timeout(wall_s + _GRACE_S):
            return await guest.request(message, fds=fds)
    except TimeoutError:
        raise GuestBroken("the sandbox does not answer") from None
