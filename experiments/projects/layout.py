"""A project on disk: where its root is, and what of it a sandbox gets a copy of."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrmgym.errors import ConfigError, did_you_mean

#: Files that mark the root of a project.
_MARKS = (
    *("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py"),
    *(".git", ".hg"),
)
#: Folders that hold no part of a project: other people's packages, histories, what tools have made.
_LEFT_OUT = frozenset(
    (
        *(".git", ".hg", ".svn", ".tox", ".nox", ".eggs", ".venv", "venv", "node_modules"),
        *("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"),
    )
)
#: Folders of that name are what a build has made, unless they are packages.
_BUILT = frozenset(("build", "dist", "site-packages"))
MOST_FILES, MOST_BYTES, MOST_BYTES_OF_ONE = 5_000, 48 << 20, 8 << 20


@dataclass(frozen=True, slots=True)
class Project:
    """A project's files, as they were when it was read."""

    root: Path
    files: Mapping[str, str]
    """Path relative to the root -> content: UTF-8, with surrogate escapes for other bytes."""
    left_out: tuple[str, ...] = ()
    """What is no part of the copy although it may belong to the project, each with the reason."""

    def inside(self, path: Path) -> str:
        """A path of this machine, relative to the root, with slashes."""
        return path.relative_to(self.root).as_posix()


def tests_of(given: str) -> tuple[Path, str]:
    """The file or folder of tests, and what a node id says behind it.

    Raises:
        ConfigError: there is no such file or folder, or pytest cannot collect it.
    """
    name, colons, rest = given.partition("::")
    path = Path(name).expanduser()
    if not path.exists():
        raise ConfigError(f"--tests {given}: no file or folder {name!r}{_near(path)}")
    if path.is_file() and path.suffix != ".py":
        raise ConfigError(f"--tests {given}: tests are Python files that pytest collects")
    if path.is_dir() and colons:
        raise ConfigError(f"--tests {given}: {name!r} is a folder; node ids begin with a file")
    return path.resolve(), colons + rest


def _near(path: Path) -> str:
    folder = path.parent
    names = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
    return did_you_mean(path.name, names)


class TooLargeError(ConfigError):
    """A folder holds more than a copy may."""


def project_of(target: Path, tests: Path) -> Project:
    """The project that a file and its tests are of, read: see `roots`.

    Raises:
        ConfigError: they are of none, or it cannot be read.
    """
    first, *others = roots(target, tests)
    try:
        return read_project(first)
    except TooLargeError:
        if not others:
            raise
        return read_project(others[0])


def roots(target: Path, tests: Path) -> list[Path]:
    """The folder that a project's tests are run in, and what to take where that is too large.

    It is the nearest one around both that has a file by which projects are known; without one,
    the working folder, if it holds both; else the nearest that does and is no package.

    Args:
        target: The file or folder to be repaired, resolved.
        tests: The file or folder of tests, resolved.

    Raises:
        ConfigError: the two have nothing in common but the root of the file system.
    """
    folders = [path if path.is_dir() else path.parent for path in (target, tests)]
    around = Path(os.path.commonpath(folders))
    while (around / "__init__.py").exists():
        around = around.parent
    if around == around.parent:
        raise ConfigError(
            f"{target} and {tests} share no folder but {around}; name one with --root"
        )
    home = Path.home()
    for folder in (around, *around.parents):
        if folder in (home, folder.parent):
            break
        if any((folder / name).exists() for name in _MARKS):
            return [folder]
    working = Path.cwd().resolve()
    if around.is_relative_to(working) and working not in (home, working.parent, around):
        return [working, around]
    return [around]


def read_project(root: Path) -> Project:
    """Reads the files below a folder; nothing is changed.

    Raises:
        ConfigError: it is no folder.
        TooLargeError: it holds more than a copy may.
    """
    if not root.is_dir():
        raise ConfigError(f"--root {root}: no such folder")
    files: dict[str, str] = {}
    left_out: list[str] = []
    size = 0
    for path in _walk(root, left_out):
        inside = path.relative_to(root).as_posix()
        try:
            status = path.stat()
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                left_out.append(f"{inside}: a link that leads out of the project")
                continue
            if not stat.S_ISREG(status.st_mode):
                left_out.append(f"{inside}: neither file nor folder")
                continue
            if status.st_size > MOST_BYTES_OF_ONE:
                left_out.append(f"{inside}: {status.st_size >> 20} MB")
                continue
            data = path.read_bytes()
        except OSError as error:
            left_out.append(f"{inside}: {error.strerror}")
            continue
        files[inside] = data.decode("utf-8", "surrogateescape")
        size += len(data)
        if len(files) > MOST_FILES or size > MOST_BYTES:
            raise TooLargeError(
                f"project {root}: more than {MOST_FILES:,} files or {MOST_BYTES >> 20} MB, which is"
                " too much for a copy; name the folder that its tests need with --root"
            )
    return Project(root, files, tuple(left_out))


def _walk(root: Path, left_out: list[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        kept = []
        for name in sorted(folders):
            path = here / name
            if path.is_symlink():
                left_out.append(f"{path.relative_to(root).as_posix()}: a link to a folder")
            elif not _is_foreign(path):
                kept.append(name)
        folders[:] = kept
        yield from (here / name for name in sorted(names) if not name.endswith((".pyc", ".pyo")))


def _is_foreign(folder: Path) -> bool:
    name = folder.name
    if name in _LEFT_OUT or name.endswith(".egg-info"):
        return True
    if name in _BUILT and not (folder / "__init__.py").exists():
        return True
    return (folder / "pyvenv.cfg").exists()


def pytest_config(files: Mapping[str, str]) -> str:
    """Path of the file at a project's root that pytest takes its settings from; empty: none."""
    for name in ("pytest.ini", ".pytest.ini"):
        if name in files:
            return name
    if "pytest" in _toml(files.get("pyproject.toml", "")).get("tool", {}):
        return "pyproject.toml"
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        if name in files and section in _ini(files[name]):
            return name
    return ""


def sets_path(files: Mapping[str, str], config: str) -> bool:
    """Whether pytest's settings say where imports look, in their own words."""
    text = files.get(config, "")
    if config == "pyproject.toml":
        held = _toml(text)["tool"]["pytest"]
        return "pythonpath" in held.get("ini_options", held)
    return any("pythonpath" in one for one in _ini(text).values())


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # pytest will say so
        return {}


def _ini(text: str) -> Mapping[str, Mapping[str, str]]:
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except IniError:  # pytest will say so
        return {}
    return parser
