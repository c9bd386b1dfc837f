"""Real edits: what maintainers changed in a function between two releases, a few tokens at most.

The shipped file holds them all; `python -m hrmgym.trainers.data.rebuild` makes it anew from the
pinned releases. The licences of the packages are in `trainers/data/real-edits-licences.txt`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from hrmgym.envs.bugs.releases import SPLITS
from hrmgym.envs.bugs.spans import applied
from hrmgym.envs.edits.edit import Edit
from hrmgym.errors import DataError, UnknownNameError

VERSION = 2
"""Version of the shipped file; scores on its validation part name it."""
_KEYS = {"package", "licence", "split", "versions", "path", "function", "before", "edits"}


@dataclass(frozen=True, slots=True)
class RealEdit:
    """One function that differs between two releases in one to three small places."""

    package: str
    licence: str
    """SPDX expression."""
    split: str
    """One of `SPLITS`."""
    versions: tuple[str, str]
    """Releases of the project whose archives hold the two texts, the older one first."""
    path: str
    """The module, below the package's root."""
    function: str
    """Qualified name."""
    before: str
    """The function before the edit, cut out as in the corpus. Comments, layout and annotations are
    those of the newer release, so that nothing but the edit differs."""
    edits: tuple[Edit, ...]
    """Edits of `before`, in order, none overlapping."""

    @property
    def after(self) -> str:
        """The function after the edit."""
        return applied(self.before, self.edits)

    @property
    def name(self) -> str:
        """Unqualified name of the function."""
        return self.function.rpartition(".")[2]


@cache
def real_edits(split: str) -> tuple[RealEdit, ...]:
    """The shipped edits of a split, in a fixed order.

    Raises:
        UnknownNameError: no such split.
        DataError: the shipped file is missing or broken.
    """
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    try:
        data = resources.files("hrmgym.trainers.data").joinpath(file_name()).read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{file_name()} is missing; build it: python -m hrmgym.trainers.data.rebuild"
        ) from None
    return tuple(edit for edit in read(data, file_name()) if edit.split == split)


def file_name() -> str:
    """Name of the shipped file."""
    return f"real-edits-v{VERSION}.jsonl.gz"


def write(edits: Iterable[RealEdit]) -> bytes:
    """A file's content: one JSON object a line, compressed; the same edits give the same bytes."""
    lines = []
    for edit in edits:
        row = {
            "package": edit.package,
            "licence": edit.licence,
            "split": edit.split,
            "versions": list(edit.versions),
            "path": edit.path,
            "function": edit.function,
            "before": edit.before,
            "edits": [[one.start, one.end, one.text] for one in edit.edits],
        }
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return gzip.compress("".join(lines).encode(), compresslevel=9, mtime=0)


def read(data: bytes, place: str | Path) -> list[RealEdit]:
    """The edits in a file's content.

    Args:
        data: What `write` has made.
        place: Where it comes from, for messages.

    Raises:
        DataError: it is not such a file.
    """
    try:
        lines = gzip.decompress(data).decode().splitlines()
        if not lines:
            raise ValueError("it is empty")
        return [_read_row(json.loads(line)) for line in lines]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{place}: not a file of real edits: {error}") from error


def _read_row(row: dict[str, object]) -> RealEdit:
    if set(row) != _KEYS:
        raise ValueError(f"keys {sorted(row)}, expected {sorted(_KEYS)}")
    versions, edits = row.pop("versions"), row.pop("edits")
    assert isinstance(versions, list)
    assert isinstance(edits, list)
    old, new = versions
    return RealEdit(
        versions=(old, new),
        edits=tuple(Edit(*one) for one in edits),
        **row,  # type: ignore[arg-type]
    )
