"""Tests of diffs between workspaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.envs.blobs import FOLDER, LINK, Entry
from hrmgym.envs.changes import diff
from hrmgym.envs.task import Workspace
from hrmgym.envs.workspace import Base, Files
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED

START = Base.of({"a.py": DOUBLE, "same": "x", "old/gone.txt": "g\n"}).files


def test_a_changed_a_new_and_an_untouched_file() -> None:
    text = diff(START, START.with_text("a.py", DOUBLE_FIXED).with_text("deep/er/new", "y"))
    assert "--- a/a.py\n+++ b/a.py\n" in text
    assert "-    return x + 2" in text
    assert "+    return x * 2" in text
    assert "--- /dev/null\n+++ b/deep/er/new\n" in text
    assert "+y" in text
    assert "same" not in text
    assert "folder" not in text, "the folders of a new file go without saying"
    assert diff(START, START) == ""


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (START.without("same"), "--- a/same\n+++ /dev/null\n"),
        (START.without("old"), "-g"),
        (START.without("old/gone.txt"), "+++ /dev/null"),
        (START.changed({"l": Entry(LINK, 0, "a.py")}), "+link l -> a.py"),
        (START.changed({"same": Entry(LINK, 0, "/etc/\x1b")}), "+link same -> /etc/\\x1b"),
        (START.changed({"empty": Entry(FOLDER, 0o755)}), "+folder empty"),
        (START.changed({"old": Entry(FOLDER, 0o700)}), "old: mode 755 is now 700"),
        (START.changed({"same": START.entry("same")._replace(mode=0o755)}), "mode 644 is now 755"),  # type: ignore[union-attr]
        (START.with_text("e", ""), "/dev/null and b/e differ: the file is empty"),
        (START.with_text("same", b"\xff\xfe"), "a/same and b/same differ: 1 and 2 bytes"),
        (START.with_text("same", "x" * 500_001), "differ: 1 and 500,001 bytes"),
        (START.with_text("same", "x\n"), "differ: in how lines end"),
        (START.with_text("a\nb", "1"), "+++ b/a\\nb"),
    ],
)
def test_every_kind_of_change_is_told(after: Files, told: str) -> None:
    assert told in diff(START, after)


def test_a_file_that_becomes_a_folder() -> None:
    after = START.without("same").changed({"same": Entry(FOLDER, 0o755)}).with_text("same/in", "1")
    text = diff(START, after)
    assert "--- a/same\n+++ /dev/null" in text
    assert "+++ b/same/in" in text
    assert text.endswith("+1")


def test_a_tree_below_is_no_change(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"m{number}.py").write_text(f"x = {number}\n")
    start = Workspace(files={"m1.py": "mine = 1\n"}, tree=str(tmp_path)).start
    assert diff(start, start) == ""
    assert diff(start, start.with_text("m7.py", "x = 8\n")).splitlines()[3:] == ["-x = 7", "+x = 8"]


def test_two_bases_are_compared_by_what_they_hold() -> None:
    other = Base.of({"a.py": DOUBLE, "same": "y", "old/gone.txt": "g\n"}).files
    assert diff(START, other).splitlines()[3:] == ["-x", "+y"]


def test_many_changes_stay_within_a_size_the_named_paths_first() -> None:
    after = START.with_text("same", "FIRST")
    for number in range(2000):
        after = after.with_text(f"cache/{number:04}", "junk\n" * 20)
    text = diff(START, after, first=("same",), most=4000)
    assert len(text) < 5000
    assert "+FIRST" in text[:100]
    assert text.endswith("more paths differ]")
    assert len(diff(START, after)) > 200_000
