"""Releases of packages, pinned by hash: their list, with its splits, and their download.

Archives are wheels, so that nothing of them runs. Each is downloaded once, by pip, by name and
version with its hash, into the cache folder. The list is short on purpose: a registry is no
catalogue to scan. No package of it is a benchmark's (SWE-bench, SWE-smith, QuixBugs, Exercism).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from hrmgym.envs.cache import cache_dir
from hrmgym.errors import DataError

SPLITS = ("train", "valid")
"""`valid` holds whole packages that nothing is ever trained on."""
_PIP = ("download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
_WHEEL = ("--only-binary", ":all:", "--platform", "any", "--implementation", "py", "--abi", "none")
_SOURCE = ("--no-binary", ":all:")
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
        release: What to fetch. Of a source archive pip asks the metadata, which runs its build
            script; only tools for development fetch such.
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


def _download(release: Release, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wanted = Path(scratch, "wanted.txt")
        pin = f"{release.project}=={release.version} --hash=sha256:{release.sha256}\n"
        wanted.write_text(pin, encoding="utf-8")
        kind = _WHEEL if release.file.endswith(".whl") else _SOURCE
        command = [sys.executable, "-m", "pip", *_PIP, *kind, "-d", scratch, "-r", str(wanted)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise DataError(f"{release.file}: pip took more than {_TIMEOUT_S:.0f} s") from None
        path = Path(scratch, release.file)
        if done.returncode or not path.exists():
            lines = done.stderr.strip().splitlines() or ["it saved no such file"]
            raise DataError(f"{release.file}: pip could not download it: {lines[-1]}")
        path.replace(folder / release.file)
