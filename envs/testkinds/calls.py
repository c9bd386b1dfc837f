"""Calls of one function: see `CallTests`. How they are judged is in `verdicts.calltests`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from hrmgym.envs.kinds import Mode, TestKind
from hrmgym.envs.outcome import Outcome
from hrmgym.envs.sandboxes.verdicts import calltests
from hrmgym.envs.testkinds.fields import DOTTED, Model, Path, TestsLine, Value, pattern_of
from hrmgym.envs.testspecs import CallCase, CallTests

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.bench import Bench
    from hrmgym.envs.sandboxes.verdicts.screens import Plan
    from hrmgym.envs.task import Limits


class Case(Model):
    """One call of the function under test, and what it must return or raise."""

    args: list[Value]
    expected: Value = None
    raises: str = Field(default="", pattern=rf"^$|^([\w.]+:)?{DOTTED[1:]}")
    match: Annotated[str, AfterValidator(pattern_of)] = ""
    id: str | None = Field(default=None, min_length=1)
    compare: Literal["equal", "approx"] = "equal"
    tolerance: float = Field(default=0.0, ge=0)
    consume: bool = False

    @model_validator(mode="after")
    def _returns_or_raises(self) -> Case:
        if ("expected" in self.model_fields_set) == bool(self.raises):
            raise ValueError("give either expected or raises")
        if self.match and not self.raises:
            raise ValueError("match goes with raises")
        return self


class CallsLine(TestsLine):
    """Calls of one function."""

    kind: Literal["calls"]
    path: Path
    function: str = Field(pattern=DOTTED)
    cases: list[Case] = Field(min_length=1)

    def spec(self) -> CallTests:
        """The tests."""
        cases = [
            CallCase(
                id=case.id or f"case-{number}",
                args=tuple(case.args),
                **case.model_dump(exclude={"id", "args", "expected"}),
                expected=case.expected,
            )
            for number, case in enumerate(self.cases, start=1)
        ]
        return CallTests(path=self.path, function=self.function, cases=tuple(cases))

    def paths(self) -> dict[str, str]:
        """The file that holds what is tested."""
        return {"path": self.path}


class Calls(TestKind[CallTests]):
    """Calls of one function."""

    line = CallsLine

    async def run(
        self, bench: Bench, files: Mapping[str, str], tests: CallTests, limits: Limits
    ) -> Outcome:
        """The guest makes the calls, and the results are compared here."""
        reply = await bench.run_calls(calltests.request(files, tests, limits), limits)
        return calltests.judge(tests, reply, limits)

    def mode(self, tests: CallTests, *, keeps_apart: bool) -> tuple[Mode, str]:
        """Apart: the expected values never enter a sandbox."""
        return "apart", ""

    def screen(self, files: Mapping[str, str], tests: CallTests, path: str) -> Plan | str:
        """All calls, with what they are to return, in one process."""
        if path != tests.path:
            return f"the calls are of {tests.path}, which imports {path}"
        return calltests.screen_plan(tests)

    def in_order(self, tests: CallTests) -> tuple[Hashable, tuple[str, ...]]:
        """Calls share a process, in their order."""
        return (tests.path, tests.function), tuple(_told(case) for case in tests.cases)


def _told(case: CallCase) -> str:
    rule = case.id, case.compare, case.tolerance, case.consume, case.raises, case.match
    try:
        return repr((*rule, case.args, case.expected))
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits, or nested deeply
        return f"{rule} {id(case)}"  # like nothing else: the case lives as long as what it is in
