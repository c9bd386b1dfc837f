"""Finding benchmark data: HRMGYM_DATA, else the user's cache, else its public source.

Whatever the way, the data that is used is checked against a checksum over its files' content, so a
score is always on the version that the benchmark names.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hrmgym.config import is_folder, named_path
from hrmgym.envs.cache import cache_dir
from hrmgym.errors import DataError

DATA_VARIABLE = "HRMGYM_DATA"


@dataclass(frozen=True, slots=True)
class DataSource:
    """One public repository at one commit, and the files of it that a benchmark reads."""

    folder: str
    """Name below HRMGYM_DATA and below the cache."""
    commit: str
    url: str
    """A .tar.gz whose members lie below one top folder."""
    patterns: tuple[str, ...]
    """Glob patterns of the files that are read."""
    checksum: str
    """`content_checksum` of those files."""

    def files(self, root: Path) -> list[Path]:
        """The files that are read, sorted."""
        return sorted({path for pattern in self.patterns for path in root.glob(pattern)})


def content_checksum(root: Path, files: Iterable[Path]) -> str:
    """SHA-256 over names and contents of `files` (64 hex digits)."""
    digest = hashlib.sha256()
    for path in files:
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def candidates(source: DataSource) -> list[Path]:
    """Where the data is looked for before it is fetched, in order."""
    named = named_path(DATA_VARIABLE)
    found = [] if named is None else [named / source.folder]
    return [*found, cache_dir() / "data" / f"{source.folder}-{source.commit[:12]}"]


def locate(source: DataSource, path: str | None = None) -> Path:
    """The folder that holds the data, checked.

    Args:
        source: What to find.
        path: A folder to use instead of looking for one.

    Raises:
        DataError: nowhere to be found and not to be fetched, or not the pinned content.
    """
    if path is not None:
        return _checked(Path(path), source)
    for folder in candidates(source):
        if folder.is_dir():
            return _checked(folder, source)
    return fetch(source)


def _checked(root: Path, source: DataSource) -> Path:
    if not is_folder(root):
        raise DataError(f"{root}: no such folder (wanted: {source.folder} at {source.commit[:12]})")
    files = source.files(root)
    found = content_checksum(root, files)
    if found != source.checksum:
        raise DataError(
            f"{root}: this is not {source.folder} at {source.commit[:12]}: {len(files)} files with "
            f"checksum {found[:12]}, expected {source.checksum[:12]}"
        )
    return root


def fetch(source: DataSource, timeout_s: float = 60.0) -> Path:
    """Downloads the data into the cache; nothing is left behind where that fails.

    Raises:
        DataError: no connection, or not the pinned content.
    """
    target = candidates(source)[-1]
    try:
        with urllib.request.urlopen(source.url, timeout=timeout_s) as response:
            archive = response.read()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise DataError(
            f"{source.folder}: not under {DATA_VARIABLE}, not in {target}, and {source.url} cannot "
            f"be fetched ({error}); set {DATA_VARIABLE} to a folder that holds {source.folder}/"
        ) from error
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        try:
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
                tar.extractall(scratch, filter="data")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise DataError(f"{source.url}: not a readable archive ({error})") from error
        tops = [path for path in Path(scratch).iterdir() if path.is_dir()]
        if len(tops) != 1:
            raise DataError(f"{source.url}: expected one top folder, found {len(tops)}")
        _checked(tops[0], source)
        try:
            tops[0].rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster, with the same content
                raise
    return target
