"""The executor of what SWE-ReX reaches: see `hrmgym.envs.sandboxes.executor.Executor`."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from swerex.deployment.abstract import AbstractDeployment

from hrmgym.envs.sandboxes.executor import Changed, WorkspaceTooLargeError
from hrmgym.envs.sandboxes.loops import LoopThread
from hrmgym.envs.sandboxes.remote.bench import RexBench, files_of, tree_of
from hrmgym.envs.sandboxes.verdicts import calltests, testing
from hrmgym.envs.sandboxes.verdicts.calltests import Reply
from hrmgym.envs.sandboxes.workspaces import Workspace, WorkspaceExecutor
from hrmgym.envs.task import CallTests, Limits, Outcome, TestSpec
from hrmgym.envs.workspace import EMPTY, Files


class RemoteExecutor(WorkspaceExecutor["RemoteWorkspace"]):
    """A machine, a container for instance, with a guest of ours for tests and one for commands.

    It has a loop of its own, for SWE-ReX's deployments block theirs. `fresh` runs get new files and
    new processes, in the same machine.

    Args:
        deployment: Makes one, not started.
    """

    isolated = False

    def __init__(self, deployment: Callable[[], AbstractDeployment]) -> None:
        super().__init__()
        self._deployment = deployment

    def _open(self) -> tuple[RemoteWorkspace, LoopThread]:
        return RemoteWorkspace(self._deployment()), LoopThread()

    def _done_with(self, loop: LoopThread) -> None:
        loop.close()

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool
    ) -> Outcome:
        """See `Executor.run_tests`."""
        work, loop = self._work()
        return loop.run(work.run_tests(files, tests, limits))

    def call(self, files: Mapping[str, str], tests: CallTests, limits: Limits) -> Reply:
        """See `Executor.call`."""
        work, loop = self._work()
        return loop.run(work.call(calltests.request(files, tests, limits), limits))

    def renew_tests(self) -> None:
        """Nothing: the link starts another guest by itself."""

    def close(self) -> None:
        """See `Executor.close`."""
        self.renew_workspace()


class RemoteWorkspace(Workspace):
    """A started machine: the folder of test runs, and that of commands."""

    def __init__(self, deployment: AbstractDeployment) -> None:
        self._deployment = deployment
        self._started = False
        self._tests: RexBench | None = None
        self._work: RexBench | None = None
        self._base = EMPTY
        self._turn = asyncio.Lock()
        self._testing = asyncio.Lock()

    async def _open_bench(self) -> RexBench:
        async with self._turn:
            if not self._started:
                await self._deployment.start()  # type: ignore[no-untyped-call]
                self._started = True
        return RexBench(self._deployment.runtime)

    async def _bench(self) -> RexBench:
        if self._work is None:
            self._work = await self._open_bench()
        return self._work

    async def run_tests(self, files: Mapping[str, str], tests: TestSpec, limits: Limits) -> Outcome:
        """Run tests in a folder of their own."""
        async with self._testing:
            return await testing.run_tests(await self._tests_bench(), files, tests, limits)

    async def call(self, request: Mapping[str, Any], limits: Limits) -> Reply:
        """Make calls in a folder of their own."""
        async with self._testing:
            return await (await self._tests_bench()).run_calls(request, limits)

    async def _tests_bench(self) -> RexBench:
        if self._tests is None:
            self._tests = await self._open_bench()
        return self._tests

    async def run_command(self, command: str, timeout_s: float) -> tuple[str, int]:
        # Not in SWE-ReX's sessions: what runs there can forge them.
        return await (await self._bench()).run_command(command, timeout_s)

    async def change(self, files: Files, command: str, timeout_s: float) -> Changed:
        bench = await self._bench()
        await self.restore(files)
        apart = f"(eval {shlex.quote(command)})"
        output, status = await bench.run_command(apart, timeout_s, alone=True)
        try:
            files = await self.save()
        except WorkspaceTooLargeError as error:
            output += f"[{error}: no change is kept]\n"
        return Changed(output, status, files)

    async def put_files(self, files: Mapping[str, str | bytes]) -> None:
        await (await self._bench()).replace(files)

    async def get_files(self) -> dict[str, bytes]:
        return await (await self._bench()).read_all()

    async def save(self) -> Files:
        return files_of(await (await self._bench()).read_tree(), self._base)

    async def restore(self, files: Files) -> None:
        bench = await self._bench()
        self._base = files.base
        await bench.replace_tree(tree_of(files))

    async def stop(self) -> None:
        for bench in (self._tests, self._work):
            if bench is not None:
                with suppress(Exception):  # a machine that is gone has nothing left to remove
                    await bench.remove()
        if self._started:
            await self._deployment.stop()  # type: ignore[no-untyped-call]
