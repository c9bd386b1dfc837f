"""Where a task's agent is to repair, and the legal edits there."""

from __future__ import annotations

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
    """The function that the task tells its agent of; where it tells of none, all editable files.

    Raises:
        DataError: the file does not hold that function.
    """
    files, task = state.files, state.task
    if task.focus:
        path, name = parts_of(task.focus)
        span = span_of(files.get(path, ""), name, task.language)
        if span is None:
            raise DataError(f"task {task.id!r}: focus {task.focus!r}: {path!r} defines no {name!r}")
        return [Place(path, *span)]
    editable = [path for path in editable_in(task.editable, sorted(files)) if path in files]
    return [Place(path, 0, len(files[path])) for path in editable]


def edits_of(state: State, most: int) -> list[FileEdit]:
    """The legal edits of a state's places, those of lean kinds first.

    Args:
        state: Whose files and task count.
        most: No more than so many.

    Raises:
        DataError: a file is no program of the task's language, or lacks the task's focus.
        UnknownNameError: nobody enumerates the edits of that language.
    """
    found: list[tuple[str, LegalEdits]] = [
        (one.path, legal_edits(state.files[one.path], language=state.task.language, within=one[1:]))
        for one in places(state)
    ]
    made = chain(
        (FileEdit(path, edit) for path, legal in found for edit in legal.lean()),
        (FileEdit(path, edit) for path, legal in found for edit in legal.bulky()),
    )
    return [one for one, _ in zip(made, range(most), strict=False)]
