"""`Sandbox`: the synchronous handle that environments use, and that tries again.

It wraps any `Executor`. A forked process gets executors of its own.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from hrmgym.envs.sandboxes.config import ExecutorConfig, LocalSandboxConfig
from hrmgym.envs.sandboxes.environments import fitting
from hrmgym.envs.sandboxes.executor import Changed, Executor, ScreeningExecutor
from hrmgym.envs.sandboxes.retries import Counts, Lost, Retries, failure
from hrmgym.envs.sandboxes.verdicts import calltests, screens
from hrmgym.envs.task import (
    NO_ENVIRONMENT,
    CallCase,
    CallTests,
    Environment,
    Limits,
    Outcome,
    TestSpec,
)
from hrmgym.envs.workspace import Files
from hrmgym.errors import SandboxError

_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


class _Process:
    """What this process has started."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.started: set[_Parts] = set()


_process = _Process()
_inherited: list[object] = []  # kept, for their destructors would act on the parent's sandboxes


def _after_fork() -> None:
    global _process
    for parts in _process.started:
        _inherited.append(parts.executor)
        parts.executor = None
        parts.turn = threading.Lock()
    _inherited.append(_process)
    _process = _Process()


def _at_exit() -> None:
    for parts in list(_process.started):
        with suppress(Exception):
            parts.close(patience_s=1)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)


class _Parts:
    """What of a sandbox is started. It does not know the sandbox, which may be collected."""

    def __init__(self, config: ExecutorConfig) -> None:
        self.config = config
        self.executor: Executor | None = None
        self.counts = Counts()
        self.turn = threading.Lock()
        """Held during a test run."""

    def start(self) -> Executor:
        """What the sandbox's methods work with."""
        if self.executor is None:
            with _process.lock:
                if self.executor is None:
                    self.executor = self.config.executor()
                    _process.started.add(self)
                return self.executor
        return self.executor

    @property
    def isolated(self) -> bool:
        """See `Executor.isolated`."""
        return self.executor is not None and self.executor.isolated

    def renew_tests(self) -> None:
        """Get other processes for tests."""
        if self.executor is not None:
            self.executor.renew_tests()

    def renew_workspace(self) -> None:
        """End the workspace and its session."""
        if self.executor is not None:
            self.executor.renew_workspace()

    def close(self, patience_s: float = -1) -> None:
        """End it all, after the test run that another thread may be making."""
        executor, self.executor = self.executor, None
        _process.started.discard(self)
        if executor is None:
            return
        if self.turn.acquire(timeout=patience_s):
            try:
                executor.close()
            finally:
                self.turn.release()
        else:
            executor.renew_workspace()

    def drop(self) -> None:
        """`close`, from a thread that must not wait: the sandbox was collected."""
        if self in _process.started:
            threading.Thread(target=self.close, name="hrmgym-close", daemon=True).start()


class Sandbox:
    """A place where foreign code runs. It starts when it is first needed.

    Test runs and the workspace are apart from each other: every test run has a fresh process and
    fresh files; `put_files`, `run_command` and `get_files` share one workspace and one bash.

    Args:
        config: Which kind; by default a local one.
    """

    def __init__(self, config: ExecutorConfig | None = None) -> None:
        self.config: ExecutorConfig = config or LocalSandboxConfig()
        self._parts = parts = _Parts(self.config)
        self._retries = Retries(parts.renew_tests, lambda: parts.isolated, parts.counts)
        self._commands = Retries(parts.renew_workspace, lambda: parts.isolated, parts.counts)
        self._dropped = weakref.finalize(self, parts.drop)
        self._dropped.atexit = False
        self._within: dict[Environment, Sandbox] = {}

    def keeps_apart(self, environment: Environment = NO_ENVIRONMENT) -> bool:
        """See `TestRunner.keeps_apart`."""
        return self.config.keeps_apart(environment)

    @property
    def counts(self) -> Counts:
        """What it has done so far."""
        return self._parts.counts

    @property
    def started(self) -> bool:
        """Whether something of it may run."""
        return self._parts.executor is not None

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
                    lambda: self._parts.start().run_tests(files, tests, limits, fresh=fresh),
                    lambda outcome: outcome.killed,
                )
            except Lost as reason:
                return failure(tests, reason)

    def call(
        self,
        files: Mapping[str, str],
        path: str,
        function: str,
        args: Sequence[Any] = (),
        limits: Limits = Limits(),  # noqa: B008
    ) -> Any:
        """Call a function of a program with plain values, in a fresh process with fresh files.

        Args:
            files: Path -> text.
            path: The module's file.
            function: Its name; dotted for a method.
            args: What it is called with.
            limits: What the call may use.

        Returns:
            What it returned; `inside.values.Opaque` in the place of what is not plain.

        Raises:
            CodeError: It did not return.
            SandboxError: An argument is not plain, or the sandbox was lost again and again.
        """
        case = CallCase(id="call", args=tuple(args), expected=None)
        tests = CallTests(path=path, function=function, cases=(case,))
        with self._parts.turn:
            try:
                reply = self._retries.persist(
                    lambda: self._parts.start().call(files, tests, limits),
                    lambda reply: calltests.judge(tests, reply, limits).killed,
                )
            except Lost as reason:
                raise SandboxError(str(reason), reason.code) from reason
        return calltests.returned(tests, reply, limits)

    def screen(self, request: screens.Request, texts: Sequence[str]) -> screens.Reply | None:
        """Try texts of one file; at least the first of them.

        Returns:
            What they came to, which is no verdict: see `hrmgym.envs.edits.screen`. None where this
            kind of sandbox has no screens.

        Raises:
            SandboxError: The sandbox was lost again and again, or cannot be started.
        """
        with self._parts.turn:
            executor = self._parts.start()
            if not isinstance(executor, ScreeningExecutor):
                return None
            try:
                return self._retries.persist(
                    lambda: _screening(self._parts.start()).screen(request, texts),
                    lambda reply: False,
                )
            except Lost as reason:
                raise SandboxError(str(reason), reason.code) from reason

    def run_command(self, command: str, timeout_s: float = 60.0) -> tuple[str, int]:
        """Run a bash command in the session, which starts in the workspace.

        Returns:
            Output, and exit code: 124 for a command that was killed because its time was up.
        """
        return self._parts.start().run_command(command, timeout_s)

    def run_command_in(
        self, files: Mapping[str, str | bytes], command: str, timeout_s: float = 60.0
    ) -> tuple[str, int]:
        """`put_files` and `run_command` in one, made again as test runs are when it is lost.

        Raises:
            SandboxError: The sandbox was lost again and again.
        """

        def attempt() -> tuple[str, int]:
            self.put_files(files)
            return self.run_command(command, timeout_s)

        try:
            return self._commands.persist(attempt, lambda done: done[1] in _KILLED)
        except Lost as reason:
            raise SandboxError(str(reason), reason.code) from reason

    def put_files(self, files: Mapping[str, str | bytes]) -> None:
        """Make the workspace hold `files` and nothing else."""
        self._parts.start().put_files(files)

    def get_files(self) -> dict[str, bytes]:
        """Every regular file of the workspace, links not followed."""
        return self._parts.start().get_files()

    def save(self) -> Files:
        """What the workspace holds: files with their permissions, links and folders, exactly.

        It costs as much as has changed since the last `restore`, whatever the tree's size.

        Raises:
            WorkspaceTooLargeError: More has changed than a state may hold.
        """
        return self._parts.start().save()

    def restore(self, files: Files) -> None:
        """Make the workspace hold `files` and nothing else; only what differs is touched.

        What commands have left running is killed. A local sandbox's session lives on, unless the
        files are of another large base.
        """
        self._parts.start().restore(files)

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
            return self._parts.start().change(files, command, timeout_s)

        try:
            return self._commands.persist(attempt, lambda done: done.status in _KILLED)
        except Lost as reason:
            raise SandboxError(str(reason), reason.code) from reason

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


def _screening(executor: Executor) -> ScreeningExecutor:
    assert isinstance(executor, ScreeningExecutor)
    return executor
