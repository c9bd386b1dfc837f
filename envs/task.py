"""What a task is: plain frozen data that does no I/O.

A `Task` is what a benchmark yields and what a grade is given on. A `PublicTask` is the part of it
that an episode's state holds and that policies and searches may know. The known solution
(`Task.reference`) and the hidden tests never enter a sandbox that an agent acts in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from hrmgym.envs.outcome import FailureCode, Outcome, Reason, Status
from hrmgym.envs.sandboxes.inside import selection
from hrmgym.envs.workspace import Base, Files, base_of
from hrmgym.errors import DataError, did_you_mean

__all__ = [
    "LANGUAGES",
    "CallCase",
    "CallTests",
    "CommandTests",
    "FailureCode",
    "Limits",
    "Marked",
    "Outcome",
    "PublicTask",
    "PytestTests",
    "Reason",
    "Status",
    "StdioCase",
    "StdioTests",
    "Task",
    "TestSpec",
    "Value",
    "Workspace",
]

#: A plain Python value: None, bool, int, float, str, bytes, list, tuple, set, frozenset or dict of
#: such values, or a class or `Named`. Arguments and results of call tests are of this kind.
Value = Any

LANGUAGES = ("python", "cpp", "go", "java", "javascript", "rust")


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run of foreign code may use."""

    cpu_s: float = 2.0
    """CPU seconds of one process; the limit that normally ends an endless loop."""
    wall_s: float = 10.0
    """Wall-clock seconds of the whole run; the backstop against code that sleeps."""
    memory_mb: int = 512
    """Address space of each process, in MiB. In a local sandbox, where the machine has control
    groups, also the memory of all processes together, beyond what scratch files may take."""
    processes: int = 32
    """Processes and threads at once."""
    output_kb: int = 64
    """Standard output and error kept, in KiB; the rest is read and dropped."""
    file_mb: int = 64
    """Largest file, and size of the scratch file system, in MiB."""

    def fields(self) -> dict[str, Any]:
        """Name -> value, as requests to a sandbox have them; `asdict` takes ten times as long."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSpec:
    """Tests of one task, by id. What runs them is the subclass's to say.

    `fail_to_pass` names the tests that a solution must turn, `pass_to_pass` those that it must not
    break; both are empty where a benchmark does not tell them apart.
    """

    __test__: ClassVar[bool] = False  # not a pytest class

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

    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=_nothing)
    """Path in the workspace -> content, laid over the workspace only while the command runs."""

    @property
    def test_ids(self) -> tuple[str, ...]:
        """One id, `command`."""
        return ("command",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The files that a task starts from."""

    files: Mapping[str, str] = field(default_factory=_nothing)
    """Path relative to the workspace's root -> text."""
    tree: str = ""
    """Folder of this machine that is copied first, programs and links included; `files` then lie
    over it. Empty: none."""

    def base(self) -> Base:
        """All that is there, made once per process.

        Raises:
            ConfigError: a path leaves the workspace, or the tree cannot be read.
        """
        return base_of(self.files, self.tree)

    @property
    def start(self) -> Files:
        """The untouched workspace, tree and files together."""
        return self.base().files


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What a benchmark declares of a task that is not sound, so that it is no surprise.

    `hrmgym check` confirms it, and calls a task unsound of which it does not hold.
    """

    what: Literal["untouched_passes", "reference_cannot_run"]
    """`untouched_passes`: all tests pass before anything is changed. `reference_cannot_run`: the
    tests do not pass with the known solution, for example because it needs a network."""
    reason: str
    """Why, in a few words."""

    def __post_init__(self) -> None:
        """Checks that it says something.

        Raises:
            DataError: It has no reason, or declares something else.
        """
        known = ("untouched_passes", "reference_cannot_run")
        if self.what not in known:
            raise DataError(f"a task is marked {self.what!r}{did_you_mean(self.what, known)}")
        if not self.reason.strip():
            raise DataError(f"a task is marked {self.what!r} without a reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTask:
    """The part of a task that an agent may know: no hidden test, no solution, nor their names."""

    id: str
    """Unique within its benchmark."""
    benchmark: str
    language: str
    """One of `LANGUAGES`."""
    split: str
    prompt: str
    workspace: Workspace
    editable: tuple[str, ...]
    """Paths that the agent may change; changes to any other file do not reach a grade."""
    visible_tests: TestSpec
    """What the agent may run, and sees the failures of."""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to solve. The first nine fields are those of `PublicTask`."""

    id: str
    benchmark: str
    language: str
    split: str
    prompt: str
    workspace: Workspace
    editable: tuple[str, ...]
    visible_tests: TestSpec
    limits: Limits = Limits()
    hidden_tests: TestSpec
    """What decides, in a fresh sandbox."""
    reference: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    """The known solution: path -> whole text. It never enters a sandbox that an agent acts in."""
    source: str = ""
    """Where the task comes from, with its version."""
    licence: str = ""
    tags: tuple[str, ...] = ()
    """Free words to select and break scores down by, for example the bug operator."""
    marked: Marked | None = None
    """What is known to be wrong with the task; None for sound ones."""

    @property
    def public(self) -> PublicTask:
        """The part that an agent may know."""
        return PublicTask(**{name: getattr(self, name) for name in PublicTask.__slots__})

    def solution(self) -> Files:
        """The whole workspace, its tree included, with the reference in place."""
        files = self.workspace.start
        for path, text in self.reference.items():
            files = files.with_text(path, text)
        return files
