"""Real edits in archives of releases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.errors import DataError
from hrmgym.tests.wheels import NEW, OLD, entry, wheel
from hrmgym.trainers.data.mining import MOST_ALIKE, clean, functions_in, mine, package


def test_functions_by_path_and_name(tmp_path: Path) -> None:
    release = wheel(tmp_path, "1.0", OLD)
    found = functions_in(tmp_path / release.file, "shelf/", "shelf")
    names = ["total", "first", "Shelf.put", "Shelf.same"]  # `twice` is there twice
    assert set(found) == {("core.py", name) for name in names}
    assert found["core.py", "Shelf.same"].code == "def same(self, book):\n    return book\n"
    with pytest.raises(DataError, match="not a wheel"):
        functions_in(tmp_path / "none.whl", "shelf/", "shelf")


def test_small_edits_of_functions_are_found(tmp_path: Path) -> None:
    found = {edit.function: edit for edit in mine(package(entry(tmp_path), tmp_path))}
    assert set(found) == {"total", "first", "Shelf.put"}
    put = found["Shelf.put"]
    assert put.before == "def put(self, book):\n    self.books.append(book)\n    return book\n"
    assert "self.shelf.books.append(book, True)" in put.after
    assert put.name == "put"
    assert (put.package, put.licence, put.versions) == ("shelf", "MIT", ("1.0", "1.1"))
    assert [one.text.strip() for one in put.edits] == ["shelf.", ", True"]
    assert "# none" in found["total"].before  # comments are the newer release's


def test_what_a_release_did_everywhere_is_kept_a_few_times(tmp_path: Path) -> None:
    def module(call: str) -> str:
        lines = "".join(
            f"def f{n}(a, b{n}):\n    c = b{n}\n    return {call}(c)\n" for n in range(9)
        )
        return lines + "def g(a):\n    x = a\n    return x + 1\n"

    one, two = wheel(tmp_path, "1.0", module("a.old")), wheel(tmp_path, "1.1", module("a.new"))
    releases = replace(entry(tmp_path), releases=(one, two))
    wheel(tmp_path, "1.0", module("a.old"))
    wheel(tmp_path, "1.1", module("a.new"))
    assert len(list(mine(package(releases, tmp_path)))) == MOST_ALIKE


def test_protected_programs_and_held_out_packages_stay_apart(tmp_path: Path) -> None:
    edits = list(mine(package(entry(tmp_path), tmp_path)))
    edits = [replace(edit, before=edit.before + LONG) for edit in edits]
    kept, left_out = clean(edits, {"bench/total": edits[0].after})
    assert edits[0] not in kept
    assert any("is near bench/total" in line for line in left_out)
    held_out = [replace(edits[0], split="valid"), edits[0]]
    assert clean(held_out, {})[0] == held_out[:1]
    assert OLD != NEW


LONG = "".join(f"    if self.part{n}(book) > {n}:\n        return {n}\n" for n in range(12))
