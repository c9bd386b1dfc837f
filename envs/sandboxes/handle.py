"""`Sandbox`: the synchronous handle that environments use.

Everything behind it is asyncio and runs in a background thread: one per process for all local
sandboxes, and one for each other sandbox, because SWE-ReX's deployments block their event loop.
A forked process gets threads and sandboxes of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

from swerex.deployment.abstract import AbstractDeployment
from swerex.exceptions import (
    BashIncorrectSyntaxError,
    CommandTimeoutError,
    SessionDoesNotExistError,
)
from swerex.runtime.abstract import (
    AbstractRuntime,
    BashAction,
    BashInterruptAction,
    CloseBashSessionRequest,
    CreateBashSessionRequest,
)

from hrmgym.envs.sandboxes import testing
from hrmgym.envs.sandboxes.bench import Bench, RexBench, open_bench
from hrmgym.envs.sandboxes.config import LocalSandboxConfig, SandboxConfig
from hrmgym.envs.sandboxes.link import GuestDied
from hrmgym.envs.sandboxes.runtime import LocalRuntime
from hrmgym.envs.task import Limits, Outcome, Status, TestSpec
from hrmgym.errors import SandboxError

T = TypeVar("T")
_SYNTAX_ERROR = 2
TIMED_OUT = 124  # exit code of a command that was killed for its time, as timeout(1) has it


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="hrmgym-sandboxes", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and wait for it."""
        assert threading.current_thread() is not self._thread
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupt by the user, for example
            raise

    def close(self) -> None:
        """Stop the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Process:
    """What this process has: the loop of local sandboxes, and every sandbox that is started."""

    def __init__(self) -> None:
        self.loop: _Loop | None = None
        self.lock = threading.Lock()
        self.started: set[Sandbox] = set()
        self.shared: dict[str, tuple[Sandbox, int]] = {}
        self.left: list[_Inside | None] = []


_process = _Process()
_inherited: list[_Process] = []  # kept, for their destructors would act on the parent's sandboxes


def _after_fork() -> None:
    global _process
    for sandbox in _process.started:
        _process.left.append(sandbox._inside)
        sandbox._inside = None
    _inherited.append(_process)
    _process = _Process()


def _at_exit() -> None:
    for sandbox in list(_process.started):
        with suppress(Exception):
            sandbox.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)


class Sandbox:
    """A place where foreign code runs. It starts when it is first needed.

    Test runs and the workspace are apart from each other: every test run has a fresh process and
    fresh files; `put_files`, `run_command` and `get_files` share one workspace and one bash.

    Args:
        config: Which kind; by default a local one.
    """

    def __init__(self, config: SandboxConfig | None = None) -> None:
        self.config: SandboxConfig = config or LocalSandboxConfig()
        self._inside: _Inside | None = None

    def run_tests(self, files: Mapping[str, str], tests: TestSpec, limits: Limits) -> Outcome:
        """Run tests on a workspace that holds `files` and nothing else.

        Raises:
            SandboxError: The sandbox cannot be started, or does not do what it was asked to.
        """
        inside = self._start()
        return inside.loop.run(inside.run_tests(files, tests, limits))

    def run_command(self, command: str, timeout_s: float = 60.0) -> tuple[str, int]:
        """Run a bash command in the session, which starts in the workspace.

        Returns:
            Output, and exit code: 124 for a command that was killed because its time was up.
        """
        inside = self._start()
        return inside.loop.run(inside.run_command(command, timeout_s))

    def put_files(self, files: Mapping[str, str | bytes]) -> None:
        """Make the workspace hold `files` and nothing else."""
        inside = self._start()
        inside.loop.run(inside.put_files(files))

    def get_files(self) -> dict[str, bytes]:
        """Every regular file of the workspace, links not followed."""
        inside = self._start()
        return inside.loop.run(inside.get_files())

    def _start(self) -> _Inside:
        if self._inside is None:
            with _process.lock:
                if isinstance(self.config, LocalSandboxConfig):
                    _process.loop = _process.loop or _Loop()
                    inside = _Inside(self.config.deployment(), _process.loop)
                else:
                    inside = _Inside(self.config.deployment(), _Loop())
                _process.started.add(self)
            self._inside = inside
        return self._inside

    def close(self) -> None:
        """End the sandbox; returns when every process of it is dead. It may be used again."""
        inside, self._inside = self._inside, None
        if inside is not None:
            _process.started.discard(self)
            try:
                inside.loop.run(inside.stop())
            finally:
                if inside.loop is not _process.loop:
                    inside.loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Inside:
    """A started sandbox. Its methods run in its loop."""

    def __init__(self, deployment: AbstractDeployment, loop: _Loop) -> None:
        self.loop = loop
        self._deployment = deployment
        self._started = False
        self._tests: Bench | None = None
        self._work: Bench | None = None
        self._test_runtime: AbstractRuntime | None = None
        self._has_session = False
        self._turn = asyncio.Lock()
        self._testing = asyncio.Lock()

    async def _runtime(self) -> AbstractRuntime:
        async with self._turn:
            if not self._started:
                await self._deployment.start()  # type: ignore[no-untyped-call]
                self._started = True
        return self._deployment.runtime

    async def _open_work(self) -> Bench:
        runtime = await self._runtime()
        if self._work is None:
            self._work = await open_bench(runtime)
        return self._work

    async def run_tests(self, files: Mapping[str, str], tests: TestSpec, limits: Limits) -> Outcome:
        runtime = await self._runtime()
        async with self._testing:
            if self._tests is None:
                # A local sandbox keeps test runs in guests of their own.
                apart = runtime.sibling() if isinstance(runtime, LocalRuntime) else runtime
                self._test_runtime = apart
                self._tests = await open_bench(apart)
            for _ in range(2):
                with suppress(GuestDied):
                    return await testing.run_tests(self._tests, files, tests, limits)
        message = "the code under test broke its sandbox, twice"
        return Outcome(tests=dict.fromkeys(tests.test_ids, Status.ERROR), message=message)

    async def run_command(self, command: str, timeout_s: float) -> tuple[str, int]:
        bench = await self._open_work()
        runtime = await self._runtime()
        if not self._has_session:
            await self._open_session(runtime, bench.root)
        action = BashAction(command=command, timeout=timeout_s, check="silent")
        try:
            seen = await runtime.run_in_session(action)
        except SessionDoesNotExistError:  # the command before has ended the shell
            await self._open_session(runtime, bench.root)
            seen = await runtime.run_in_session(action)
        except BashIncorrectSyntaxError as error:
            return str(error.extra_info.get("bash_stderr", error)), _SYNTAX_ERROR
        except CommandTimeoutError as error:
            if not isinstance(runtime, LocalRuntime):
                await self._recover(runtime)
            said = getattr(error, "output", "")
            return f"{said}[killed after {timeout_s:g} s]\n", TIMED_OUT
        return seen.output, -1 if seen.exit_code is None else seen.exit_code

    async def _open_session(self, runtime: AbstractRuntime, root: str) -> None:
        await runtime.create_session(CreateBashSessionRequest(startup_timeout=10.0))
        self._has_session = True
        await runtime.run_in_session(BashAction(command=f"cd {root}", timeout=10.0))

    async def _recover(self, runtime: AbstractRuntime) -> None:
        """Get a session back whose command did not end; failing that, give it up."""
        try:
            await runtime.run_in_session(BashInterruptAction())
        except Exception:  # pexpect's own errors come through SWE-ReX
            self._has_session = False
            await runtime.close_session(CloseBashSessionRequest())

    async def put_files(self, files: Mapping[str, str | bytes]) -> None:
        bench = await self._open_work()
        try:
            await bench.replace(files)
        except GuestDied:  # what is lost with it was to be replaced anyway
            await bench.replace(files)

    async def get_files(self) -> dict[str, bytes]:
        return await (await self._open_work()).read_all()

    async def stop(self) -> None:
        for bench in (self._tests, self._work):
            if isinstance(bench, RexBench):
                with suppress(Exception):  # a machine that is gone has nothing left to remove
                    await bench.remove()
        if isinstance(self._test_runtime, LocalRuntime):
            await self._test_runtime.close()
        if self._started:
            await self._deployment.stop()  # type: ignore[no-untyped-call]


def acquire(config: SandboxConfig | None = None) -> Sandbox:
    """This process's shared sandbox for test runs under `config`; give it back with `release`."""
    config = config or LocalSandboxConfig()
    key = config.model_dump_json()
    with _process.lock:
        sandbox, users = _process.shared.get(key) or (Sandbox(config), 0)
        _process.shared[key] = sandbox, users + 1
    return sandbox


def release(sandbox: Sandbox) -> None:
    """Give a shared sandbox back; the last one to do so closes it.

    Raises:
        SandboxError: It does not come from `acquire`, or was given back before.
    """
    key = sandbox.config.model_dump_json()
    with _process.lock:
        held, users = _process.shared.get(key) or (None, 0)
        if any(sandbox is before.shared.get(key, (None,))[0] for before in _inherited):
            return  # acquired by the process that this one is a fork of
        if held is not sandbox:
            raise SandboxError("this sandbox was not acquired, or was released before")
        if users > 1:
            _process.shared[key] = sandbox, users - 1
            return
        del _process.shared[key]
    sandbox.close()
