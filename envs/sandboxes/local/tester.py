"""Test runs in a local sandbox, made by the thread that asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from hrmgym.envs.sandboxes.failures import GuestBroken
from hrmgym.envs.sandboxes.local import nursery, probe
from hrmgym.envs.sandboxes.local.bench import LocalBench, open_bench
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.loops import OwnLoop
from hrmgym.envs.sandboxes.verdicts import calltests, screens, testing
from hrmgym.envs.task import Limits, Outcome, TestSpec

_GRACE_S = 30.0  # beyond the time limit that the guest itself keeps


class Tester:
    """Guests for test runs: some that stay, and fresh ones for grades. One call at a time.

    Args:
        runtime: Whose siblings run the tests; it is not used itself.
    """

    def __init__(self, runtime: LocalRuntime) -> None:
        self._model = runtime
        self._loop = OwnLoop()
        self._runtime: LocalRuntime | None = None
        self._bench: LocalBench | None = None
        self._spare: tuple[LocalRuntime, asyncio.Task[Any]] | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self._held: dict[bool, nursery.Incubator] = {}
        try:
            self._hold(judge=False)
        except BaseException:
            self._loop.close()
            raise

    def _hold(self, *, judge: bool) -> None:
        """Keep an incubator while no guest needs it: the next one will."""
        self._held[judge] = nursery.lease(
            isolate=self.isolated, judge=judge, packages=self._model.packages
        )

    @property
    def isolated(self) -> bool:
        """Whether foreign code cannot reach the processes that serve it."""
        return self._model.isolated

    def run(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool
    ) -> Outcome:
        """Run tests; `fresh` takes guests that have served nothing, and end with it.

        Raises:
            GuestDied: The sandbox did not survive it; `renew` before the next run.
            SandboxUnavailableError: This process may not give a run what `limits` promise.
        """
        probe.check_limits(limits)
        work = self._run_fresh if fresh else self._run
        return self._loop.run(work(files, tests, limits))

    def call(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        """Make calls: see `LocalRuntime.run_calls`. It raises what `run` raises."""
        probe.check_limits(limits)
        return self._loop.run(self._call(request, limits))

    def screen(self, request: screens.Request, texts: Sequence[str]) -> screens.Reply:
        """Try texts of a file: see `ScreeningExecutor.screen`. It raises what `run` raises."""
        probe.check_limits(request.limits)
        return self._loop.run(self._screen(request, texts))

    async def _screen(self, request: screens.Request, texts: Sequence[str]) -> screens.Reply:
        runtime, _ = await self._kept()
        guest = await runtime.guest(request.plan.mode)
        guest.fit(request.all_limits.fields())
        header, blob = request.message(texts)
        try:
            async with asyncio.timeout(request.longest_s + _GRACE_S):
                return screens.read(*await guest.request(header, blob), request.lines)
        except TimeoutError:
            raise GuestBroken("the sandbox does not answer") from None

    async def _call(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        _, bench = await self._kept()
        return await bench.run_calls(request, limits)

    async def _run(self, files: Mapping[str, str], tests: TestSpec, limits: Limits) -> Outcome:
        runtime, bench = await self._kept()
        try:
            return await testing.run_tests(bench, files, tests, limits)
        finally:
            self._note_judge(runtime)

    async def _kept(self) -> tuple[LocalRuntime, LocalBench]:
        if self._runtime is None or self._bench is None:
            self._runtime = self._model.sibling()
            self._bench = await open_bench(self._runtime)
        return self._runtime, self._bench

    def _note_judge(self, runtime: LocalRuntime) -> None:
        if runtime.has_judge and True not in self._held:
            self._hold(judge=True)

    async def _run_fresh(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits
    ) -> Outcome:
        runtime, ready = self._spare or self._make_spare()
        self._spare = self._make_spare()
        try:
            return await testing.run_tests(await open_bench(runtime), files, tests, limits)
        finally:
            self._note_judge(runtime)
            self._in_background(_retire(runtime, ready))
            await asyncio.sleep(0)  # until its guests have lost their connections

    def _make_spare(self) -> tuple[LocalRuntime, asyncio.Task[Any]]:
        """A runtime that has run nothing, and the task that starts its guests."""
        runtime = self._model.sibling()
        return runtime, self._in_background(runtime.prepare(judge=True in self._held))

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # a spare that was lost is replaced when it is needed

    def renew(self) -> None:
        """End every guest; the next run gets others. Returns when they are dead."""
        for judge, held in list(self._held.items()):
            self._hold(judge=judge)  # another one, where that one is lost
            nursery.release(held)
        self._loop.run(self._end())

    async def _end(self) -> None:
        spare = None if self._spare is None else self._spare[0]
        runtimes = [runtime for runtime in (self._runtime, spare) if runtime is not None]
        self._runtime = self._bench = self._spare = None
        await asyncio.gather(*self._background, return_exceptions=True)
        for runtime in runtimes:
            await runtime.close()

    def close(self) -> None:
        """End every guest, for good."""
        try:
            self._loop.run(self._end())
        finally:
            self._loop.close()
            for held in self._held.values():
                nursery.release(held)


async def _retire(runtime: LocalRuntime, ready: asyncio.Task[Any]) -> None:
    """End a runtime, and not before the last of its guests has started."""
    await asyncio.gather(ready, return_exceptions=True)
    await runtime.close()
