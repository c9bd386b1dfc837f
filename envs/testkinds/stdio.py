"""Runs of a program: see `StdioTests`. How they are judged is in `verdicts.stdiotests`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hrmgym.envs.kinds import Mode, TestKind
from hrmgym.envs.outcome import Outcome
from hrmgym.envs.sandboxes.verdicts import stdiotests
from hrmgym.envs.testkinds.fields import Model, Path, TestsLine
from hrmgym.envs.testspecs import StdioCase, StdioTests

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.bench import Bench
    from hrmgym.envs.sandboxes.verdicts.screens import Plan
    from hrmgym.envs.task import Limits


class Run(Model):
    """One run of a program: what it reads, and what it must print."""

    stdin: str
    expected: str
    id: str | None = Field(default=None, min_length=1)


class StdioLine(TestsLine):
    """Runs of a program that reads standard input."""

    kind: Literal["stdio"]
    path: Path
    cases: list[Run] = Field(min_length=1)
    compare: Literal["lines", "tokens", "exact"] = "lines"

    def spec(self) -> StdioTests:
        """The tests."""
        cases = [
            StdioCase(id=case.id or f"case-{number}", stdin=case.stdin, expected=case.expected)
            for number, case in enumerate(self.cases, start=1)
        ]
        return StdioTests(path=self.path, cases=tuple(cases), compare=self.compare)

    def paths(self) -> dict[str, str]:
        """The file that holds what is tested."""
        return {"path": self.path}


class Stdio(TestKind[StdioTests]):
    """Runs of a program."""

    line = StdioLine

    async def run(
        self, bench: Bench, files: Mapping[str, str], tests: StdioTests, limits: Limits
    ) -> Outcome:
        """The guest runs the program, and what it prints is compared here."""
        reply = await bench.run_calls(stdiotests.request(files, tests, limits), limits)
        return stdiotests.judge(tests, reply, limits)

    def mode(self, tests: StdioTests, *, keeps_apart: bool) -> tuple[Mode, str]:
        """Apart: the expected output never enters a sandbox."""
        return "apart", ""

    def screen(self, files: Mapping[str, str], tests: StdioTests, path: str) -> Plan | str:
        """All runs, with what they are to print, in one process."""
        if path != tests.path:
            return f"the program is {tests.path}, which imports {path}"
        return stdiotests.screen_plan(tests)

    def in_order(self, tests: StdioTests) -> tuple[Hashable, tuple[str, ...]]:
        """Runs share a folder, in their order."""
        runs = (repr((case.id, case.stdin, case.expected)) for case in tests.cases)
        return (tests.path, tests.compare), tuple(runs)
