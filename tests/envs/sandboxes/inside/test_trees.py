"""Reading and changing trees, on folders of this machine."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.blobs import Blob
from hrmgym.envs.sandboxes.inside import files, trees

Contents = dict[str, bytes]


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "top"
    made.mkdir()
    yield made
    files.wipe(str(made))


def read(top: Path, **options: bool) -> dict[str, trees.Entry]:
    reader = trees.Reader()
    reader.most = 1 << 20
    return reader.read(str(top), **{"quiet": True, **options})[0]


def text(content: str, mode: int = 0o644) -> trees.Entry:
    return "f", mode, trees.hash_of(content.encode())


def contents(*texts: str) -> Callable[[str, str], bytes]:
    by_hash = {trees.hash_of(one.encode()): one.encode() for one in texts}
    return lambda path, name: by_hash[name]


def test_host_and_guest_name_contents_alike() -> None:
    assert Blob.of(b"abc").id == trees.hash_of(b"abc")


# --- reading ---


def test_everything_is_seen(top: Path) -> None:
    (top / "d" / "empty").mkdir(parents=True)
    (top / "d" / "run").write_text("x")
    (top / "d" / "run").chmod(0o4755)
    (top / "link").symlink_to("/etc/passwd")
    (top / "folder link").symlink_to("d")
    (top / "new\nline").write_text("")
    os.link(top / "d" / "run", top / "hard")
    os.mkfifo(top / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(top / "socket"))
    Path(os.fsdecode(os.fsencode(top) + b"/\xff")).write_text("")
    found = read(top)
    special = {path for path, entry in found.items() if entry[0] == trees.SPECIAL}
    assert special == {"pipe", "socket"}
    assert {p: e for p, e in found.items() if p not in special} == {
        "d": ("d", 0o755, ""),
        "d/empty": ("d", 0o755, ""),
        "d/run": text("x", 0o4755),
        "hard": text("x", 0o4755),
        "link": ("l", 0, "/etc/passwd"),
        "folder link": ("l", 0, "d"),
        "new\nline": text(""),
        "\udcff": text(""),
    }


def test_what_is_locked_is_read_and_stays_locked(top: Path) -> None:
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "f").write_text("x")
    for path in ("a/b/f", "a/b", "a"):
        (top / path).chmod(0)
    assert read(top) == {
        "a": ("d", 0, ""),
        "a/b": ("d", 0, ""),
        "a/b/f": text("x", 0),
    }
    assert stat.S_IMODE((top / "a").stat().st_mode) == 0
    with pytest.raises(OSError, match="not a regular file"):
        trees.content_of("/dev/null")


def test_a_hash_is_remembered_until_the_file_changes(top: Path) -> None:
    reader = trees.Reader()
    reader.most = 1 << 20
    file = top / "f"
    file.write_text("one")
    time.sleep(0.06)  # older than a tick of the file system's clock
    for quiet, hashed in ((False, True), (True, True), (True, False)):
        reader.read(str(top), quiet=quiet)
        assert bool(reader.contents) is hashed
    before = file.stat()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time of change
    assert reader.read(str(top), quiet=True)[0]["f"] == text("two")


def test_changes_within_a_tick_are_seen(top: Path) -> None:
    reader = trees.Reader()
    reader.most = 1 << 20
    for i in range(300):
        (top / "f").write_text(f"{i:03}")
        assert reader.read(str(top), quiet=True)[0]["f"] == text(f"{i:03}")


def test_too_much(top: Path) -> None:
    reader = trees.Reader()
    reader.most = 10
    (top / "a").write_bytes(bytes(6))
    (top / "b").write_bytes(bytes(4))
    reader.read(str(top), quiet=True)
    os.truncate(top / "b", 5)
    with pytest.raises(trees.TooLarge):
        reader.read(str(top), quiet=True)
    os.truncate(top / "b", 1 << 40)  # nearly all of it a hole
    with pytest.raises(trees.TooLarge):
        reader.read(str(top), quiet=True)


# --- comparing ---

BASE = trees.Base(
    {
        "d": ("d", 0o755, ""),
        "d/a": text("1"),
        "d/e": ("d", 0o755, ""),
        "d/e/b": text("2"),
        "d0": text("0"),  # sorts right behind what lies in d
        "f": text("3"),
    }
)


def test_changes_of_an_upper_layer() -> None:
    assert BASE.below("d") == ["d/a", "d/e", "d/e/b"]
    gone = BASE.changes_of_layer({}, ["d", "nothing"], set())
    assert gone == dict.fromkeys(["d", "d/a", "d/e", "d/e/b"])
    merged = BASE.changes_of_layer({"d": ("d", 0o755, ""), "d/n": text("x")}, ["d/a"], set())
    assert merged == {"d/n": text("x"), "d/a": None}
    opaque = BASE.changes_of_layer({"d": ("d", 0o700, ""), "d/a": text("1")}, [], {"d"})
    assert opaque == {"d": ("d", 0o700, ""), "d/e": None, "d/e/b": None}
    replaced = BASE.changes_of_layer({"d": text("now a file"), "f": ("d", 0o755, "")}, [], {"f"})
    assert replaced == {
        "d": text("now a file"),
        "d/a": None,
        "d/e": None,
        "d/e/b": None,
        "f": ("d", 0o755, ""),
    }
    assert BASE.changes_of_layer({"f": text("3"), "d": ("d", 0o755, "")}, [], set()) == {}


def test_changes_of_a_whole_tree() -> None:
    assert BASE.changes(BASE.entries) == {}
    assert BASE.changes({}) == dict.fromkeys(BASE.entries)
    assert BASE.changes(BASE.entries | {"d0": text("1")}) == {"d0": text("1")}


# --- changing ---


def test_only_what_differs_is_touched(top: Path) -> None:
    entries = {"a": text("1"), "b": text("1"), "c": text("1"), "d": ("d", 0o755, "")}
    trees.build(str(top), entries, contents("1"))
    before = {name: (top / name).stat() for name in entries}
    wanted: trees.Changes = {"a": text("2"), "b": text("1", 0o755), "d/x": text("1")}
    base = trees.Base(entries)
    assert trees.morph(str(top), base, {}, wanted, contents("1", "2")) == 3
    assert read(top) == entries | wanted
    assert (top / "b").stat().st_ino == before["b"].st_ino
    assert (top / "c").stat().st_ctime_ns == before["c"].st_ctime_ns
    assert trees.morph(str(top), base, wanted, wanted, contents()) == 0


def test_a_hard_link_elsewhere_keeps_what_it_holds(top: Path) -> None:
    trees.build(str(top), {"a": text("1")}, contents("1"))
    os.link(top / "a", top / "b")
    base = trees.Base({})
    now: trees.Changes = {"a": text("1"), "b": text("1")}
    trees.morph(str(top), base, now, {"a": text("2"), "b": text("1")}, contents("1", "2"))
    assert read(top) == {"a": text("2"), "b": text("1")}


def test_special_files_go(top: Path) -> None:
    os.mkfifo(top / "p")
    trees.morph(str(top), trees.Base({}), dict(read(top)), {"p": text("1")}, contents("1"))
    assert read(top) == {"p": text("1")}


def test_a_link_is_replaced_and_not_followed(top: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("mine")
    (top / "l").symlink_to(outside)
    (top / "m").symlink_to(outside / "x")
    wanted: trees.Changes = {"l": ("d", 0o755, ""), "l/x": text("1"), "m": text("1")}
    trees.morph(str(top), trees.Base({}), dict(read(top)), wanted, contents("1"))
    assert read(top) == wanted
    assert (outside / "x").read_text() == "mine"


MODES = st.sampled_from([0o755, 0o700, 0o500, 0o000])
NAMES = ["a", "a/b", "a/b/c", "a/d", "e", "e/f"]


@st.composite
def whole_trees(draw: st.DrawFn) -> dict[str, trees.Entry]:
    found: dict[str, trees.Entry] = {}
    for name in NAMES:
        above = name.rpartition("/")[0]
        if above and (above not in found or found[above][0] != "d"):
            continue
        kind = draw(st.sampled_from(["f", "l", "d", "d", ""]))
        if kind == "d":
            found[name] = "d", draw(MODES), ""
        elif kind == "f":
            found[name] = text(
                draw(st.sampled_from("12")), draw(st.sampled_from([0o644, 0o755, 0]))
            )
        elif kind == "l":
            found[name] = "l", 0, draw(st.sampled_from(["/etc", "a", "gone"]))
    return found


@given(whole_trees(), whole_trees(), whole_trees())
def test_from_any_tree_to_any_other(
    below: dict[str, trees.Entry], now: dict[str, trees.Entry], wanted: dict[str, trees.Entry]
) -> None:
    """With any tree as the base that both are told by."""
    base, give = trees.Base(below), contents("1", "2")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "top"
        top.mkdir()
        trees.build(str(top), now, give)
        assert read(top) == now
        trees.morph(str(top), base, base.changes(now), base.changes(wanted), give)
        assert read(top) == wanted
        files.wipe(str(top))
