"""Functions of the pinned packages' latest releases: more to make bugs in, and to hold out.

The wheels are downloaded on first use (see `hrmgym.envs.bugs.releases`); what was cut out of them
is cached. The manifest, with names, versions, licences and hashes, is `envs/data/releases.json`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from hrmgym.envs.bugs.meaning import compiles
from hrmgym.envs.bugs.releases import SPLITS, Entry, fetch, pinned
from hrmgym.envs.cache import cache_dir
from hrmgym.errors import UnknownNameError
from hrmgym.trainers.data.corpus import (
    CORPUS_VERSION,
    CorpusFunction,
    read_cache,
    words_of,
    write_cache,
)
from hrmgym.trainers.data.mining import functions_in


def package_functions(
    split: str = "train", min_lines: int = 3, max_lines: int = 30
) -> tuple[CorpusFunction, ...]:
    """Functions of a split's packages, each once, in a fixed order.

    Args:
        split: `train`, or `valid` for the packages that nothing is trained on.
        min_lines: Least number of lines, the `def` line included.
        max_lines: Largest number of lines.

    Raises:
        UnknownNameError: no such split.
        DataError: a wheel is not cached and cannot be downloaded.
    """
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    name = f"{split}-{CORPUS_VERSION}-{packages_version()}-{min_lines}-{max_lines}.json.zlib"
    path = cache_dir() / name
    cached = read_cache(path)
    if cached is not None:
        return cached
    functions = tuple(collect_packages(pinned(), split, min_lines, max_lines))
    write_cache(path, functions)
    return functions


def packages_version() -> str:
    """Which releases are pinned, as a hash."""
    file = resources.files("hrmgym.envs").joinpath("data/releases.json")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def latest_functions(
    entry: Entry, folder: Path | None = None
) -> dict[tuple[str, str], CorpusFunction]:
    """The functions of a package's latest release by (path, qualified name)."""
    release = entry.releases[-1]
    origin = f"{entry.name} in {release.project} {release.version}"
    return functions_in(fetch(release, folder), entry.root, origin)


def collect_packages(
    entries: Sequence[Entry], split: str, min_lines: int, max_lines: int, folder: Path | None = None
) -> Iterator[CorpusFunction]:
    """The functions of the packages of a split among `entries`, protected ones left out."""
    seen: set[tuple[str, ...]] = set()
    for entry in entries:
        if entry.split != split:
            continue
        for (path, name), function in latest_functions(entry, folder).items():
            if f"{path}:{name}" in entry.near_benchmarks:
                continue
            if not min_lines <= function.code.count("\n") <= max_lines:
                continue
            body = words_of(function)
            if body not in seen and compiles(function.code):
                seen.add(body)
                yield function
