"""The shipped files that are made of the pinned releases.

    python -m hrmgym.trainers.data.rebuild            makes them anew
    python -m hrmgym.trainers.data.rebuild --check    fails if they are not what a rebuild gives

They are the real edits, here, and the list of names that bugs are made with, in `envs/data`.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from hrmgym.envs.bugs.contamination import near_duplicates
from hrmgym.envs.bugs.releases import SPLITS, Entry, pinned
from hrmgym.envs.edits import names
from hrmgym.errors import UserError
from hrmgym.trainers.data.mining import clean, mine, package
from hrmgym.trainers.data.packages import latest_functions
from hrmgym.trainers.data.protected import protected_programs
from hrmgym.trainers.data.real_edits import RealEdit, file_name, write

_MOST = {"attribute": 5000, "name": 5000, "keyword": 2000, "prefix": 200, "argument": 200}
_LEAST_USES = 2


def mine_all(
    entries: Sequence[Entry], protected: Mapping[str, str], folder: Path | None = None
) -> tuple[list[RealEdit], list[str]]:
    """The real edits of all packages, the protected ones left out; see `mining.clean`."""
    found = [edit for entry in entries for edit in mine(package(entry, folder))]
    return clean(found, protected)


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


def count_names(codes: Iterable[str]) -> dict[str, list[str]]:
    """The most used names of each kind in some texts, the most used first."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in names.KINDS}
    for code in codes:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute):
                counts["attribute"][node.attr] += 1
                if isinstance(node.value, (ast.Name, ast.Attribute)):
                    counts["prefix"][ast.unparse(node.value)] += 1
            elif isinstance(node, ast.Name):
                counts["name"][node.id] += 1
            elif isinstance(node, ast.keyword) and node.arg:
                counts["keyword"][node.arg] += 1
                if isinstance(node.value, ast.Constant) and len(repr(node.value.value)) < 12:
                    counts["argument"][ast.unparse(node)] += 1
    return {
        kind: [n for n, uses in found.most_common(_MOST[kind]) if uses >= _LEAST_USES]
        for kind, found in counts.items()
    }


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
    parser = argparse.ArgumentParser(prog="python -m hrmgym.trainers.data.rebuild")
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
        _shipped(name).write_bytes(data)
        print(f"{name}: {len(data)} bytes")
    return 0


def _shipped(name: str) -> Path:
    room = "hrmgym.trainers" if name == file_name() else "hrmgym.envs"
    return Path(str(resources.files(room).joinpath(f"data/{name}")))


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
