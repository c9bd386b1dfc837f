"""Tests of bases and of what has changed since."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.blobs import Blob, Entry
from hrmgym.envs.task import Workspace
from hrmgym.envs.workspace import EMPTY, Base, Files, base_of
from hrmgym.errors import ConfigError

TREE = {"a.py": "x = 1\n", "d/b.py": "y\n", "d/e/c.txt": "caf\udce9", "f": ""}


@pytest.fixture
def base() -> Base:
    return Base.of(TREE)


# --- bases ---


def test_a_base_is_its_content(base: Base) -> None:
    assert Base.of(dict(reversed(TREE.items()))) is base
    assert Base.of(TREE | {"f": " "}).id != base.id
    assert dict(base.files) == TREE
    assert base.files.entry("d/e") == Entry("d", 0o755)
    assert base.files["d/e/c.txt"].encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_a_path_that_swallows_the_next_field_is_another_base() -> None:
    assert Base.of({"a": "", "b": "x"}).id != Base.of({"a": "x", "b": ""}).id


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", "a//b", "./a", "a\0b"])
def test_paths_stay_inside(path: str, base: Base) -> None:
    with pytest.raises(ConfigError, match="does not stay inside the workspace"):
        Base.of({path: ""})
    with pytest.raises(ConfigError, match="does not stay inside the workspace"):
        base.files.with_text(path, "")


def test_a_file_is_no_folder(base: Base) -> None:
    for files in ({"a": "", "a/b": ""}, {"a/b": "", "a": ""}):
        with pytest.raises(ConfigError, match="'a'"):
            Base.of(files)
    with pytest.raises(ConfigError, match=r"'a\.py' is no folder"):
        base.files.with_text("a.py/x", "")
    with pytest.raises(ConfigError, match="'d' is a folder"):
        base.files.with_text("d", "")


def test_a_tree_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "sub" / "empty").mkdir(parents=True)
    (tmp_path / "sub" / "run").write_bytes(b"#!\xff")
    (tmp_path / "sub" / "run").chmod(0o775)
    (tmp_path / "plain").write_text("1")
    (tmp_path / "plain").chmod(0o600)
    (tmp_path / "link").symlink_to("sub/run")
    start = Workspace(tree=str(tmp_path), files={"plain": "2", "new/x": "3"}).start
    assert start.entries() == {
        "sub": Entry("d", 0o755),
        "sub/empty": Entry("d", 0o755),
        "sub/run": Entry("f", 0o755, Blob.of(b"#!\xff")),
        "plain": Entry("f", 0o644, Blob.of("2")),
        "link": Entry("l", 0, "sub/run"),
        "new": Entry("d", 0o755),
        "new/x": Entry("f", 0o644, Blob.of("3")),
    }
    assert list(start) == ["new/x", "plain", "sub/run"]  # a link is no file
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="neither file, link nor folder"):
        Base.from_tree(str(tmp_path))
    with pytest.raises(ConfigError, match="no folder"):
        Base.from_tree(str(tmp_path / "nothing"))


def test_a_base_is_made_once() -> None:
    files = {"a": "1"}
    assert base_of(files) is base_of(files)
    assert Workspace(files=files).start == Workspace(files=dict(files)).start


# --- files ---


def test_reading_as_a_mapping(base: Base) -> None:
    files = base.files.with_text("new/x", "1").without("a.py")
    assert dict(files) == {**{k: v for k, v in TREE.items() if k != "a.py"}, "new/x": "1"}
    assert len(files) == len(list(files)) == 4
    assert list(files) == sorted(files)
    assert files == dict(files)
    assert "a.py" not in files
    assert "d" not in files
    assert 5 not in files
    for path in ("a.py", "d", "nothing"):
        with pytest.raises(KeyError):
            files[path]


def test_a_change_back_is_no_change(base: Base) -> None:
    start = base.files
    there = start.with_text("a.py", "x = 2\n").with_text("new/deep/x", "1")
    assert set(there.changes) == {"a.py", "new", "new/deep", "new/deep/x"}
    back = there.with_text("a.py", "x = 1\n").without("new")
    assert back == start
    assert back.key == start.key != there.key
    assert not back.changes
    assert start.without("a.py").with_text("a.py", TREE["a.py"]) == start


def test_deleting_a_folder_deletes_what_is_in_it(base: Base) -> None:
    files = base.files.with_text("d/new", "").without("d")
    assert dict(files) == {"a.py": "x = 1\n", "f": ""}
    assert set(files.changes) == {"d", "d/b.py", "d/e", "d/e/c.txt"}
    assert base.files.without("d/e/c.txt").entry("d/e") is not None
    assert base.files.without("nothing") == base.files


def test_permissions_links_and_folders_count(base: Base) -> None:
    start = base.files
    program = start.changed({"a.py": Entry("f", 0o755, Blob.of(TREE["a.py"]))})
    link = start.changed({"l": Entry("l", 0, "a.py")})
    folder = start.changed({"l": Entry("d", 0o755)})
    assert len({start.key, program.key, link.key, folder.key}) == 4
    assert program.with_text("a.py", "2").entry("a.py") == Entry("f", 0o755, Blob.of("2"))
    assert dict(link) == dict(folder) == TREE


def test_a_link_is_not_followed_by_a_write(base: Base) -> None:
    files = base.files.changed({"l": Entry("l", 0, "a.py"), "m": Entry("l", 0, "d")})
    assert files.with_text("l", "new")["a.py"] == TREE["a.py"]
    with pytest.raises(ConfigError, match="'m' is no folder"):
        files.with_text("m/b.py", "")


def test_limited_to_some_files(base: Base) -> None:
    files = base.files.with_text("a.py", "mine").with_text("conftest.py", "bad").without("f")
    assert dict(files.limited_to(["a.py"])) == TREE | {"a.py": "mine"}
    assert dict(files.limited_to([])) == TREE
    assert "f" not in files.limited_to(["f", "a.py"])
    link = base.files.changed({"a.py": Entry("l", 0, "/etc/passwd")})
    assert "a.py" not in link.limited_to(["a.py"])
    no_folder = base.files.without("d").with_text("d", "a file")
    assert dict(no_folder.limited_to(["d/b.py"])) == {
        k: v for k, v in TREE.items() if k != "d/b.py"
    }


def test_limited_to_patterns(base: Base) -> None:
    """What is made, deleted, renamed and made executable there, and nothing else."""
    tree = Base.of({"src/a.py": "a", "src/old.py": "o", "src/in/b.py": "b", "t/c.py": "c"})
    moved = tree.files.with_text("src/new/old.py", b"\xff\0o").without("src/old.py")
    moved = moved.changed({"src/a.py": Entry("f", 0o711, Blob.of("a"))})
    moved = moved.with_text("t/c.py", "bad").with_text("conftest.py", "bad").without("src/in")
    seen = moved.limited_to(["src/**"])
    assert dict(seen) == {"src/a.py": "a", "src/new/old.py": "\udcff\0o", "t/c.py": "c"}
    assert seen.entry("src/a.py") == Entry("f", 0o755, Blob.of("a"))
    assert seen.entry("src/new") is not None
    assert seen.entry("src/in") is None
    assert dict(moved.limited_to(["src/*.py"])) == {
        "src/a.py": "a",
        "src/in/b.py": "b",
        "t/c.py": "c",
    }
    assert dict(moved.limited_to(["**"])) == dict(moved)
    assert moved.limited_to(["nothing/**"]) == tree.files


_X = Entry("f", 0o644, Blob.of("x"))


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"src/in": _X, "src/in/b.py": None}, {"src/in": "x"}),
        ({"src/a.py": Entry("l", 0, "../t/c.py")}, {"src/in/b.py": "b"}),
        (
            {"src/a.py": Entry("d", 0o755), "src/a.py/x": _X},
            {"src/in/b.py": "b", "src/a.py/x": "x"},
        ),
        ({"t": _X, "t/c.py": None}, None),
        ({"t": None, "t/c.py": None}, None),
    ],
)
def test_what_may_not_be_edited_is_in_nobodys_way(
    change: dict[str, Entry | None], kept: dict[str, str] | None
) -> None:
    """A file where a folder was, a folder where a file was, links, folders with others' files."""
    tree = Base.of({"src/a.py": "a", "src/in/b.py": "b", "t/c.py": "c"})
    seen = tree.files.changed(change).limited_to(["src/**", "t"])
    if kept is None:
        assert seen == tree.files
        return
    rest = {"src/a.py": "a"} if "src/a.py" not in change else {}
    assert dict(seen) == {"t/c.py": "c", **rest, **kept}


def test_a_tree_of_20_000_files_costs_what_has_changed() -> None:
    """The files that did not change are not even looked at."""
    tree = Base.of({f"d{i % 200}/f{i}.py": str(i % 7) for i in range(20_000)})
    looked = 0

    class Counting(dict[str, Entry]):
        def get(self, key: str, default: Any = None) -> Any:
            nonlocal looked
            looked += 1
            return super().get(key, default)

    tree.entries = Counting(tree.entries)
    files = tree.files.with_text("d3/new.py", "x").without("d4/f4.py")
    looked = 0
    seen = files.limited_to(["d*/**"])
    assert looked < 50
    assert len(seen) == 20_000
    assert (seen["d3/new.py"], "d4/f4.py" in seen) == ("x", False)


def test_from_a_mapping(base: Base) -> None:
    assert Files.of(TREE, base) == base.files
    assert Files.of({}, base).entries() == {}
    some = Files.of({"a.py": "2", "q/r": b"\xff"}, base)
    assert dict(some) == {"a.py": "2", "q/r": "\udcff"}
    assert Files.of(some) is some
    assert Files.of({"a": "1"}).base is EMPTY


CONTENT = st.sampled_from(["", "1", "2"])
STEP = st.tuples(st.sampled_from([*TREE, "g", "h/i", "h/j/k"]), st.none() | CONTENT)


@given(st.lists(STEP, max_size=12))
def test_any_way_to_the_same_files_gives_the_same_key(steps: list[tuple[str, str | None]]) -> None:
    base = Base.of(TREE)
    files, plain = base.files, dict(TREE)
    for path, text in steps:
        if text is None:
            plain.pop(path, None)
            files = files.without(path)
        else:
            plain[path] = text
            files = files.with_text(path, text)
    assert dict(files) == plain
    assert len(files) == len(plain)
    whole = {path: entry for path, entry in files.entries().items()}
    again = base.files.changed({**dict.fromkeys(base.entries), **whole})
    assert again == files
    assert again.key == files.key
    assert hash(again) == hash(files)


# --- size, memory, processes ---


def test_equal_contents_are_kept_once() -> None:
    text = "something long" * 1000
    one, two = EMPTY.files.with_text("a", text), EMPTY.files.with_text("b", text.encode())
    first, second = one.entry("a"), two.entry("b")
    assert first is not None
    assert second is not None
    assert first.content is second.content
    many = pickle.dumps([EMPTY.files.with_text(str(i), text) for i in range(20)])
    assert len(many) < 2 * len(text)


def test_a_pickle_holds_the_changes_only() -> None:
    base = Base.of({f"d{i % 20}/{i}": "x" * 1000 + str(i) for i in range(1000)})
    files = base.files.with_text("d1/1", "new")
    data = pickle.dumps(files)
    assert len(data) < 600
    assert pickle.loads(data) == files


def test_in_another_process_the_base_is_found_through_the_workspace() -> None:
    files = {"a": "1", "b": "2"}
    data = pickle.dumps(base_of(files).files.with_text("a", "3"))
    program = (
        "import pickle, sys\n"
        "from hrmgym.envs.task import Workspace\n"
        "from hrmgym.errors import ConfigError\n"
        "found = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "assert found == pickle.loads(pickle.dumps(found))\n"
        "try: found['b']\n"
        "except ConfigError as error: print(error)\n"
        "print(found.key)\n"
        "workspace = Workspace(files={'b': '2', 'a': '1'}); workspace.base()\n"
        "print(dict(found))\n"
    )
    command = [sys.executable, "-c", program, data.hex()]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert "make the workspace of their task first" in said[0]
    assert said[1:] == [pickle.loads(data).key, "{'a': '3', 'b': '2'}"]


def test_what_nobody_uses_is_forgotten() -> None:
    base = Base.of({"only here": "7d1f"})
    name = base.id
    assert Base.known(name) is base
    del base
    gc.collect()
    assert Base.known(name) is None


@pytest.mark.parametrize("files", [{"a": "\ud800"}, {"a\ud800": ""}, {"a\udfff/b": ""}])
def test_what_no_file_can_hold_is_refused(files: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"\\ud"):
        Base.of(files)
    assert Base.of({"a\udcff": "\udcff"}).files["a\udcff"] == "\udcff"  # bytes that are no text
