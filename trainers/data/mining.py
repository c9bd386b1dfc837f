"""Finding real edits in the archives of consecutive releases.

Functions are matched by path and qualified name. What one release did to many functions at once (a
renamed helper, a new idiom) is kept a few times only: it is a refactoring, not a repair.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hrmgym.envs.bugs.contamination import near_duplicates
from hrmgym.envs.bugs.releases import Entry, fetch
from hrmgym.envs.bugs.spans import applied, difference, inverses
from hrmgym.errors import DataError
from hrmgym.trainers.data.corpus import CorpusFunction, functions_of, words_of
from hrmgym.trainers.data.real_edits import RealEdit

MOST_LINES = 40
"""Longest function that is looked at."""
MOST_ALIKE = 3
"""Edits with the same spans that one package gives."""
_SKIPPED = frozenset({"test", "tests", "testing", "_vendor", "extern", "_version.py", "version.py"})


@dataclass(frozen=True, slots=True)
class Package:
    """One import package in the archives of a project."""

    name: str
    licence: str
    split: str
    root: str
    """Folder in the archive, for example `pip/_vendor/rich/`."""
    archives: tuple[tuple[str, Path], ...]
    """Version and wheel of each release, the oldest first."""


def package(entry: Entry, folder: Path | None = None) -> Package:
    """A pinned package with its wheels at hand."""
    archives = tuple((one.version, fetch(one, folder)) for one in entry.releases)
    return Package(entry.name, entry.licence, entry.split, entry.root, archives)


def functions_in(archive: Path, root: str, origin: str) -> dict[tuple[str, str], CorpusFunction]:
    """Functions of a wheel by (path below the root, qualified name), tests left out.

    A name that a module defines twice is left out, and so are files that do not parse.

    Raises:
        DataError: not a wheel.
    """
    found: dict[tuple[str, str], CorpusFunction] = {}
    twice: set[tuple[str, str]] = set()
    try:
        with zipfile.ZipFile(archive) as file:
            for member in sorted(file.namelist()):
                path = member.removeprefix(root)
                if path == member or not path.endswith(".py") or _SKIPPED & {*path.split("/")}:
                    continue
                try:
                    text = file.read(member).decode().replace("\r\n", "\n")
                    named = list(functions_of(text, f"{origin}: {path}"))
                except (SyntaxError, ValueError):  # another Python's
                    continue
                for name, function in named:
                    if (path, name) in found:
                        twice.add((path, name))
                    found[path, name] = function
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive}: not a wheel: {error}") from error
    return {key: function for key, function in found.items() if key not in twice}


def mine(package: Package) -> Iterator[RealEdit]:
    """The real edits of a package, each once."""
    seen: set[tuple[object, ...]] = set()
    alike: Counter[tuple[tuple[str, str], ...]] = Counter()
    for (old, old_archive), (new, new_archive) in pairwise(package.archives):
        before = functions_in(old_archive, package.root, package.name)
        after = functions_in(new_archive, package.root, package.name)
        for key, function in after.items():
            if key not in before or before[key].code == function.code:
                continue
            if max(before[key].code.count("\n"), function.code.count("\n")) > MOST_LINES:
                continue
            backward = difference(before[key].code, function.code)
            if backward is None:
                continue
            text = applied(function.code, backward)
            edits = inverses(function.code, backward)
            spans = tuple((text[one.start : one.end].strip(), one.text.strip()) for one in edits)
            alike[spans] += 1
            same = (words_of(function), spans)
            if alike[spans] > MOST_ALIKE or same in seen:
                continue
            seen.add(same)
            path, name = key
            yield RealEdit(
                package.name, package.licence, package.split, (old, new), path, name, text, edits
            )


def clean(
    edits: Sequence[RealEdit], protected: Mapping[str, str]
) -> tuple[list[RealEdit], list[str]]:
    """Edits of functions that are near no protected program, and no training near validation.

    Returns:
        The edits that stay, and one line for each that does not.
    """
    number = {str(index): edit for index, edit in enumerate(edits)}
    valid = {f"valid {i}": e.after for i, e in number.items() if e.split == "valid"}
    texts = {index: edit.after for index, edit in number.items()}
    train = {i: text for i, text in texts.items() if number[i].split == "train"}
    pairs = near_duplicates(texts, protected) + near_duplicates(train, valid)
    near = {pair.candidate: pair.protected for pair in pairs}
    kept = [edit for index, edit in number.items() if index not in near]
    left_out = [
        f"{number[i].package} {number[i].path}:{number[i].function} is near {other}"
        for i, other in near.items()
    ]
    return kept, left_out
