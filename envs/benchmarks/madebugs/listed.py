"""Lists of made bugs: JSON Lines, a first line that says of what, then one line for each try.

    {"format": 1, "seed": 1, "hosts": "fixes", "hosts_version": "1"}
    {"split": "test", "host": "boltons/1", "edits": 2, "number": 0, "made": [[10, 12, "<="], ...],
     "kinds": ["comparison", ...], "before": sha256, "after": sha256, "visible": [...],
     "hidden": [...]}
    {"split": "test", "host": "boltons/2", "edits": 2, "number": 0, "why": "no test fails"}

A try that made no bug is kept with the reason, so that the making goes on where it was stopped. A
last line that was cut off is dropped.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.errors import DataError

FORMAT = 1
_Model = TypeVar("_Model", bound=BaseModel)


class Head(BaseModel):
    """The first line: what a list is of."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: int = FORMAT
    seed: int
    hosts: str
    """Name of the benchmark whose functions have the bugs."""
    hosts_version: str


class Try(NamedTuple):
    """What one try is of; with the seed, all that it depends on."""

    split: str
    host: str
    """Id of a task, whose solution is changed."""
    edits: int
    number: int
    """Which of the tries with that host and that many edits, from 0."""


@dataclass(frozen=True, slots=True)
class MadeBug:
    """A try that made a bug."""

    of: Try
    made: tuple[Edit, ...]
    """Edits of the working file, each of what the one before left."""
    kinds: tuple[str, ...]
    """Kinds of the repairs."""
    before: str
    """`digest` of the working file."""
    after: str
    """`digest` of the file with the bug."""
    visible: tuple[str, ...]
    """Ids of the visible tests that fail."""
    hidden: tuple[str, ...]
    """Ids of the hidden tests that fail."""

    @property
    def id(self) -> str:
        """The id of the task."""
        return f"{self.of.host}:{self.of.edits}.{self.of.number}"

    def code(self, working: str) -> str:
        """The file with the bug.

        Raises:
            DataError: the working file is not the one that the bug was made in.
        """
        text = working
        if digest(text) == self.before:
            for edit in self.made:
                if not 0 <= edit.start <= edit.end <= len(text):
                    break
                text = apply(text, edit)
            if digest(text) == self.after:
                return text
        raise DataError(
            f"made bug {self.id}: the file of {self.of.host!r} is not the one that it was made in; "
            "make a list for this version"
        )


#: What became of each try: a bug, or why there is none.
Tries = dict[Try, MadeBug | str]


def digest(text: str) -> str:
    """What a text is known by: 16 hex digits."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    split: str
    host: str
    edits: int
    number: int
    why: str = ""
    made: tuple[tuple[int, int, str], ...] = ()
    kinds: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    visible: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


def line_of(of: Try, result: MadeBug | str) -> str:
    """The line of a try."""
    said: dict[str, Any] = {"why": result} if isinstance(result, str) else asdict(result)
    said.pop("of", None)
    return json.dumps({**of._asdict(), **said}) + "\n"


def is_compressed(data: bytes) -> bool:
    """Whether a list's bytes are those of gzip."""
    return data[:2] == b"\x1f\x8b"


def read_list(path: Path) -> tuple[Head, Tries]:
    """A list, as it is made or compressed by gzip.

    Raises:
        DataError: it cannot be read, or a line is none of a list; the message says which.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if is_compressed(data) else data).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    lines = text[: text.rfind("\n") + 1].splitlines()
    if not lines:
        raise DataError(f"{path}:1: missing: the first line says what a list is of")
    head = _parsed(path, 1, Head, lines[0])
    if head.format != FORMAT:
        raise DataError(f"{path}:1: format {head.format}; this version reads format {FORMAT}")
    found: Tries = {}
    for number, line in enumerate(lines[1:], start=2):
        one = _parsed(path, number, _Line, line)
        of = Try(one.split, one.host, one.edits, one.number)
        made = tuple(Edit(*edit) for edit in one.made)
        bug = MadeBug(of, made, one.kinds, one.before, one.after, one.visible, one.hidden)
        found[of] = one.why or bug
    return head, found


def _parsed(path: Path, number: int, model: type[_Model], line: str) -> _Model:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise DataError(f"{path}:{number}: {where or 'line'}: {fault['msg']}") from None


def bugs_by_split(tries: Mapping[Try, MadeBug | str]) -> dict[str, list[MadeBug]]:
    """The bugs of each split, by number of edits, host and number."""
    found: dict[str, list[MadeBug]] = {}
    for of in sorted(tries, key=lambda one: (one.split, one.edits, one.host, one.number)):
        bug = tries[of]
        if not isinstance(bug, str):
            found.setdefault(of.split, []).append(bug)
    return found
