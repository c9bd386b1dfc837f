"""`Sandbox`: the synchronous handle that environments use.

Everything behind it is asyncio. Test runs in local sandboxes are driven by the thread that calls;
all else runs in a background thread: one per process for all local sandboxes, and one for each
other sandbox, because SWE-ReX's deployments block their event loop. A forked process gets threads
and sandboxes of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shlex
import signal
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol, Self

from swerex.deployment.abstract import AbstractDeployment
from swerex.exceptions import (
    BashIncorrectSyntaxError,
    CommandTimeoutError,
    NonZeroExitCodeError,
    SessionDoesNotExistError,
)
from swerex.runtime.abstract import (
    AbstractRuntime,
    BashAction,
    CreateBashSessionRequest,
)

from hrmgym.envs.sandboxes.bench import (
    Bench,
    LocalBench,
    RexBench,
    files_of,
    open_bench,
    tree_of,
)
from hrmgym.envs.sandboxes.config import LocalSandboxConfig, SandboxConfig
from hrmgym.envs.sandboxes.environments import fitting
from hrmgym.envs.sandboxes.local.link import GuestDied
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.local.saving import TIMED_OUT, Changed, WorkspaceTooLargeError
from hrmgym.envs.sandboxes.local.tester import Tester
from hrmgym.envs.sandboxes.loops import LoopThread
from hrmgym.envs.sandboxes.retries import Counts, Lost, Retries, failure
from hrmgym.envs.sandboxes.verdicts import testing
from hrmgym.envs.task import NO_ENVIRONMENT, Environment, Limits, Outcome, TestSpec
from hrmgym.envs.workspace import EMPTY, Files
from hrmgym.errors import SandboxError

_SYNTAX_ERROR = 2
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


class _Process:
    """What this process has: the loop of local sandboxes, and all that is started."""

    def __init__(self) -> None:
        self.loop: LoopThread | None = None
        self.lock = threading.Lock()
        self.started: set[_Parts] = set()


_process = _Process()
_inherited: list[object] = []  # kept, for their destructors would act on the parent's sandboxes


def _after_fork() -> None:
    global _process
    for parts in _process.started:
        _inherited.append((parts.inside, parts.tester))
        parts.inside = parts.tester = None
        parts.turn = threading.Lock()
    _inherited.append(_process)
    _process = _Process()


def _at_exit() -> None:
    for parts in list(_process.started):
        with suppress(Exception):
            parts.close(patience_s=1)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)


class TestRunner(Protocol):
    """Where tests run: a `Sandbox`, or a `Pool` of them."""

    @property
    def kind(self) -> str:
        """The sandbox's `type`, as its config block has it."""

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Outcome:
        """See `Sandbox.run_tests`."""

    def within(self, environment: Environment) -> TestRunner:
        """See `Sandbox.within`."""


class _Parts:
    """What of a sandbox is started. It does not know the sandbox, which may be collected."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.inside: _Inside | None = None
        self.tester: Tester | None = None
        self.counts = Counts()
        self.turn = threading.Lock()
        """Held during a test run."""

    def start(self) -> _Inside:
        """What the sandbox's methods work with."""
        if self.inside is None:
            with _process.lock:
                if isinstance(self.config, LocalSandboxConfig):
                    _process.loop = _process.loop or LoopThread()
                    loop = _process.loop
                else:
                    loop = LoopThread()
                self.inside = _Inside(self.config.deployment(), loop)
                _process.started.add(self)
        return self.inside

    @property
    def isolated(self) -> bool:
        """Whether foreign code cannot reach the processes that serve it."""
        return self.inside is not None and self.inside.isolated

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool
    ) -> Outcome:
        """One run, without a second try."""
        inside = self.start()
        if self.tester is None:
            runtime = inside.loop.run(inside.runtime())
            if not isinstance(runtime, LocalRuntime):
                return inside.loop.run(inside.run_tests(files, tests, limits))
            self.tester = Tester(runtime)
        return self.tester.run(files, tests, limits, fresh=fresh)

    def renew_tester(self) -> None:
        """Get new guests for tests."""
        if self.tester is not None:
            self.tester.renew()

    def close(self, patience_s: float = -1) -> None:
        """End it all, after the test run that another thread may be making."""
        inside, self.inside = self.inside, None
        _process.started.discard(self)
        try:
            if self.turn.acquire(timeout=patience_s):
                try:
                    tester, self.tester = self.tester, None
                    if tester is not None:
                        tester.close()
                finally:
                    self.turn.release()
        finally:
            _stop(inside)

    def close_work(self) -> None:
        """End the workspace and its session."""
        inside, self.inside = self.inside, None
        _stop(inside)

    def drop(self) -> None:
        """`close`, from a thread that must not wait: the sandbox was collected."""
        if self in _process.started:
            threading.Thread(target=self.close, name="hrmgym-close", daemon=True).start()


def _stop(inside: _Inside | None) -> None:
    if inside is not None:
        try:
            inside.loop.run(inside.stop())
        finally:
            if inside.loop is not _process.loop:
                inside.loop.close()


class Sandbox:
    """A place where foreign code runs. It starts when it is first needed.

    Test runs and the workspace are apart from each other: every test run has a fresh process and
    fresh files; `put_files`, `run_command` and `get_files` share one workspace and one bash.

    Args:
        config: Which kind; by default a local one.
    """

    def __init__(self, config: SandboxConfig | None = None) -> None:
        self.config: SandboxConfig = config or LocalSandboxConfig()
        self._parts = parts = _Parts(self.config)
        self._retries = Retries(parts.renew_tester, lambda: parts.isolated, parts.counts)
        self._commands = Retries(parts.close_work, lambda: parts.isolated, parts.counts)
        self._dropped = weakref.finalize(self, parts.drop)
        self._dropped.atexit = False
        self._within: dict[Environment, Sandbox] = {}

    @property
    def kind(self) -> str:
        """See `TestRunner.kind`."""
        return self.config.type

    @property
    def counts(self) -> Counts:
        """What it has done so far."""
        return self._parts.counts

    @property
    def started(self) -> bool:
        """Whether something of it may run."""
        return self._parts.inside is not None

    def within(self, environment: Environment) -> Sandbox:
        """The same kind of sandbox with a task's environment, which ends with this one.

        Raises:
            SandboxError: This machine, or this kind of sandbox, cannot give it.
        """
        if environment == NO_ENVIRONMENT:
            return self
        found = self._within.pop(environment, None)
        if found is None:
            config = fitting(self.config, environment)
            if config == self.config:
                return self
            found = Sandbox(config)
        for other in self._within.values():
            if other.started:
                other.close()  # it starts anew when it is used again
        self._within[environment] = found
        return found

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Outcome:
        """Run tests on a workspace that holds `files` and nothing else, one run at a time.

        Args:
            files: Path -> text.
            tests: What to run.
            limits: What one run may use.
            fresh: Whether to run in a sandbox that has never run anything, as grades do: a few
                milliseconds more. Other sandboxes than local ones renew files and processes only.

        Returns:
            The outcome; with a `failure` when the sandbox was lost again and again, see `retries`.

        Raises:
            SandboxError: The sandbox cannot be started, or does not do what it was asked to.
        """
        with self._parts.turn:
            try:
                return self._retries.persist(
                    lambda: self._parts.run_tests(files, tests, limits, fresh=fresh),
                    lambda outcome: outcome.killed,
                )
            except Lost as reason:
                return failure(tests, reason)

    def run_command(self, command: str, timeout_s: float = 60.0) -> tuple[str, int]:
        """Run a bash command in the session, which starts in the workspace.

        Returns:
            Output, and exit code: 124 for a command that was killed because its time was up.
        """
        inside = self._start()
        return inside.loop.run(inside.run_command(command, timeout_s))

    def run_command_in(
        self, files: Mapping[str, str | bytes], command: str, timeout_s: float = 60.0
    ) -> tuple[str, int]:
        """`put_files` and `run_command` in one, made again as test runs are when it is lost.

        Raises:
            SandboxError: The sandbox was lost again and again.
        """

        def attempt() -> tuple[str, int]:
            self.put_files(files)
            try:
                return self.run_command(command, timeout_s)
            # Lost between its start and its command, or before it was in the workspace.
            except (SessionDoesNotExistError, NonZeroExitCodeError) as error:
                raise GuestDied(str(error)) from None

        try:
            return self._commands.persist(attempt, lambda done: done[1] in _KILLED)
        except Lost as reason:
            raise SandboxError(str(reason), reason.code) from reason

    def put_files(self, files: Mapping[str, str | bytes]) -> None:
        """Make the workspace hold `files` and nothing else."""
        inside = self._start()
        inside.loop.run(inside.put_files(files))

    def get_files(self) -> dict[str, bytes]:
        """Every regular file of the workspace, links not followed."""
        inside = self._start()
        return inside.loop.run(inside.get_files())

    def save(self) -> Files:
        """What the workspace holds: files with their permissions, links and folders, exactly.

        It costs as much as has changed since the last `restore`, whatever the tree's size.

        Raises:
            WorkspaceTooLargeError: More has changed than a state may hold.
        """
        inside = self._start()
        return inside.loop.run(inside.save())

    def restore(self, files: Files) -> None:
        """Make the workspace hold `files` and nothing else; only what differs is touched.

        What commands have left running is killed. A local sandbox's session lives on, unless the
        files are of another large base.
        """
        inside = self._start()
        inside.loop.run(inside.restore(files))

    def fork(self) -> Sandbox:
        """Another sandbox, whose workspace holds the same."""
        other = Sandbox(self.config)
        other.restore(self.save())
        return other

    def change(self, files: Files, command: str, timeout_s: float = 60.0) -> Changed:
        """Run a bash command on `files`, in a subshell at the workspace's root.

        Nothing else is left of it: what it has started is killed, and it finds an empty /tmp. It
        is made again as test runs are when the sandbox is lost.

        Raises:
            SandboxError: The sandbox was lost again and again.
        """

        def attempt() -> Changed:
            inside = self._start()
            return inside.loop.run(inside.change(files, command, timeout_s))

        try:
            return self._commands.persist(attempt, lambda done: done.status in _KILLED)
        except Lost as reason:
            raise SandboxError(str(reason), reason.code) from reason

    def _start(self) -> _Inside:
        return self._parts.start()

    def close(self) -> None:
        """End the sandbox; returns when every process of it is dead. It may be used again."""
        others, self._within = self._within, {}
        try:
            for other in others.values():
                other.close()
        finally:
            self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Inside:
    """A started sandbox. Its methods run in its loop."""

    def __init__(self, deployment: AbstractDeployment, loop: LoopThread) -> None:
        self.loop = loop
        self._deployment = deployment
        self._started = False
        self._tests: Bench | None = None
        self._work: LocalBench | RexBench | None = None
        self._base = EMPTY
        self._has_session = False
        self._turn = asyncio.Lock()
        self._testing = asyncio.Lock()

    async def runtime(self) -> AbstractRuntime:
        """The runtime, started."""
        async with self._turn:
            if not self._started:
                await self._deployment.start()  # type: ignore[no-untyped-call]
                self._started = True
        return self._deployment.runtime

    @property
    def isolated(self) -> bool:
        """Whether foreign code cannot reach the processes that serve it."""
        runtime = self._deployment.runtime if self._started else None
        return isinstance(runtime, LocalRuntime) and runtime.isolated

    async def _open_work(self) -> LocalBench | RexBench:
        runtime = await self.runtime()
        if self._work is None:
            self._work = await open_bench(runtime)
        return self._work

    async def run_tests(self, files: Mapping[str, str], tests: TestSpec, limits: Limits) -> Outcome:
        runtime = await self.runtime()
        async with self._testing:
            if self._tests is None:
                self._tests = await open_bench(runtime)
            return await testing.run_tests(self._tests, files, tests, limits)

    async def run_command(self, command: str, timeout_s: float) -> tuple[str, int]:
        bench = await self._open_work()
        if isinstance(bench, RexBench):  # not SWE-ReX's sessions: what runs there can forge them
            return await bench.run_command(command, timeout_s)
        runtime = await self.runtime()
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
            said = getattr(error, "output", "")
            return f"{said}[killed after {timeout_s:g} s]\n", TIMED_OUT
        return seen.output, -1 if seen.exit_code is None else seen.exit_code

    async def _open_session(self, runtime: AbstractRuntime, root: str) -> None:
        await runtime.create_session(CreateBashSessionRequest(startup_timeout=10.0))
        self._has_session = True
        await runtime.run_in_session(BashAction(command=f"cd {root}", timeout=10.0))

    async def put_files(self, files: Mapping[str, str | bytes]) -> None:
        bench = await self._open_work()
        try:
            await bench.replace(files)
        except GuestDied:  # what is lost with it was to be replaced anyway
            await bench.replace(files)

    async def get_files(self) -> dict[str, bytes]:
        return await (await self._open_work()).read_all()

    async def save(self) -> Files:
        bench = await self._open_work()
        if isinstance(bench, RexBench):
            return files_of(await bench.read_tree(), self._base)
        return await bench.save()

    async def restore(self, files: Files) -> None:
        bench = await self._open_work()
        self._base = files.base
        if isinstance(bench, RexBench):
            await bench.replace_tree(tree_of(files))
        else:
            await bench.restore(files)

    async def change(self, files: Files, command: str, timeout_s: float) -> Changed:
        bench = await self._open_work()
        if not isinstance(bench, RexBench):
            return await bench.change(files, command, timeout_s)
        await self.restore(files)
        apart = f"(eval {shlex.quote(command)})"
        output, status = await bench.run_command(apart, timeout_s, alone=True)
        try:
            files = await self.save()
        except WorkspaceTooLargeError as error:
            output += f"[{error}: no change is kept]\n"
        return Changed(output, status, files)

    async def stop(self) -> None:
        for bench in (self._tests, self._work):
            if isinstance(bench, RexBench):
                with suppress(Exception):  # a machine that is gone has nothing left to remove
                    await bench.remove()
        if self._started:
            await self._deployment.stop()  # type: ignore[no-untyped-call]
