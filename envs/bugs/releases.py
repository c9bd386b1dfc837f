"""The releases that real edits come from: a pinned list, their download, and what is made of them.

    python -m hrmgym.envs.bugs.releases            makes the shipped files anew
    python -m hrmgym.envs.bugs.releases --check    fails if they are not what a rebuild gives

Archives are wheels, so that nothing of them runs. Each is downloaded once, by pip, by name and
version with its hash, into the cache folder. The list is short on purpose: a registry is no
catalogue to scan. No package of it is a benchmark's (SWE-bench, SWE-smith, QuixBugs, Exercism).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from hrmgym.envs.bugs import names
from hrmgym.envs.bugs.contamination import near_duplicates
from hrmgym.envs.bugs.corpus import CorpusFunction, cache_folder
from hrmgym.envs.bugs.mining import Package, clean, functions_in, mine
from hrmgym.envs.bugs.names import count_names
from hrmgym.envs.bugs.protected import protected_programs
from hrmgym.envs.bugs.real_edits import SPLITS, RealEdit, file_name, write
from hrmgym.errors import DataError, UserError

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
    folder = folder or cache_folder() / "releases"
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


def package(entry: Entry, folder: Path | None = None) -> Package:
    """A pinned package with its wheels at hand."""
    archives = tuple((one.version, fetch(one, folder)) for one in entry.releases)
    return Package(entry.name, entry.licence, entry.split, entry.root, archives)


def mine_all(
    entries: Sequence[Entry], protected: Mapping[str, str], folder: Path | None = None
) -> tuple[list[RealEdit], list[str]]:
    """The real edits of all packages, the protected ones left out; see `mining.clean`."""
    found = [edit for entry in entries for edit in mine(package(entry, folder))]
    return clean(found, protected)


def latest_functions(
    entry: Entry, folder: Path | None = None
) -> dict[tuple[str, str], CorpusFunction]:
    """The functions of a package's latest release by (path, qualified name)."""
    release = entry.releases[-1]
    origin = f"{entry.name} in {release.project} {release.version}"
    return functions_in(fetch(release, folder), entry.root, origin)


def near_functions(
    entries: Sequence[Entry], protected: Mapping[str, str], folder: Path | None = None
) -> list[str]:
    """Functions of training packages too like a protected program that the list does not name."""
    found = []
    for entry in entries:
        if entry.split == "train":
            functions = latest_functions(entry, folder).items()
            codes = {f"{path}:{name}": function.code for (path, name), function in functions}
            pairs = near_duplicates(codes, protected)
            near = dict.fromkeys(pair.candidate for pair in pairs)
            found += [f"{entry.name} {one}" for one in near if one not in entry.near_benchmarks]
    return found


def names_of(entries: Sequence[Entry], folder: Path | None = None) -> str:
    """The content of the list of names: those of the training packages."""
    codes = [
        function.code
        for entry in entries
        if entry.split == "train"
        for function in latest_functions(entry, folder).values()
    ]
    return json.dumps(count_names(codes), indent=0) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the shipped files, or compare them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hrmgym.envs.bugs.releases")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--wheels", type=Path, help="folder of the wheels (default: the cache)")
    options = parser.parse_args(arguments)
    protected, missing = protected_programs()
    for line in missing:
        print(f"not compared with {line}", file=sys.stderr)
    if missing:
        return 1
    near = near_functions(pinned(), protected, options.wheels)
    if near:
        print(f"to be added to near_benchmarks in releases.json: {', '.join(near)}")
        return 1
    edits, left_out = mine_all(pinned(), protected, options.wheels)
    for line in left_out:
        print(f"left out: {line}")
    texts = {
        file_name(): gzip.decompress(write(edits)),
        names.FILE: names_of(pinned(), options.wheels).encode(),
    }
    for split in SPLITS:
        counts = Counter(edit.package for edit in edits if edit.split == split)
        parts = ", ".join(f"{name} {count}" for name, count in counts.items())
        print(f"{split}: {counts.total()} edits ({parts})")
    stale = [name for name, text in texts.items() if _stored(name) != text]
    if options.check:
        for name in stale:
            print(f"{name} is not what a rebuild gives", file=sys.stderr)
        return int(bool(stale))
    for name in stale:
        data = gzip.compress(texts[name], 9, mtime=0) if name.endswith(".gz") else texts[name]
        Path(str(_shipped(name))).write_bytes(data)
        print(f"{name}: {len(data)} bytes")
    return 0


def _shipped(name: str) -> Traversable:
    return resources.files("hrmgym.envs").joinpath(f"data/{name}")


def _stored(name: str) -> bytes | None:
    """What a shipped file holds, unpacked: compressors of two machines may differ."""
    try:
        data = _shipped(name).read_bytes()
    except FileNotFoundError:
        return None
    return gzip.decompress(data) if name.endswith(".gz") else data


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as problem:
        sys.exit(str(problem))
