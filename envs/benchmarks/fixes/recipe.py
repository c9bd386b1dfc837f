"""The recipe of the tasks: releases by hash, and what each task is made of them. No source code.

A line of the file is one JSON object for a package: its releases, what its tests need, and its
tasks. Packages are in one split for good, by the hash of their names, and in `train` if the network
that ships may have seen them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from hrmgym.envs.bugs.releases import Release, pinned
from hrmgym.errors import DataError

SPLITS = ("train", "tuning", "test")
#: Per cent of the names, of those that no network has seen.
_TEST, _TUNING = 50, 25
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The tests of one side, visible or hidden: functions, as `path::Class::name`."""

    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    together: str = ""
    """Why they run in one process with the code; empty where they run apart from it."""

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them."""
        return self.fail_to_pass + self.pass_to_pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One task: a function's body of the older release in the newer one."""

    old: str
    """Version of the older release."""
    new: str
    path: str
    function: str
    """Qualified name."""
    lines: int
    """Changed lines; no comments, no blank ones."""
    visible: Side
    hidden: Side
    content: str
    """SHA-256 over the older text and both sides' test files, in hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package: its releases, and the tasks that are made of them."""

    name: str
    lock: str = ""
    """What its code and tests need installed: see `Environment.lock`."""
    releases: Mapping[str, Release] = field(default_factory=dict)
    """Version -> source archive, the newest first."""
    fixes: tuple[Fix, ...] = ()

    @property
    def split(self) -> str:
        """Where its tasks belong."""
        return split_of(self.name)


def normal(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _seen() -> frozenset[str]:
    """Projects and packages that the network that ships may have been trained on."""
    train = [one for one in pinned() if one.split == "train"]
    names = {one.name for one in train} | {r.project for one in train for r in one.releases}
    return frozenset(map(normal, names))


def split_of(package: str) -> str:
    """The split of a package, by the hash of its name."""
    name = normal(package)
    if name in _seen():
        return "train"
    number = int(hashlib.sha256(f"fixes {name}".encode()).hexdigest()[:8], 16) % 100
    return "test" if number < _TEST else "tuning" if number < _TEST + _TUNING else "train"


@cache
def shipped() -> tuple[Package, ...]:
    """The packages of the recipe that ships."""
    file = resources.files("hrmgym.envs.benchmarks.fixes").joinpath("recipe.jsonl")
    return parse(file.read_text("utf-8"), "the recipe that ships")


def read(path: Path) -> tuple[Package, ...]:
    """The packages of a recipe file.

    Raises:
        DataError: it cannot be read, or a line of it is not a package.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> tuple[Package, ...]:
    """The packages of a recipe's text.

    Raises:
        DataError: a line of it is not a package.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            found.append(_package(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{where}:{number}: not a package of a recipe: {error!r}") from error
    return tuple(found)


def written(packages: Iterable[Package]) -> str:
    """A recipe's text, packages by name."""
    ordered = sorted(packages, key=lambda package: package.name)
    return "".join(json.dumps(_line(package)) + "\n" for package in ordered)


def _line(package: Package) -> dict[str, Any]:
    needed = {version for fix in package.fixes for version in (fix.old, fix.new)}
    releases = {
        version: [one.file, one.sha256]
        for version, one in package.releases.items()
        if version in needed or not package.fixes
    }
    fixes = [asdict(fix) for fix in package.fixes]
    return {
        "format": _FORMAT,
        "name": package.name,
        "lock": package.lock,
        "releases": releases,
        "fixes": fixes,
    }


def _package(data: dict[str, Any]) -> Package:
    if data["format"] != _FORMAT:
        raise ValueError(f"format {data['format']}, not {_FORMAT}")
    name = data["name"]
    releases = {v: Release(name, v, file, sha) for v, (file, sha) in data["releases"].items()}
    fixes = []
    for one in data["fixes"]:
        visible, hidden = _side(one.pop("visible")), _side(one.pop("hidden"))
        fixes.append(Fix(**one, visible=visible, hidden=hidden))
    return Package(name=name, lock=data["lock"], releases=releases, fixes=tuple(fixes))


def _side(data: dict[str, Any]) -> Side:
    return Side(
        fail_to_pass=tuple(data["fail_to_pass"]),
        pass_to_pass=tuple(data["pass_to_pass"]),
        together=data["together"],
    )
