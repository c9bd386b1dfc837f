"""The legal edits of a text: what they are, and who enumerates them for which language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from hrmgym.envs.edits.edit import Edit
from hrmgym.registry import Registry


class LegalEdit(NamedTuple):
    """One small repair that keeps the text a program."""

    id: str
    """Stable: the same for the same text, kind and change, whatever else is enumerated."""
    kind: str
    """Name of the kind of change, one of the language's."""
    edit: Edit
    """The change itself, in characters of the text."""


class LegalEdits(Protocol):
    """The legal edits of one text, each changed program once."""

    def lean(self) -> Iterator[LegalEdit]:
        """Those of the lean kinds, in a fixed order."""

    def bulky(self) -> Iterator[LegalEdit]:
        """Those of kinds with many members, made as they are asked for, none of them lean."""

    def find(self, wanted: str) -> LegalEdit | None:
        """The legal edit whose text has the same syntax as another text, if there is one.

        Comments, layout and docstrings do not count.

        Raises:
            DataError: the other text is not a program.
        """

    def among(self, edits: Sequence[LegalEdit], wanted: str) -> int | None:
        """As `find`, the number of that edit in a list of edits of this text.

        Raises:
            DataError: the other text is not a program.
        """


class Enumerator(Protocol):
    """Makes the legal edits of a text within a span of it (start and end in characters)."""

    def __call__(self, text: str, within: tuple[int, int], /) -> LegalEdits: ...


_ENUMERATORS: Registry[Enumerator] = Registry("language", "a callable (text, within)", callable)
_ENUMERATORS.register("python", "hrmgym.envs.edits.python.enumerator:PythonEdits")


def register_enumerator(language: str, entry_point: str) -> None:
    """Has `legal_edits` ask `module:Enumerator` for texts of a language."""
    _ENUMERATORS.register(language, entry_point)


def legal_edits(
    text: str, *, language: str = "python", within: tuple[int, int] | None = None
) -> LegalEdits:
    """The legal edits of a text.

    Args:
        text: A program.
        language: What it is written in.
        within: Only edits inside this span of characters; by default the whole text.

    Raises:
        UnknownNameError: nobody enumerates the edits of that language.
        DataError: the text is not a program of that language.
    """
    enumerate_ = _ENUMERATORS.load(language)
    return enumerate_(text, within or (0, len(text)))
