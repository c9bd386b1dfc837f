"""What a parser of test logs has to say, and what all of them check.

A log is the word of a process in which foreign code has run. So a parser reads it strictly: it
knows the structure that the runner writes, and names the first thing that does not fit. It never
guesses, and never interprets control characters: what a terminal would hide is there to be read.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from hrmgym.envs.outcome import Status

#: Colours, the only control sequences that runners write into logs; all others stay, and make the
#: line that holds them one that no parser knows.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What a command left."""

    output: str
    """Standard output and error, as far as they were kept."""
    status: int
    """Exit code; minus the number of the signal that ended it."""
    reports: tuple[str, ...] = ()
    """Texts of the files that it was to write, in their order; empty where it wrote none."""

    @property
    def lines(self) -> list[str]:
        """Lines of the output, without colours. Only a line feed ends a line."""
        return [_COLOUR.sub("", line).rstrip("\r") for line in self.output.split("\n")]


@dataclass(slots=True)
class Told:
    """What a log says, before anything of it is believed."""

    tests: dict[str, Status] = field(default_factory=dict)
    """Test id -> status."""
    fault: str = ""
    """Why the log is not one that the runner alone can have written; empty where it may be. Then
    nothing that it says has passed."""
    message: str = ""
    """The first failure, where the log says something of it."""
    path: str = ""
    line: int = 0

    def note(self, name: str, status: Status) -> None:
        """Takes down a status. A test has one: a second one is a fault."""
        if name in self.tests:
            self.doubt(f"{name!r} has {self.tests[name]}, and then {status}")
            status = Status.ERROR
        self.tests[name] = status

    def doubt(self, fault: str) -> None:
        """Takes down a fault; the first one stays."""
        self.fault = self.fault or fault

    def check_counts(self, found: Mapping[str, int], said: Mapping[str, int], where: str) -> None:
        """Compares what the log names with the numbers that the log itself gives.

        Args:
            found: Word for a status -> number of tests that the log names with it.
            said: The same, as the log says it; a word that is missing is 0.
            where: Where it says so, such as "the summary".
        """
        for word in {**found, **said}:
            if found.get(word, 0) != said.get(word, 0):
                self.doubt(
                    f"{where} counts {said.get(word, 0)} {word}, the log names {found.get(word, 0)}"
                )

    def check_exit(self, status: int, failing: Sequence[int] = (1,)) -> None:
        """Compares the statuses with the exit code.

        Args:
            status: The exit code.
            failing: Those that say that tests have failed; 0 says that none has.
        """
        bad = any(one in (Status.FAILED, Status.ERROR) for one in self.tests.values())
        if bad and status == 0:
            self.doubt("tests have failed, and the exit code is 0")
        elif not bad and status != 0:
            self.doubt(f"no test has failed, and the exit code is {status}")
        elif bad and status not in failing:
            self.doubt(f"the exit code {status} is not that of failed tests")

    def only(self, found: Sequence[object], what: str) -> bool:
        """Whether there is just one of something that a log holds once; else it is a fault."""
        if len(found) != 1:
            self.doubt(f"no {what} in the log" if not found else f"{len(found)} times {what}")
        return len(found) == 1


class LogParser(ABC):
    """Reads the logs of one test runner.

    Subclasses are made without arguments, once per process, and keep nothing of a log.
    """

    obeys: ClassVar[tuple[str, ...]] = ()
    """Patterns of files in the workspace that the runner obeys before or beside any test:
    configuration, plugins, build files. A solution cannot bring or change them, unless
    `HarnessTests.may_change` says so. A pattern without a slash is one of names in any folder."""

    @abstractmethod
    def parse(self, log: Log) -> Told:
        """What a log says. It takes linear time, whatever the log holds.

        Every fault of structure goes into `Told.fault`, and so does an exit code that does not go
        with the statuses.
        """

    def control(self, path: str, text: str, nonce: str) -> tuple[str, str] | None:
        """A test that fails, added to one of the tests' files; None where that cannot be had.

        Args:
            path: Path of the file.
            text: What it holds.
            nonce: Lower-case letters that have been drawn for this run; the test's name holds them.

        Returns:
            The file's new text, and the end of the test's id.
        """
        return None

    def goes_on(self, command: Sequence[str]) -> bool:
        """Whether a command runs all tests, those after one that fails, too.

        Only then can a test that fails be put among the others.
        """
        return True

    def canonical(self, name: str) -> str:
        """The id that `parse` gives to a test which somebody may call `name`."""
        return name


def first_of(lines: Iterable[str], pattern: re.Pattern[str]) -> re.Match[str] | None:
    """The first match of a pattern at the beginning of a line."""
    return next((found for line in lines if (found := pattern.match(line))), None)


def before_main(text: str, more: str) -> str:
    """A Python module with more of it, before what only happens where it is the main program."""
    main = re.search(r"^if __name__\b", text, re.MULTILINE)
    cut = main.start() if main else len(text)
    return f"{text[:cut]}\n\n{more}\n\n{text[cut:]}"
