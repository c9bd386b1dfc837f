"""A state and a list of legal edits that tests of rankers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.legal import LegalEdit
from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.state import State
from hrmgym.tests.tiny import calls, task
from hrmgym.tests.tiny import state_of as begin

TEXT = "def f(a, b):\n    c = a + b\n    if c > 0:\n        return c\n    return a\n"
PATH = "f.py"


def state_of(text: str = TEXT, language: str = "python") -> State:
    """The state in which an episode begins whose task has this one file."""
    none = calls(PATH, "f")
    return begin(replace(task("f", text, text, none, none), language=language))


def replacing(old: str, new: str, kind: str = "kind", text: str = TEXT) -> FileEdit:
    """The edit that puts a text in the place of another one that the program has once."""
    assert text.count(old) == 1, old
    start = text.index(old)
    return FileEdit(PATH, LegalEdit(f"{old}>{new}", kind, Edit(start, start + len(old), new)))


#: One edit of each of four lines, of three kinds.
EDITS: Sequence[FileEdit] = (
    replacing("a + b", "a - b", "arithmetic"),
    replacing("c > 0", "c >= 0", "comparison"),
    replacing("return c", "return b", "name"),
    replacing("return a", "return b", "name"),
)
