"""Tests of a task, by kind: plain frozen data that does no I/O.

What is done with a kind of tests (how it runs, how a task file says it, what an agent is told of
it, how statuses come of it) is in its module in `hrmgym.envs.testkinds`. A kind of your own is a
subclass of `TestSpec` with a `kind`, and a line of registration there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from hrmgym.envs.sandboxes.inside import selection
from hrmgym.errors import DataError, did_you_mean

#: A plain Python value: None, bool, int, float, str, bytes, list, tuple, set, frozenset or dict of
#: such values, or a class or `Named`. Arguments and results of call tests are of this kind.
Value = Any


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSpec:
    """Tests of one task, by id. What runs them is said by their kind.

    `fail_to_pass` names the tests that a solution must turn, `pass_to_pass` those that it must not
    break; both are empty where a benchmark does not tell them apart.
    """

    __test__: ClassVar[bool] = False  # not a pytest class
    kind: ClassVar[str] = ""
    """Name of a registered kind of tests, or `module:Class` of one: see `hrmgym.envs.testkind`."""

    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks that every id names one test.

        Raises:
            DataError: An id stands twice, so that one outcome would hide another.
        """
        twice = [name for name, times in Counter(self.test_ids).items() if times > 1]
        if twice:
            raise DataError(f"test id {twice[0]!r} stands twice; ids must differ within a set")

    @property
    def test_ids(self) -> tuple[str, ...]:
        """Ids of all tests that count, in the order in which they run."""
        return self.fail_to_pass + self.pass_to_pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCase:
    """One call of the function under test, and what it must return or raise."""

    id: str
    args: tuple[Value, ...]
    expected: Value
    compare: Literal["equal", "approx"] = "equal"
    """`equal` is Python's `==`, but a NaN is what a NaN here asks for; `approx` allows an absolute
    difference of `tolerance`."""
    tolerance: float = 0.0
    consume: bool = False
    """Compare `list(result)`: the function may return any iterable."""
    raises: str = ""
    """The exception that the call must raise instead of returning, or a base of it: a builtin's
    name, or `module:name`. `expected` is None then."""
    match: str = ""
    """A regular expression that is found in the text of that exception."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTests(TestSpec):
    """Calls of one function. The expected values stay outside every sandbox."""

    kind: ClassVar[str] = "calls"

    path: str
    """File, in the workspace, that defines the function."""
    function: str
    cases: tuple[CallCase, ...]

    @property
    def test_ids(self) -> tuple[str, ...]:
        """Ids of the cases, in order."""
        return tuple(case.id for case in self.cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class PytestTests(TestSpec):
    """Test files for pytest, laid over the workspace only while they run."""

    kind: ClassVar[str] = "pytest"

    files: Mapping[str, str]
    """Path in the workspace -> content; test modules, conftest.py, fixtures."""
    ids: tuple[str, ...]
    """Ids as pytest's command line has them, for example `tests/test_a.py::test_b[case1]`: of one
    test, of a function with all of its parameters, of a class, or of a file. The status of one that
    selects several tests is `PASSED` if all of them pass; else that of the first that neither
    passes nor is skipped; else `SKIPPED`. One that selects no test is `MISSING`."""
    args: tuple[str, ...] = ()
    """Further arguments of pytest."""
    together: bool | str = False
    """Run tests and tested code in one process, which the tested code can then fool: True, or why.
    By default they run apart wherever the tests allow it."""
    tried: bool = False
    """Whether these tests have run apart on the task's known solution and said the same as together
    with it; see `trial.tried`."""

    def __post_init__(self) -> None:
        """Checks that every id can select something, and no other one selects the same.

        Raises:
            DataError: An id cannot select any test of these files, or stands twice.
        """
        TestSpec.__post_init__(self)
        seen: dict[str, str] = {}
        for name in self.ids:
            if why := selection.fault(name):
                raise DataError(f"test id {name!r} {why}")
            path = selection.path_of(name)
            if path not in self.files:
                near = did_you_mean(path, self.files)
                raise DataError(f"test id {name!r}: {path!r} is no file of these tests{near}")
            if (other := seen.setdefault(selection.normal(name), name)) != name:
                raise DataError(f"test ids {other!r} and {name!r} select the same")

    @property
    def test_ids(self) -> tuple[str, ...]:
        """The node ids, in order."""
        return self.ids


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioCase:
    """One run of a program: what it reads, and what it must print."""

    id: str
    stdin: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioTests(TestSpec):
    """Runs of a program that reads standard input. The expected output stays outside."""

    kind: ClassVar[str] = "stdio"

    path: str
    """Python file, in the workspace, that is the program."""
    cases: tuple[StdioCase, ...]
    compare: Literal["lines", "tokens", "exact"] = "lines"
    """`lines`: equal line by line, without blanks around each line and around the whole; `tokens`:
    the same words in the same order; `exact`: the same text."""

    @property
    def test_ids(self) -> tuple[str, ...]:
        """Ids of the cases, in order."""
        return tuple(case.id for case in self.cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTests(TestSpec):
    """One command, run in the workspace, that passes when it exits with 0."""

    kind: ClassVar[str] = "command"

    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=_nothing)
    """Path in the workspace -> content, laid over the workspace only while the command runs."""

    @property
    def test_ids(self) -> tuple[str, ...]:
        """One id, `command`."""
        return ("command",)


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessTests(TestSpec):
    """Tests that a command runs, in any language, and tells of in a log that a parser reads.

    A test passes if the log says so, the log is whole and tells of a test that was put among them
    to fail, and the exit status agrees, also in a second run without that one. `fail_to_pass` and
    `pass_to_pass` name the tests that count, by their ids in the log; what else the log tells of
    does not count.
    """

    kind: ClassVar[str] = "harness"

    command: tuple[str, ...]
    """A program and its arguments, run in the workspace; no shell splits them."""
    parser: str
    """Name of a registered parser of logs, or `module:Class` of one: see
    `hrmgym.envs.testkinds.parsers`."""
    files: Mapping[str, str | bytes] = field(default_factory=_nothing)
    """Path in the workspace -> content, laid over the workspace only while the command runs."""
    reports: tuple[str, ...] = ()
    """Paths in the workspace of files that the command writes, for parsers that read reports
    instead of what the command prints. A file that is there before is removed."""
    control: bool = True
    """Whether a test that fails is put among them, of which the log has to tell: see
    `hrmgym.envs.testkinds.harness`. The command then has to run whole files of tests, not some that
    it selects. Without it, a program that prints a whole log passes."""
    may_change: tuple[str, ...] = ()
    """Patterns of files that the runner obeys, such as `conftest.py` or `go.mod`, and that a
    solution may bring all the same. All others of them are as the task has them."""

    def __post_init__(self) -> None:
        """Checks that there is something to run and something to look for.

        Raises:
            DataError: There is no command or no test id, or an id stands twice.
        """
        TestSpec.__post_init__(self)
        if not self.command or not self.command[0]:
            raise DataError("tests in a harness need a command")
        if not self.test_ids:
            raise DataError("tests in a harness need ids in fail_to_pass or pass_to_pass")
