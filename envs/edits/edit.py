"""One text edit, its application and its exact inverse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

# texts, words and numbers, runs of operator signs, single other characters
_LEXEME = re.compile(
    r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\w+|[<>=!+\-*/%&|^~:@]+|.""", re.DOTALL
)


class Edit(NamedTuple):
    """Replace `source[start:end]` by `text`; offsets count characters (code points)."""

    start: int
    end: int
    text: str


def apply(source: str, edit: Edit) -> str:
    """The source after the edit.

    Raises:
        IndexError: the span is not inside the source.
    """
    _check(source, edit)
    return source[: edit.start] + edit.text + source[edit.end :]


def inverse(source: str, edit: Edit) -> Edit:
    """The edit that leads from `apply(source, edit)` back to `source`.

    Raises:
        IndexError: the span is not inside the source.
    """
    _check(source, edit)
    return Edit(edit.start, edit.start + len(edit.text), source[edit.start : edit.end])


def trim(source: str, edit: Edit) -> Edit:
    """The same change without the lexemes that it replaces by themselves at either end.

    Raises:
        IndexError: the span is not inside the source.
    """
    _check(source, edit)
    old = _LEXEME.findall(source[edit.start : edit.end])
    new = _LEXEME.findall(edit.text)
    head, tail = alike(old, new)
    start = edit.start + sum(map(len, old[:head]))
    end = edit.end - sum(map(len, old[len(old) - tail :]))
    return Edit(start, end, "".join(new[head : len(new) - tail]))


def alike(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many items two sequences share at their beginning, and at the end of what is left."""
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[len(old) - 1 - tail] == new[len(new) - 1 - tail]:
        tail += 1
    return head, tail


def _check(source: str, edit: Edit) -> None:
    if not 0 <= edit.start <= edit.end <= len(source):
        raise IndexError(f"edit {edit.start}:{edit.end} is outside a text of {len(source)}")
