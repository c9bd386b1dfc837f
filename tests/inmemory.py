"""An executor without a process: what is wrapped around executors is tested with it."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from hrmgym.envs.sandboxes.config import ExecutorConfig
from hrmgym.envs.sandboxes.executor import Changed
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.verdicts.calltests import Reply
from hrmgym.envs.task import CallTests, Environment, Limits, Outcome, Status, TestSpec
from hrmgym.envs.workspace import EMPTY, Files


@dataclass(frozen=True)
class Asked:
    """One run of tests."""

    files: Mapping[str, str]
    tests: TestSpec
    limits: Limits
    fresh: bool


Answer = Callable[[Asked], Outcome]


def passing(asked: Asked) -> Outcome:
    """Every test passes."""
    return Outcome(tests=dict.fromkeys(asked.tests.test_ids, Status.PASSED))


def calling(asked: Asked) -> Outcome:
    """Calls are made here, in this process: for programs that the tests themselves hold."""
    assert isinstance(asked.tests, CallTests)
    found: dict[str, object] = {}
    exec(asked.files[asked.tests.path], found)
    function = found[asked.tests.function]
    assert callable(function)
    right = {case.id: function(*case.args) == case.expected for case in asked.tests.cases}
    return Outcome(
        tests={name: Status.PASSED if one else Status.FAILED for name, one in right.items()}
    )


class InMemory:
    """Answers test runs, and keeps files that `cat`, `put PATH TEXT` and `rm` work on.

    Args:
        answer: The outcome of a run.
        losses: Raised by the next calls, one each.
        isolated: See `Executor.isolated`.
    """

    def __init__(
        self, answer: Answer = passing, losses: Iterable[Exception] = (), *, isolated: bool = True
    ) -> None:
        self.answer, self.losses, self.isolated = answer, list(losses), isolated
        self.asked: list[Asked] = []
        self.files: Files = EMPTY
        self.calls: list[str] = []
        """Names of the methods that ended something, in the order of the calls."""

    def _lose(self) -> None:
        if self.losses:
            raise self.losses.pop(0)

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool
    ) -> Outcome:
        self.asked.append(Asked(files, tests, limits, fresh))
        self._lose()
        return self.answer(self.asked[-1])

    def call(self, files: Mapping[str, str], tests: CallTests, limits: Limits) -> Reply:
        self._lose()
        found: dict[str, Any] = {}
        exec(files[tests.path], found)
        returned = (found[tests.function](*case.args) for case in tests.cases)
        lines = [json.dumps(["ok", values.encode(value)]) for value in returned]
        return Reply("".join(f"{line}\n" for line in lines).encode(), 0, 0.0, 0.0)

    def run_command(self, command: str, timeout_s: float) -> tuple[str, int]:
        self._lose()
        program, path, *rest = shlex.split(command)
        if program == "put":
            self.files = self.files.with_text(path, " ".join(rest))
            return "", 0
        if path not in self.files:
            return f"{program}: {path}: No such file or directory\n", 1
        if program == "cat":
            return self.files[path], 0
        self.files = self.files.without(path)
        return "", 0

    def change(self, files: Files, command: str, timeout_s: float) -> Changed:
        self.restore(files)
        return Changed(*self.run_command(command, timeout_s), self.files)

    def put_files(self, files: Mapping[str, str | bytes]) -> None:
        self.files = Files.of(files)

    def get_files(self) -> dict[str, bytes]:
        return {path: self.files[path].encode() for path in self.files}

    def save(self) -> Files:
        return self.files

    def restore(self, files: Files) -> None:
        self.files = files

    def renew_tests(self) -> None:
        self.calls.append("renew_tests")

    def renew_workspace(self) -> None:
        self.calls.append("renew_workspace")

    def close(self) -> None:
        self.calls.append("close")


class InMemoryConfig(ExecutorConfig):
    """The block of such a sandbox, unlike any other's."""

    images = "own"

    type: Literal["memory"] = "memory"
    image: str = ""
    number: int = Field(default_factory=itertools.count().__next__)
    make: Callable[[], InMemory] = Field(default=InMemory, exclude=True)
    apart: bool = True

    def keeps_apart(self, environment: Environment) -> bool:
        return self.apart

    def executor(self) -> InMemory:
        return self.make()


def config_of(executor: InMemory) -> InMemoryConfig:
    """The config of sandboxes with this one executor."""
    return InMemoryConfig(make=lambda: executor)


def sandbox_of(answer: Answer = passing) -> Sandbox:
    """A sandbox whose test runs are answered so."""
    return Sandbox(config_of(InMemory(answer)))
