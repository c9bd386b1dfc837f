"""What a task is: plain frozen data that does no I/O.

A `Task` is what a benchmark yields and what a grade is given on. A `PublicTask` is the part of it
that an episode's state holds and that policies and searches may know. The known solution
(`Task.reference`) and the hidden tests never enter a sandbox that an agent acts in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from hrmgym.envs import focus as focuses
from hrmgym.envs.outcome import FailureCode, Outcome, Reason, Status
from hrmgym.envs.testspecs import (
    CallCase,
    CallTests,
    CommandTests,
    HarnessTests,
    PytestTests,
    StdioCase,
    StdioTests,
    TestSpec,
    Value,
)
from hrmgym.envs.workspace import Base, Files, base_of
from hrmgym.errors import DataError, did_you_mean

__all__ = [
    "LANGUAGES",
    "NO_ENVIRONMENT",
    "CallCase",
    "CallTests",
    "CommandTests",
    "Environment",
    "FailureCode",
    "HarnessTests",
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
class Environment:
    """What a task's programs find installed, beside what the sandbox has anyway."""

    lock: str = ""
    """Python packages: the text of a requirements file that names every package with its version
    and the hashes of its wheels, as `pip install --require-hashes` takes it. They are shown
    read-only, their programs are on the path; a compiler that comes as a wheel is one, too."""
    image: str = ""
    """Name of a container image, which has all that the tests need, sh, bash and Python 3.11."""

    def __post_init__(self) -> None:
        """Checks that it is one thing.

        Raises:
            DataError: It is two, or a lock without hashes.
        """
        if self.lock and self.image:
            raise DataError("an environment has a lock or an image, not both")
        if self.lock and "--hash=" not in self.lock:
            raise DataError("the lock of an environment needs a --hash= for every package")


#: What most tasks need.
NO_ENVIRONMENT = Environment()


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
class _Known:
    """What an agent may know of a task."""

    id: str
    """Unique within its benchmark."""
    benchmark: str
    language: str
    """One of `LANGUAGES`."""
    split: str
    prompt: str
    workspace: Workspace
    editable: tuple[str, ...]
    """Paths that the agent may change, and patterns of such paths: see `hrmgym.envs.editable`. What
    it makes, changes, renames, deletes and makes executable there reaches a grade, and nothing
    else."""
    visible_tests: TestSpec
    """What the agent may run, and sees the failures of."""
    limits: Limits = Limits()
    environment: Environment = NO_ENVIRONMENT
    """What its programs find installed."""
    focus: str = ""
    """The function that the agent is told of, as `path::Qualified.name`: where it looks first.
    Empty: the whole of each editable file counts."""
    scope: tuple[str, ...] = ()
    """Functions, each as the focus is, that legal edits are kept to; empty: as the focus says."""

    def __post_init__(self) -> None:
        """Checks that the focus, and what the scope names, can be what they are said to be.

        Raises:
            DataError: one has another form, or its file may not be edited.
        """
        for one in (self.focus, *self.scope):
            if why := focuses.fault(one, self.editable):
                raise DataError(f"task {self.id!r}: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTask(_Known):
    """The part of a task that an agent may know: no hidden test, no solution, nor their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(_Known):
    """One thing to solve. It is no `PublicTask`: where one is wanted, the whole must not stand."""

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
        return PublicTask(**{name: getattr(self, name) for name in _Known.__slots__})

    def solution(self) -> Files:
        """The whole workspace, its tree included, with the reference in place."""
        files = self.workspace.start
        for path, text in self.reference.items():
            files = files.with_text(path, text)
        return files
