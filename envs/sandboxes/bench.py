"""A folder of files and the programs that run in it: what kinds of tests use.

An executor has one for test runs, and `hrmgym.envs.testkinds` says what is done with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from hrmgym.envs.outcome import FailureCode
from hrmgym.envs.sandboxes import failures
from hrmgym.envs.sandboxes.inside.files import is_own_fault
from hrmgym.envs.sandboxes.verdicts import aparttests, calltests
from hrmgym.envs.task import Limits


class FilesUnfitError(ValueError):
    """A workspace cannot hold these files, because of their names or their size."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program left."""

    output: str
    """Standard output and error, in the order in which they came."""
    status: int | None
    """Exit code; minus a signal's number; None where it ran out of time."""
    cpu_s: float
    """0 where it is not known."""
    wall_s: float


class Apart(Protocol):
    """Two guests: one for tests, another for the code that they test."""

    async def run_apart(
        self, plan: aparttests.Plan, files: Mapping[str, str], limits: Limits
    ) -> aparttests.Reply:
        """Run tests in one process and the code they test in another; see aparttests.py."""


class Bench(Protocol):
    """A folder, and programs in it."""

    root: str
    libraries: str
    """Folders with pytest and the task's packages, as PYTHONPATH has them, where they are not
    installed in the Python that programs use."""

    @property
    def apart(self) -> Apart | None:
        """What runs pytest apart from the code; None where they share a process."""

    async def run(
        self, argv: Sequence[str], limits: Limits, env: Mapping[str, str] | None = None
    ) -> Ran:
        """Run a program in the folder."""

    async def renew(self, files: Mapping[str, str | bytes], limits: Limits) -> None:
        """Make the folder hold `files` and nothing else, with nothing left of what ran before; with
        links, folders and permissions where `files` tells of them.

        Raises:
            FilesUnfitError: The files do not fit the folder.
        """

    async def read(self, path: str) -> str:
        """The text of a file; empty where there is none that can be read.

        Raises:
            OSError: It could not be read for want of something on our side.
        """

    async def run_calls(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        """Run foreign code case by case, in a fresh process; see calltests.py, stdiotests.py."""


@contextmanager
def telling_unfit(files: Mapping[str, str | bytes], limits: Limits) -> Iterator[None]:
    """Raises `FilesUnfitError` in the place of an error that the files have caused."""
    try:
        yield
    except OSError as error:
        sizes = [len(as_bytes(text)) for text in files.values()]
        if not is_own_fault(error, sizes, limits.file_mb):
            raise
        raise FilesUnfitError(f"the files cannot be written: {error.strerror}") from None


def raise_own(error: OSError) -> None:
    """Raise what does not say something of a file, which foreign code may have spoilt."""
    if failures.code_of(error) is not FailureCode.INTERNAL:
        raise error


def as_bytes(text: str | bytes) -> bytes:
    """The content of a file."""
    return text.encode(errors="surrogateescape") if isinstance(text, str) else text
