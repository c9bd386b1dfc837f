"""Where a task's agent is to repair, and the legal edits there."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from hrmgym.envs.editable import editable_in
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import LegalEdit, LegalEdits, legal_edits
from hrmgym.envs.focus import parts_of, span_of
from hrmgym.envs.state import State
from hrmgym.errors import DataError


class Place(NamedTuple):
    """A part of a file."""

    path: str
    start: int
    """Its first character."""
    end: int
    """The character behind its last."""


class FileEdit(NamedTuple):
    """One legal edit of one file."""

    path: str
    edit: LegalEdit

    def applied(self, state: State) -> str:
        """The file's whole text after it."""
        return apply(state.files[self.path], self.edit.edit)


def places(state: State) -> list[Place]:
    """The functions that the task's scope names, in their order; without a scope, the one that it
    tells its agent of; where it tells of none, all editable files.

    Raises:
        DataError: the file does not hold such a function.
    """
    files, task = state.files, state.task
    if named := task.scope or ((task.focus,) if task.focus else ()):
        found = [_function(state, one) for one in named]
        # A function in another one of them is no place of its own.
        return [
            one for one in dict.fromkeys(found) if not any(_inside(one, all_) for all_ in found)
        ]
    editable = [path for path in editable_in(task.editable, sorted(files)) if path in files]
    return [Place(path, 0, len(files[path])) for path in editable]


def _function(state: State, named: str) -> Place:
    path, name = parts_of(named)
    span = span_of(state.files.get(path, ""), name, state.task.language)
    if span is None:
        what = "scope" if state.task.scope else "focus"
        raise DataError(f"task {state.task.id!r}: {what} {named!r}: {path!r} defines no {name!r}")
    return Place(path, *span)


def _inside(one: Place, other: Place) -> bool:
    """Whether a place is a part of another one."""
    within = other.start <= one.start and one.end <= other.end
    return one.path == other.path and one != other and within


def edits_of(state: State, most: int) -> list[FileEdit]:
    """The legal edits of a state's places, those of lean kinds first.

    A file that is no program of the task's language, just now or ever, has none.

    Args:
        state: Whose files and task count.
        most: No more than so many.

    Raises:
        DataError: the file lacks the task's focus.
        UnknownNameError: nobody enumerates the edits of that language.
    """
    found: list[tuple[str, LegalEdits]] = []
    for path, *within in places(state):
        with suppress(DataError):
            text, span = state.files[path], (within[0], within[1])
            found.append((path, legal_edits(text, language=state.task.language, within=span)))
    made = chain(
        (FileEdit(path, edit) for path, legal in found for edit in legal.lean()),
        (FileEdit(path, edit) for path, legal in found for edit in legal.bulky()),
    )
    return [one for one, _ in zip(made, range(most), strict=False)]
