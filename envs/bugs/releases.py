"""Releases of packages, pinned by hash: their list, with its splits, and their download.

Nothing of an archive runs: a wheel has nothing that would, and of a source archive `standin.py`
tells pip the metadata. Each is downloaded once, by pip, by name and
version with its hash, into the cache folder. The list is short on purpose: a registry is no
catalogue to scan. No package of it is a benchmark's (SWE-bench, SWE-smith, QuixBugs, Exercism).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from hrmgym.envs.bugs import standin
from hrmgym.envs.cache import cache_dir
from hrmgym.errors import DataError

SPLITS = ("train", "valid")
"""`valid` holds whole packages that nothing is ever trained on."""
_PIP = ("download", "--quiet", "--disable-pip-version-check", "--no-deps")
_WHEEL = ("--only-binary", ":all:", "--platform", "any", "--implementation", "py", "--abi", "none")
_SOURCE = ("--no-binary", ":all:", "--no-build-isolation", "--use-pep517")
_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Release:
    """One wheel, or source archive, of a project."""

    project: str
    version: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One package of the pinned list."""

    name: str
    licence: str
    split: str
    """One of `SPLITS`."""
    root: str
    releases: tuple[Release, ...]
    """The oldest first."""
    near_benchmarks: tuple[str, ...]
    """`path:function` of those that are too like a benchmark's program to be trained on."""


@cache
def pinned() -> tuple[Entry, ...]:
    """The pinned list."""
    file = resources.files("hrmgym.envs").joinpath("data/releases.json")
    data = json.loads(file.read_text(encoding="utf-8"))
    entries = []
    for name, row in data["packages"].items():
        wheels = data["projects"][row["project"]]
        releases = (Release(row["project"], v, *wheel) for v, wheel in wheels.items())
        near = tuple(row.get("near_benchmarks", ()))
        entries.append(
            Entry(name, row["licence"], row["split"], row["root"], tuple(releases), near)
        )
    return tuple(entries)


def fetch(release: Release, folder: Path | None = None) -> Path:
    """The archive of a release, downloaded unless it is there.

    Args:
        release: What to fetch.
        folder: Where archives are kept; by default `releases` in the cache folder.

    Raises:
        DataError: it cannot be downloaded, or is not the pinned file.
    """
    folder = folder or cache_dir() / "releases"
    path = folder / release.file
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download(release, folder)
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"
    if found != release.sha256:
        raise DataError(f"{path}: sha256 is {found}, expected {release.sha256}")
    return path


def pin(project: str, version: str, folder: Path) -> Release:
    """The source archive of a version as it is found now, saved in a folder.

    Raises:
        DataError: there is none, or it cannot be downloaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        what = f"{project} {version}"
        _pip(what, [*_SOURCE, f"{project}=={version}"], Path(scratch))
        saved = [path for path in Path(scratch, "saved").iterdir() if path.is_file()]
        if len(saved) != 1:
            raise DataError(f"{what}: pip saved {len(saved)} files, not one")
        digest = hashlib.sha256(saved[0].read_bytes()).hexdigest()
        saved[0].replace(folder / saved[0].name)
    return Release(project, version, saved[0].name, digest)


def _download(release: Release, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wanted = Path(scratch, "wanted.txt")
        line = f"{release.project}=={release.version} --hash=sha256:{release.sha256}\n"
        wanted.write_text(line, encoding="utf-8")
        kind = _WHEEL if release.file.endswith(".whl") else _SOURCE
        _pip(release.file, [*kind, "--require-hashes", "-r", str(wanted)], Path(scratch))
        path = Path(scratch, "saved", release.file)
        if not path.exists():
            raise DataError(f"{release.file}: pip could not download it: it saved no such file")
        path.replace(folder / release.file)


def _pip(what: str, arguments: list[str], scratch: Path) -> None:
    """Has pip save archives in the folder `saved` of a scratch folder, and run nothing of them."""
    shutil.copyfile(standin.__file__, scratch / "sitecustomize.py")
    (scratch / "saved").mkdir()
    command = [sys.executable, "-m", "pip", *_PIP, "-d", str(scratch / "saved"), *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env=os.environ | {"PYTHONPATH": str(scratch)},
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{what}: pip took more than {_TIMEOUT_S:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it says nothing"]
        raise DataError(f"{what}: pip could not download it: {lines[-1]}")
