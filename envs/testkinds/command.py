"""One command that decides by how it ends: see `CommandTests`."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hrmgym.envs.kinds import Mode, TestKind
from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.sandboxes.verdicts.pytest_outcome import is_timeout
from hrmgym.envs.testkinds.complaints import first_complaint
from hrmgym.envs.testkinds.fields import FilesField, TestsLine
from hrmgym.envs.testkinds.laying import laid_over
from hrmgym.envs.testspecs import CommandTests
from hrmgym.envs.workspace import Files

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.bench import Bench, Ran
    from hrmgym.envs.task import Limits


class CommandLine(TestsLine):
    """One command, which passes when it exits with 0."""

    kind: Literal["command"]
    command: list[str] = Field(min_length=1)
    files: FilesField = Field(default_factory=dict)

    def spec(self) -> CommandTests:
        """The tests."""
        return CommandTests(command=tuple(self.command), files=self.files)


class Command(TestKind[CommandTests]):
    """One command."""

    line = CommandLine

    async def run(
        self, bench: Bench, files: Mapping[str, str], tests: CommandTests, limits: Limits
    ) -> Outcome:
        """It passes where it ends with exit code 0."""
        await bench.renew(laid_over(Files.of(files), tests.files), limits)
        return _judge(bench.root, tests, await bench.run(tests.command, limits))

    def mode(self, tests: CommandTests, *, keeps_apart: bool) -> tuple[Mode, str]:
        """In a harness: the command may let the tested code do anything."""
        return "harness", f"the exit status of {tests.command[0]!r} decides"


def _judge(root: str, tests: CommandTests, ran: Ran) -> Outcome:
    (name,) = tests.test_ids
    if ran.status == 0:
        return Outcome(tests={name: Status.PASSED}, cpu_s=ran.cpu_s, wall_s=ran.wall_s)
    if is_timeout(ran.status):
        message = f"{tests.command[0]} timed out"
        return Outcome(
            tests={name: Status.TIMEOUT}, message=message, cpu_s=ran.cpu_s, wall_s=ran.wall_s
        )
    message, path, line = first_complaint(ran.output, root, ran.status)
    return Outcome(
        tests={name: Status.FAILED},
        message=message,
        path=path,
        line=line,
        cpu_s=ran.cpu_s,
        wall_s=ran.wall_s,
        killed=ran.status == -signal.SIGKILL,
    )
