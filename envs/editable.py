"""Which files an agent may change: paths, and patterns of paths.

`?` stands for one character of a name, `*` for any number of them, and `**` for any number of
folders: `src/**` is all that lies below src, `**/*.go` every Go file, `*.md` those at the top. All
other characters stand for themselves, brackets too.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache


def is_pattern(entry: str) -> bool:
    """Whether an entry of `Task.editable` stands for more than one path."""
    return "*" in entry or "?" in entry


def named(editable: Iterable[str]) -> tuple[str, ...]:
    """The entries that are paths; a file of theirs may still have to be made."""
    return tuple(entry for entry in editable if not is_pattern(entry))


def may_edit(editable: Sequence[str], path: str) -> bool:
    """Whether an agent may change, make or remove a file."""
    return path in editable or any(one.fullmatch(path) for one in _patterns(tuple(editable)))


def editable_in(editable: Sequence[str], files: Iterable[str]) -> tuple[str, ...]:
    """Paths that an agent may edit: those that have a name, there or not, and others there.

    Args:
        editable: Entries of `Task.editable`.
        files: Paths of all files, sorted; it takes a look at each where there are patterns.
    """
    paths, patterns = named(editable), _patterns(tuple(editable))
    if not patterns:
        return paths
    known: Container[str] = set(paths)
    found = (path for path in files if any(one.fullmatch(path) for one in patterns))
    return (*paths, *(path for path in found if path not in known))


def first_shown(editable: Sequence[str], files: Iterable[str], focus: str = "") -> str:
    """The path that an agent sees first: its focus's, or one that it may edit, if there is one."""
    if focus:
        return focus.partition("::")[0]
    if paths := named(editable):
        return paths[0]
    every = tuple(files)
    return (*editable_in(editable, every), *every, "")[0]


@lru_cache(1024)
def _patterns(editable: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(entry) for entry in editable if is_pattern(entry))


def _pattern(entry: str) -> re.Pattern[str]:
    """A pattern of paths as a regular expression."""
    parts = entry.split("/")
    text = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:.*/)?"
            continue
        pieces = re.split(r"(\*+|\?)", part)
        text += "".join(
            "[^/]" if one == "?" else "[^/]*" if one.startswith("*") else re.escape(one)
            for one in pieces
        )
        text += "" if last else "/"
    return re.compile(text, re.DOTALL)
