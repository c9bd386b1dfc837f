"""A source release as a workspace: the package at the root, its tests beside it or inside it.

`src/` is left out, so that the workspace's root is where imports begin. Of the metadata there is
the name, the version and the entry points, which is what packages ask of themselves; of pytest's
configuration, what decides which tests there are. Nothing of an archive runs.
"""

from __future__ import annotations

import configparser
import re
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from hrmgym.errors import DataError

#: Bytes of one file, and of all files of one side, that are taken along.
_MOST_FILE, _MOST = 1 << 20, 6 << 20
_TEST_FOLDERS = frozenset({"test", "tests", "testing", "testsuite", "unittests"})
_NO_PACKAGE = _TEST_FOLDERS | {"doc", "docs", "examples", "example", "benchmarks", "benchmark"}
_NO_PACKAGE |= {"scripts", "tools", "build", "dist", "bench", "ci", "utils", "misc", "requirements"}
_NO_MODULES = ("setup.py", "conftest.py", "noxfile.py", "tasks.py", "versioneer.py", "fabfile.py")
_TEST_MODULES = ("test_*.py", "*_test.py")
_OTHER_TEST_MODULES = ("test.py", "tests.py", "conftest.py")
_KEPT_OPTIONS = ("python_files", "python_classes", "python_functions")


@dataclass(frozen=True)  # without slots, for the cached properties
class Layout:
    """The files of one release, path -> text; bytes that are no UTF-8 are surrogate escapes."""

    package: Mapping[str, str]
    """What the workspace holds: the package, its metadata, and no tests."""
    tests: Mapping[str, str]
    """Test modules, with all that lies beside them."""
    licence: str

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """Test files that pytest collects, sorted."""
        patterns: tuple[str, ...] = _TEST_MODULES
        for line in self.tests.get("pytest.ini", "").splitlines():
            if line.startswith("python_files = "):
                patterns = tuple(line.partition(" = ")[2].split())
        found = [path for path in sorted(self.tests) if _collected(path, patterns)]
        plain = ("test.py", "tests.py")
        return tuple(found or (path for path in sorted(self.tests) if _collected(path, plain)))

    @cached_property
    def sources(self) -> dict[str, str]:
        """The package's Python files, as far as they are plain text with plain line ends."""
        return {
            path: text
            for path, text in self.package.items()
            if path.endswith(".py") and "\r" not in text
        }


def _collected(path: str, patterns: tuple[str, ...]) -> bool:
    return path.endswith(".py") and any(fnmatch(path.rpartition("/")[2], one) for one in patterns)


def unpacked(archive: Path) -> dict[str, bytes]:
    """The regular files of a source archive, without its top folder.

    Raises:
        DataError: it cannot be read.
    """
    try:
        found = dict(_members(archive))
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise DataError(f"{archive}: not a readable archive ({error})") from error
    return {path.partition("/")[2]: data for path, data in found.items() if "/" in path}


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if not info.is_dir() and info.file_size <= _MOST_FILE:
                    yield _inside(info.filename), zipped.read(info)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.size <= _MOST_FILE:
                file = tar.extractfile(member)
                assert file is not None
                yield _inside(member.name), file.read()


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"archive: {name!r} leaves the archive's folder")
    return str(path)


def layout_of(archive: Path, project: str, version: str) -> Layout:
    """The workspace of a source archive.

    Raises:
        DataError: it cannot be read, or holds no package.
    """
    files = unpacked(archive)
    tops = _packages(files)
    if not tops:
        raise DataError(f"{archive.name}: holds no Python package")
    package: dict[str, bytes] = {}
    tests: dict[str, bytes] = {}
    for path, data in files.items():
        if any(path == top or path.startswith(f"{top}/") for top in tops):
            inside = path.removeprefix("src/").removeprefix("lib/")
            (tests if _is_test(inside) else package)[inside] = data
        elif path.partition("/")[0] in _TEST_FOLDERS or ("/" not in path and _is_test(path)):
            tests[path] = data
    kept = {side: _within(some) for side, some in (("package", package), ("tests", tests))}
    about = _text(files.get("PKG-INFO", b""))
    name = re.sub(r"[-_.]+", "_", project).lower()
    folder = f"{name}-{version}.dist-info"
    kept["package"][f"{folder}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    )
    points = next((path for path in files if path.endswith(".egg-info/entry_points.txt")), "")
    if points:
        kept["package"][f"{folder}/entry_points.txt"] = _text(files[points])
    kept["tests"].pop("pytest.ini", None)
    kept["tests"]["pytest.ini"] = _configuration(files)
    return Layout(kept["package"], kept["tests"], _licence(about))


def _packages(files: Mapping[str, bytes]) -> list[str]:
    """Paths of the folders and modules at which imports begin."""
    for root in ("src/", "lib/", ""):
        found = []
        for path in files:
            if not path.startswith(root):
                continue
            top, slash, rest = path.removeprefix(root).partition("/")
            if slash and rest == "__init__.py" and top not in _NO_PACKAGE and top.isidentifier():
                found.append(root + top)
            elif not slash and top.endswith(".py") and not _is_test(top) and top not in _NO_MODULES:
                found += [root + top] if top.removesuffix(".py").isidentifier() else []
        if found:
            return found
    return []


def _is_test(path: str) -> bool:
    *folders, name = path.split("/")
    return (
        any(folder in _TEST_FOLDERS for folder in folders)
        or any(fnmatch(name, one) for one in _TEST_MODULES)
        or name in _OTHER_TEST_MODULES
    )


def _within(files: Mapping[str, bytes]) -> dict[str, str]:
    """The files as text; where they are too many, without the largest that are not Python."""
    kept = dict(files)
    kept = {path: data for path, data in kept.items() if not path.endswith((".pyc", ".so", ".c"))}
    others = sorted(
        (path for path in kept if not path.endswith(".py")), key=lambda path: -len(kept[path])
    )
    while others and sum(map(len, kept.values())) > _MOST:
        del kept[others.pop(0)]
    return {path: _text(data) for path, data in sorted(kept.items())}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _licence(about: str) -> str:
    head = about.partition("\n\n")[0].splitlines()
    for field in ("License-Expression: ", "License: "):
        for line in head:
            said = line.removeprefix(field).strip()
            if line.startswith(field) and said and said != "UNKNOWN" and len(said) < 80:
                return said
    listed = [line for line in head if line.startswith("Classifier: License :: ")]
    return ", ".join(line.rpartition(" :: ")[2] for line in listed)


def _configuration(files: Mapping[str, bytes]) -> str:
    """A `pytest.ini` with what of the release's own configuration decides which tests there are."""
    options = _options(files)
    lines = ["[pytest]"]
    for name in _KEPT_OPTIONS:
        said = options.get(name)
        words = said.split() if isinstance(said, str) else [str(one) for one in said or ()]
        if words:
            lines.append(f"{name} = {' '.join(words)}")
    added = options.get("addopts", "")
    words = added.split() if isinstance(added, str) else [str(one) for one in added]
    if "--import-mode=importlib" in words:
        lines.append("addopts = --import-mode=importlib")
    return "\n".join(lines) + "\n"


def _options(files: Mapping[str, bytes]) -> Mapping[str, Any]:
    """Pytest's options, from the first file that has any, in pytest's order."""
    for name, section in (
        ("pytest.ini", "pytest"),
        ("pyproject.toml", ""),
        ("tox.ini", "pytest"),
        ("setup.cfg", "tool:pytest"),
    ):
        text = _text(files.get(name, b""))
        if not section:
            try:
                tool = tomllib.loads(text).get("tool", {}).get("pytest", {})
            except (tomllib.TOMLDecodeError, UnicodeError):
                continue
            if options := tool.get("ini_options"):
                return dict(options)
            continue
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(text)
        except configparser.Error:
            continue
        if parser.has_section(section):
            return dict(parser.items(section))
    return {}
