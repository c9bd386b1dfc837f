"""Files that are put back as they were, but for the edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.errors import ConfigError
from hrmgym.experiments.projects.textfile import edit_between, read_text_file, write_in_place


def changed(path: Path, old: str, new: str) -> bytes:
    """The bytes of a file after a replacement in its plain form."""
    file = read_text_file(path)
    assert old in file.plain
    return file.edited(file.plain.replace(old, new))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a = 1\nb = 2\n", b"a = 1\nb = 3\n"),
        (b"a = 1\nb = 2", b"a = 1\nb = 3"),
        (b"a = 1\r\nb = 2\r\n", b"a = 1\r\nb = 3\r\n"),
        (b"a = 1\r\nc = 0\nb = 2\r\n", b"a = 1\r\nc = 0\nb = 3\r\n"),
        (b"a = 1\rb = 2\r", b"a = 1\rb = 3\r"),
        ("\ufeffa = 'ö'\nb = 2\n".encode(), None),
        ("# coding: latin-1\na = 'ö'\nb = 2\n".encode("latin-1"), None),
        ("#!/usr/bin/python\n# -*- coding: cp1252 -*-\r\na = '€'\r\nb = 2".encode("cp1252"), None),
    ],
    ids=["lf", "no end", "crlf", "mixed", "cr", "mark", "latin-1", "cp1252"],
)
def test_nothing_but_the_edit_changes(tmp_path: Path, before: bytes, after: bytes | None) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(before)
    assert "\r" not in read_text_file(path).plain
    assert changed(path, "b = 2", "b = 3") == (after or before.replace(b"b = 2", b"b = 3"))
    file = read_text_file(path)
    assert file.edited(file.plain) == before


def test_new_lines_end_as_most_lines_of_the_file_do(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"a = 1\r\nb = 2\r\nc = 3\n")
    assert changed(path, "b = 2\n", "b = 2\nd = 4\n") == b"a = 1\r\nb = 2\r\nd = 4\r\nc = 3\n"


def test_the_plain_text_means_the_same_although_the_coding_line_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes("# coding: latin-1\na = 'ö'\n".encode("latin-1"))
    space: dict[str, object] = {}
    exec(compile(read_text_file(path).plain.encode(), "a.py", "exec"), space)
    assert space["a"] == "ö"


def test_a_character_that_the_encoding_lacks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"# coding: latin-1\na = 1\n")
    with pytest.raises(ConfigError, match=r"a\.py: iso-8859-1 cannot express it"):
        changed(path, "1", "'€'")


@pytest.mark.parametrize("data", [b"a = '\xff'\n", b"# coding: none\na = 1\n"])
def test_what_python_cannot_read_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"a\.py: not text that Python reads"):
        read_text_file(path)


def test_writing_keeps_permissions_and_links_and_leaves_nothing_else(tmp_path: Path) -> None:
    path, link = tmp_path / "a.py", tmp_path / "link.py"
    path.write_bytes(b"a = 1\n")
    path.chmod(0o751)
    link.symlink_to(path)
    file = read_text_file(link)
    write_in_place(file, file.edited("a = 2\n"))
    assert path.read_bytes() == b"a = 2\n"
    assert path.stat().st_mode & 0o7777 == 0o751
    assert link.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.py", "link.py"]


def test_a_file_that_has_changed_since_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"a = 1\n")
    file = read_text_file(path)
    path.write_bytes(b"a = 7\n")
    with pytest.raises(ConfigError, match="changed since it was read"):
        write_in_place(file, b"a = 2\n")
    assert path.read_bytes() == b"a = 7\n"


def test_the_edit_between_two_texts_is_short() -> None:
    assert edit_between("return a + b", "return a - b") == (9, 10, "-")
    assert edit_between("same", "same") is None
