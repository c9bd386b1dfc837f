"""Small wheels written by hand: two releases of a package that does not exist."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from hrmgym.envs.bugs.releases import Entry, Release

OLD = '''"""Module."""


def total(values, start=0):
    """Sum."""
    result = start
    for value in values:
        result += value
    return result


def first(items):
    return items[0]


class Shelf:
    def put(self, book):
        self.books.append(book)
        return book

    def same(self, book):
        return book


def twice(x):
    return x


def twice(x):
    return x + x
'''
NEW = (
    OLD.replace("for value in values:", "for value in values or ():  # none")
    .replace("return items[0]", "return items[0] if items else None")
    .replace("self.books.append(book)", "self.shelf.books.append(book, True)")
    .replace("return x + x", "return 2 * x")
)


def wheel(folder: Path, version: str, text: str) -> Release:
    """Writes one release with a module, a test and a file that does not parse."""
    path = folder / f"shelf-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for member, content in (
            ("shelf/core.py", text),
            ("shelf/tests/test_core.py", text),
            ("shelf/old.py", "print 'two'\n"),
            ("other/core.py", text),
            ("shelf/notes.txt", "nothing"),
        ):
            file.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), content)
    return Release("shelf", version, path.name, hashlib.sha256(path.read_bytes()).hexdigest())


def entry(folder: Path, split: str = "train", near: tuple[str, ...] = ()) -> Entry:
    """Two releases of the package."""
    releases = (wheel(folder, "1.0", OLD), wheel(folder, "1.1", NEW))
    return Entry("shelf", "MIT", split, "shelf/", releases, near)
