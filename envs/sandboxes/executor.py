"""What runs foreign code: the one contract of every deployment.

`local/executor.py` and `remote/executor.py` implement it. Which one a sandbox has follows from its
config block, whose `executor` makes it; nothing else asks. Tries, limits, reason codes and memory
are wrapped around any of them: by `Sandbox`, by `Pool`, and by `hrmgym.envs.outcome_cache`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from hrmgym.envs.sandboxes.verdicts import screens
from hrmgym.envs.sandboxes.verdicts.calltests import Reply
from hrmgym.envs.task import NO_ENVIRONMENT, CallTests, Environment, Limits, Outcome, TestSpec
from hrmgym.envs.workspace import Files
from hrmgym.errors import SandboxError

TIMED_OUT = 124  # as timeout(1) has it
MOST_BYTES = 64 << 20  # of the files in a workspace that differ from those it began with


class WorkspaceTooLargeError(SandboxError):
    """Commands have written more than a state may hold."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a command did to files."""

    output: str
    status: int
    """Its exit code; 124 where its time was up."""
    files: Files
    """What the workspace holds now. As before where it holds more than a state may."""


class TestRunner(Protocol):
    """Where tests run: a `Sandbox`, a `Pool` of them, or what is wrapped around either."""

    def keeps_apart(self, environment: Environment = NO_ENVIRONMENT) -> bool:
        """Whether tests in that environment can run in another process than the tested code."""

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Outcome:
        """See `Sandbox.run_tests`."""

    def within(self, environment: Environment) -> TestRunner:
        """See `Sandbox.within`."""


class Executor(Protocol):
    """Runs tests and commands, once each and without a second try. It starts when first needed.

    Test runs and the workspace are apart from each other. One test run, or call,
    may be made at a time; the rest may be called by any thread meanwhile.

    Every method may raise `failures.GuestDied` where what serves it was lost, `OSError` or
    `SandboxError` where something on our side is lacking, and `SandboxUnavailableError` where this
    machine cannot give what the config asks for.
    """

    @property
    def isolated(self) -> bool:
        """Whether foreign code cannot reach the processes that serve it."""

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool
    ) -> Outcome:
        """Run tests on `files`; `fresh`: where nothing has run before."""

    def call(self, files: Mapping[str, str], tests: CallTests, limits: Limits) -> Reply:
        """Make calls of a function in a fresh process with `files`; nothing is judged."""

    def run_command(self, command: str, timeout_s: float) -> tuple[str, int]:
        """Run a bash command in the workspace's session: output and exit code."""

    def change(self, files: Files, command: str, timeout_s: float) -> Changed:
        """Run a bash command on `files`, of which nothing else is left."""

    def put_files(self, files: Mapping[str, str | bytes]) -> None:
        """Make the workspace hold `files` and nothing else."""

    def get_files(self) -> dict[str, bytes]:
        """Every regular file of the workspace, links not followed."""

    def save(self) -> Files:
        """What the workspace holds, exactly.

        Raises:
            WorkspaceTooLargeError: More has changed than a state may hold.
        """

    def restore(self, files: Files) -> None:
        """Make the workspace hold `files` alone; what commands left running is killed."""

    def renew_tests(self) -> None:
        """Have the next test run begin with other processes: one was lost."""

    def renew_workspace(self) -> None:
        """End the workspace and its session; the next command gets others."""

    def close(self) -> None:
        """End everything, for good; returns when every process of it is dead."""


@runtime_checkable
class ScreeningExecutor(Protocol):
    """What an executor may do beyond its contract; where it does not, edits have ordinary runs."""

    def screen(self, request: screens.Request, texts: Sequence[str]) -> screens.Reply:
        """Try texts of a file in a process that tries more than one: at least the first.

        It raises what the methods of an `Executor` do. Nothing that it says is a verdict.
        """


@runtime_checkable
class ScreeningRunner(Protocol):
    """A `Sandbox` or a `Pool`, or what is wrapped around either, that passes screens on."""

    def screen(self, request: screens.Request, texts: Sequence[str]) -> screens.Reply | None:
        """See `Sandbox.screen`."""
