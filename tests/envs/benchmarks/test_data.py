"""Tests of finding and fetching benchmark data, with a server on this machine."""

from __future__ import annotations

import dataclasses
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.data import DataSource, candidates, content_checksum, fetch, locate
from hrmgym.errors import DataError


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that does not log."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL that serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def archive(path: Path, files: dict[str, str], top: str = "repo-1") -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))


@pytest.fixture
def source(tmp_path: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> DataSource:
    """Data that is neither under HRMGYM_DATA nor in the cache yet, and can be fetched."""
    monkeypatch.delenv("HRMGYM_DATA", raising=False)
    monkeypatch.setenv("HRMGYM_CACHE", str(tmp_path / "cache"))
    folder, url = served
    archive(folder / "data.tar.gz", {"a.txt": "alpha", "b.bin": "beta", "c.txt": "gamma"})
    original = tmp_path / "original"
    original.mkdir()
    (original / "a.txt").write_text("alpha")
    (original / "c.txt").write_text("gamma")
    bare = DataSource("things", "0123456789abcdef", f"{url}/data.tar.gz", ("*.txt",), "")
    return dataclasses.replace(bare, checksum=content_checksum(original, bare.files(original)))


def test_data_is_fetched_once_and_then_cached(source: DataSource, tmp_path: Path) -> None:
    found = locate(source)
    assert (found / "a.txt").read_text() == "alpha"
    assert found.is_relative_to(tmp_path / "cache")
    gone = dataclasses.replace(source, url="http://127.0.0.1:9/nothing")
    assert locate(gone) == found


def test_the_named_folder_comes_first(
    source: DataSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named" / "things"
    named.mkdir(parents=True)
    (named / "a.txt").write_text("alpha")
    (named / "c.txt").write_text("gamma")
    monkeypatch.setenv("HRMGYM_DATA", str(named.parent))
    assert locate(source) == named
    assert candidates(source)[0] == named


def test_other_content_is_refused_wherever_it_comes_from(
    source: DataSource, served: tuple[Path, str], tmp_path: Path
) -> None:
    archive(served[0] / "data.tar.gz", {"a.txt": "changed", "c.txt": "gamma"})
    with pytest.raises(DataError, match="is not things at 0123456789ab"):
        locate(source)
    assert not candidates(source)[-1].exists()
    folder = tmp_path / "mine"
    folder.mkdir()
    with pytest.raises(DataError, match="0 files with checksum"):
        locate(source, str(folder))


def test_no_connection_says_what_to_do(source: DataSource) -> None:
    gone = dataclasses.replace(source, url="http://127.0.0.1:9/nothing")
    with pytest.raises(DataError, match="set HRMGYM_DATA to a folder that holds things/"):
        fetch(gone)


def test_a_broken_archive_leaves_nothing(source: DataSource, served: tuple[Path, str]) -> None:
    (served[0] / "data.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="not a readable archive"):
        fetch(source)
    target = candidates(source)[-1]
    assert list(target.parent.iterdir()) == []


def test_an_archive_cannot_write_elsewhere(
    source: DataSource, served: tuple[Path, str], tmp_path: Path
) -> None:
    archive(served[0] / "data.tar.gz", {"../../../evil.txt": "x"})
    with pytest.raises(DataError):
        fetch(source)
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_folder_that_is_not_there(source: DataSource) -> None:
    with pytest.raises(DataError, match="no such folder"):
        locate(source, "/nowhere/at/all")
