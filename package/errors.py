"""Every error that hrmgym raises on purpose, one class per kind.

A message says where, what, and the nearest legal value. Everything under `UserError` is the
caller's to mend: the command line prints it as one line and exits with code 2.
"""

from __future__ import annotations

import copyreg
import difflib
from collections.abc import Iterable
from typing import Any


class HrmgymError(Exception):
    """Base of all errors of this package."""


# --- the caller's to mend ------------------------------------------------------------------------


class UserError(HrmgymError, ValueError):
    """Something the caller passed is not usable.

    Args:
        message: What goes into the error is one line that a terminal can show, of a readable
            length: a broken file may hold anything where a name or a key should be.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(_one_line(message))


class ConfigError(UserError):
    """An experiment file or an override is not legal."""


class UnexpectedKeywordError(ConfigError, TypeError):
    """A call's keyword is none that it knows; the message holds the nearest that are.

    Libraries that make environments try keywords, and leave out what a `TypeError` names.
    `gymnasium.make` makes it again from a longer message.
    """


class UnknownNameError(UserError, KeyError):
    """A name is in no catalogue; the message holds the nearest names that are."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        names = sorted(known)
        name = name if len(name) <= _MOST_NAME else f"{name[:_MOST_NAME]}..."
        super().__init__(f"{where}unknown {kind} {name!r}{did_you_mean(name, names)}")

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:  # a worker's error crosses a process border
        return copyreg.__newobj__, (type(self), str(self))  # type: ignore[attr-defined]


class DataError(UserError):
    """A data file or folder is missing or broken."""


class ActionError(UserError):
    """An action is outside the action space."""


class CheckpointError(UserError):
    """A checkpoint cannot be read, or belongs to another model."""


# --- the machine's -------------------------------------------------------------------------------


class SandboxError(HrmgymError, RuntimeError):
    """A sandbox broke, or did not do what it was asked to.

    Args:
        message: What went wrong.
        code: The `hrmgym.envs.task.FailureCode` of it.
    """

    def __init__(self, message: str, code: str = "internal") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:  # a worker's error crosses a process border
        return type(self), (str(self), self.code)


class SandboxUnavailableError(SandboxError, UserError):
    """This machine cannot give the isolation that the configuration asks for."""

    def __init__(self, message: str, code: str = "sandbox_start") -> None:
        super().__init__(message, code)


class CodeError(HrmgymError, RuntimeError):
    """Foreign code that was called did not return: it raised, ended, or took too long."""


class WorkerError(HrmgymError, RuntimeError):
    """A process that works for this one died."""


#: Characters of an unknown name, and of a whole message, that are shown.
_MOST_NAME, _MOST_MESSAGE = 100, 1000


def _one_line(text: str) -> str:
    """The text with an escape for what is no plain character, and without the middle of much."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    if len(text) > _MOST_MESSAGE:  # the beginning says where, the end says what
        half = _MOST_MESSAGE // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return text


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line; its kind where it says nothing."""
    said = next((line for line in str(error).splitlines() if line.strip()), "")
    return said[:300] or type(error).__name__


def did_you_mean(name: str, known: Iterable[str], most: int = 12) -> str:
    """The tail of an error message: the nearest legal name, else a list of the legal ones."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    if not names:
        return "; there are none"
    tail = f" and {len(names) - most} more" if len(names) > most else ""
    return f"; known: {', '.join(names[:most])}{tail}"
