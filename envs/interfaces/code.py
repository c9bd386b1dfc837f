"""A file, cut into tokens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A file as tokens."""

    text: str
    data: bytes
    """The text in UTF-8, with the bytes that its surrogate escapes stand for."""
    ids: tuple[int, ...]
    starts: tuple[bool, ...]
    offsets: tuple[int, ...]
    """Byte offset of each token in `data`, and of the end: one more than `ids`."""
    line_starts: tuple[int, ...]
    """Index of the first token of each line."""
