"""The executor of local sandboxes: see `hrmgym.envs.sandboxes.executor.Executor`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from swerex.exceptions import (
    BashIncorrectSyntaxError,
    CommandTimeoutError,
    NonZeroExitCodeError,
    SessionDoesNotExistError,
)
from swerex.runtime.abstract import BashAction, CreateBashSessionRequest

from hrmgym.envs.sandboxes.executor import TIMED_OUT, Changed
from hrmgym.envs.sandboxes.failures import GuestDied
from hrmgym.envs.sandboxes.local.bench import place_of
from hrmgym.envs.sandboxes.local.deployment import LocalDeployment
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.local.tester import Tester
from hrmgym.envs.sandboxes.loops import LoopThread, shared_loop
from hrmgym.envs.sandboxes.verdicts import calltests, screens
from hrmgym.envs.sandboxes.verdicts.calltests import Reply
from hrmgym.envs.sandboxes.workspaces import Workspace, WorkspaceExecutor
from hrmgym.envs.task import CallTests, Limits, Outcome, TestSpec
from hrmgym.envs.workspace import Files

_SYNTAX_ERROR = 2


class LocalExecutor(WorkspaceExecutor["LocalWorkspace"]):
    """Guests of this machine: for test runs, which the thread that asks for them drives, and for a
    workspace, in the loop that all local sandboxes of a process share.

    Args:
        deployment: Makes one, not started.
    """

    def __init__(self, deployment: Callable[[], LocalDeployment]) -> None:
        super().__init__()
        self._deployment = deployment
        self._tester: Tester | None = None

    def _open(self) -> tuple[LocalWorkspace, LoopThread]:
        return LocalWorkspace(self._deployment()), shared_loop()

    def _done_with(self, loop: LoopThread) -> None:
        """Nothing: others use it."""

    @property
    def isolated(self) -> bool:
        """See `Executor.isolated`."""
        if self._tester is not None:
            return self._tester.isolated
        return self._opened is not None and self._opened[0].isolated

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool
    ) -> Outcome:
        """See `Executor.run_tests`."""
        return self._started().run(files, tests, limits, fresh=fresh)

    def call(self, files: Mapping[str, str], tests: CallTests, limits: Limits) -> Reply:
        """See `Executor.call`."""
        return self._started().call(calltests.request(files, tests, limits), limits)

    def screen(self, request: screens.Request, texts: Sequence[str]) -> screens.Reply:
        """See `ScreeningExecutor.screen`."""
        return self._started().screen(request, texts)

    def _started(self) -> Tester:
        if self._tester is None:
            work, loop = self._work()
            self._tester = Tester(loop.run(work.runtime()))
        return self._tester

    def renew_tests(self) -> None:
        """See `Executor.renew_tests`."""
        if self._tester is not None:
            self._tester.renew()

    def close(self) -> None:
        """See `Executor.close`."""
        tester, self._tester = self._tester, None
        try:
            if tester is not None:
                tester.close()
        finally:
            self.renew_workspace()


class LocalWorkspace(Workspace):
    """The workspace of a local sandbox, and its session."""

    def __init__(self, deployment: LocalDeployment) -> None:
        self._deployment = deployment
        self._started = False
        self._has_session = False
        self._turn = asyncio.Lock()

    @property
    def isolated(self) -> bool:
        """Whether foreign code cannot reach the processes that serve it; False before it starts."""
        return self._started and self._deployment.runtime.isolated

    async def runtime(self) -> LocalRuntime:
        """The runtime, started."""
        async with self._turn:
            if not self._started:
                await self._deployment.start()
                self._started = True
        return self._deployment.runtime

    async def run_command(self, command: str, timeout_s: float) -> tuple[str, int]:
        try:
            return await self._run_command(await self.runtime(), command, timeout_s)
        # Lost between its start and its command, or before it was in the workspace.
        except (SessionDoesNotExistError, NonZeroExitCodeError) as error:
            raise GuestDied(str(error)) from None

    async def _run_command(
        self, runtime: LocalRuntime, command: str, timeout_s: float
    ) -> tuple[str, int]:
        if not self._has_session:
            await self._open_session(runtime)
        action = BashAction(command=command, timeout=timeout_s, check="silent")
        try:
            seen = await runtime.run_in_session(action)
        except SessionDoesNotExistError:  # the command before has ended the shell
            await self._open_session(runtime)
            seen = await runtime.run_in_session(action)
        except BashIncorrectSyntaxError as error:
            return str(error.extra_info.get("bash_stderr", error)), _SYNTAX_ERROR
        except CommandTimeoutError as error:
            said = getattr(error, "output", "")
            return f"{said}[killed after {timeout_s:g} s]\n", TIMED_OUT
        return seen.output, -1 if seen.exit_code is None else seen.exit_code

    async def _open_session(self, runtime: LocalRuntime) -> None:
        root, _ = await place_of(runtime)
        await runtime.create_session(CreateBashSessionRequest(startup_timeout=10.0))
        self._has_session = True
        await runtime.run_in_session(BashAction(command=f"cd {root}", timeout=10.0))

    async def change(self, files: Files, command: str, timeout_s: float) -> Changed:
        return await (await self.runtime()).change(files, command, timeout_s)

    async def put_files(self, files: Mapping[str, str | bytes]) -> None:
        await (await self.runtime()).replace_files(files)

    async def get_files(self) -> dict[str, bytes]:
        return await (await self.runtime()).read_files()

    async def save(self) -> Files:
        return await (await self.runtime()).save()

    async def restore(self, files: Files) -> None:
        await (await self.runtime()).restore(files)

    async def stop(self) -> None:
        if self._started:
            await self._deployment.stop()
