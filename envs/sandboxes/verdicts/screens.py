"""Screens: what goes into a sandbox to try many texts of one file, and what comes out.

What comes out is the word of foreign code, and no verdict: see `hrmgym.envs.edits.screen`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal

from hrmgym.envs.sandboxes.screening import behaviour, trying
from hrmgym.envs.task import Limits


class Tried(IntEnum):
    """What a text came to in a screen."""

    OPEN = trying.OPEN
    PASSED = trying.PASSED
    FAILED = trying.FAILED
    CUT = trying.CUT
    """It had its time."""
    UNSURE = trying.UNSURE
    """Only an ordinary run can tell."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How tests of some kind are tried on texts of one file; a kind of tests makes it."""

    kind: str
    """What tries them inside: a key of `processes.screens.ACTS`."""
    mode: Literal["calls", "tests"]
    """Which guest serves it: one without pytest, or one with it."""
    fields: Mapping[str, Any]
    """What that needs of the tests, as JSON."""
    files: Mapping[str, str] | None = None
    """What the workspace holds, with the tests' own files; by default what is tested."""
    more_memory_mb: int = 0
    """What the tests themselves may take up."""


@dataclass(frozen=True, slots=True)
class Request:
    """Some texts to try."""

    plan: Plan
    files: Mapping[str, str]
    """The workspace; the file that the texts are of as it is untouched."""
    path: str
    """The file that the texts are of."""
    limits: Limits
    """Of one text."""
    stop: bool = True
    """Whether to stop at the first text that passes."""
    traced: bool = False
    """Whether the lines that tests run are wanted, of the tests named by the texts, one by one."""
    first: tuple[int, ...] = ()
    """Numbers of the tests that run first, where their order is of no account: a text is through as
    soon as one fails."""
    told: bool = False
    """Whether it is wanted how the tests fail."""
    slice_s: float = 1.0
    """CPU seconds of one process, and about the wall-clock seconds of all, but for one text."""

    @property
    def all_limits(self) -> Limits:
        """Of a process: what the tests themselves take up is not the tested code's."""
        more = self.limits.memory_mb + self.plan.more_memory_mb
        return replace(self.limits, memory_mb=more)

    @property
    def lines(self) -> int:
        """How many lines are traced; 0 where none are."""
        return self.files[self.path].count("\n") + 1 if self.traced else 0

    @property
    def longest_s(self) -> float:
        """Seconds after which there is an answer: a slice, what comes before, and its last text."""
        return self.slice_s + 2 * self.limits.wall_s + trying.PREPARE_S

    def message(self, texts: Sequence[str]) -> tuple[dict[str, Any], bytes]:
        """What goes to the guest: JSON and the texts."""
        data = [text.encode("utf-8", "surrogateescape") for text in texts]
        header = {
            "op": "screen",
            "kind": self.plan.kind,
            "files": dict(self.files if self.plan.files is None else self.plan.files),
            "edited": self.path,
            "limits": self.all_limits.fields(),
            "sizes": [len(one) for one in data],
            "stop": self.stop,
            "first": self.first,
            "told": self.told,
            "slice_s": self.slice_s,
            "lines": self.lines,
            **self.plan.fields,
        }
        return header, b"".join(data)


class How(IntEnum):
    """How a test failed."""

    UNKNOWN = behaviour.UNKNOWN
    WRONG = behaviour.WRONG
    """What was tested came to its end, and to something else than it is to."""
    RAISED = behaviour.RAISED
    """Something was raised that is no failed assertion."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a test did that failed; another time it did the same if the digests are equal."""

    how: How
    test: int
    """Its number."""
    turned: int
    """How many of the tests that run first had passed before; cases of one test count each."""
    line: int
    """The innermost line of the edited file that an exception came through, from 1; 0: none."""
    reached: int
    """The line that the test itself got to, from 1; 0 where that is not known."""
    digest: int
    """Of the exception's class and message, or of what the tested code came to."""


@dataclass(frozen=True, slots=True)
class Record:
    """One text."""

    status: Tried
    tests: int
    """How many of its tests ran, the failing one included."""
    cpu_s: float
    lines: frozenset[int] = frozenset()
    """Lines of the file that it ran, from 1, where that is traced."""
    behaviour: Behaviour | None = None
    """Of the test that failed, where that is wanted and known."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The texts that were tried: the first ones, in their order."""

    records: tuple[Record, ...]
    processes: int = 0
    cpu_s: float = 0.0
    unfit: str = field(default="", compare=False)
    """Why this workspace cannot be screened at all; empty where it can."""


def read(header: Mapping[str, Any], data: bytes, lines: int) -> Reply:
    """The reply of a guest that traced so many lines."""
    if header.get("broken"):
        return Reply((), unfit="the tests cannot be collected with the untouched code")
    unfit = header.get("unfit")
    if unfit:
        return Reply((), unfit=f"the files cannot be laid out: {unfit[1]}")
    size = trying.RECORD.size * header["done"]
    found = tuple(_records(data[:size]))
    if lines:
        width = lines + 1
        marks = (data[size + width * at : size + width * (at + 1)] for at in range(len(found)))
        found = tuple(
            replace(one, lines=frozenset(at for at, mark in enumerate(row) if mark))
            for one, row in zip(found, marks, strict=True)
        )
    return Reply(found, header["processes"], header["cpu_s"])


def _records(data: bytes) -> Iterator[Record]:
    for status, how, tests, micros, *rest in trying.RECORD.iter_unpack(data):
        known = Tried(status) if status in _KNOWN else Tried.UNSURE
        said = Behaviour(How(how), *rest) if how in _HOWS and how != How.UNKNOWN else None
        yield Record(known, tests, micros / 1e6, behaviour=said)


_HOWS = frozenset(map(int, How))
_KNOWN = frozenset(map(int, Tried)) - {int(Tried.OPEN)}
