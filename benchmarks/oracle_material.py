"""Programs with tests that other people wrote, and mutants of them, for pytest_oracle.py.

Two sources: the Python exercises of Aider Polyglot (`polyglot-benchmark/python` below
HRMGYM_DATA), and the pinned source releases in oracle_packages.json, which pip downloads once into
the cache folder, with their hashes.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from hrmgym.config import named_path
from hrmgym.envs.bugs.operators import sample_mutation
from hrmgym.envs.bugs.releases import Release, fetch
from hrmgym.envs.cache import cache_dir
from hrmgym.envs.edits.edit import apply
from hrmgym.errors import DataError

PACKAGES = Path(__file__).with_name("oracle_packages.json")
UNTOUCHED = "untouched"


@dataclass(frozen=True, slots=True)
class Subject:
    """One test file, what it needs, and the program that it tests."""

    source: str
    """The exercise or the release, with its version."""
    test: str
    """The test file's path."""
    program: Mapping[str, str]
    """The tested code: path -> text, surrogate escapes for bytes that are not UTF-8."""
    tests: Mapping[str, str]
    """The test file with its conftest.py, helpers and data."""
    mutable: tuple[str, ...]
    """Files of the program that mutants differ in."""

    @property
    def name(self) -> str:
        """Tells it from every other one."""
        return f"{self.source}: {self.test}"


@dataclass(frozen=True, slots=True)
class Mutant:
    """The program with one bug, or untouched."""

    name: str
    program: Mapping[str, str]


def exercises() -> Iterator[Subject]:
    """The exercises with their example solutions; none where the data is missing."""
    top = named_path("HRMGYM_DATA") or Path()
    top /= "polyglot-benchmark/python/exercises/practice"
    for folder in sorted(top.glob("*")):
        module = folder.name.replace("-", "_")
        test, solution = folder / f"{module}_test.py", folder / ".meta/example.py"
        if test.exists() and solution.exists():
            program = {f"{module}.py": text_of(solution.read_bytes())}
            tests = {test.name: text_of(test.read_bytes())}
            source = f"polyglot {folder.name}"
            yield Subject(source, test.name, program, tests, (f"{module}.py",))


def packages(folder: Path | None = None) -> Iterator[Subject]:
    """The test files of the pinned releases.

    Args:
        folder: Where archives are kept; by default `releases` in the cache folder.

    Raises:
        DataError: An archive cannot be had.
    """
    for name, row in json.loads(PACKAGES.read_text(encoding="utf-8")).items():
        release = Release(name, row["version"], row["file"], row["sha256"])
        files = _unpacked(fetch(release, folder or cache_dir() / "releases"), row["roots"])
        yield from _subjects(f"{name} {row['version']}", files, row)


def _unpacked(archive: Path, roots: Mapping[str, str]) -> dict[str, str]:
    """The files below some folders of an archive, where `roots` says that they are to lie."""
    found: dict[str, str] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = member.name.partition("/")[2]
            for start, place in roots.items():
                if member.isfile() and (inside == start or inside.startswith(f"{start}/")):
                    file = tar.extractfile(member)
                    assert file is not None
                    found[place + inside.removeprefix(start)] = text_of(file.read())
    if not found:
        raise DataError(f"{archive}: holds none of {', '.join(roots)}")
    return found


def _subjects(
    source: str, files: Mapping[str, str], row: Mapping[str, object]
) -> Iterator[Subject]:
    skipped = row.get("skipped", {})
    assert isinstance(skipped, dict)
    names = [path for path in files if _is_test(path)]
    folders = {path.rpartition("/")[0] for path in names}
    tests = {p: text for p, text in files.items() if _is_support(p, folders) or p in names}
    program = {path: text for path, text in files.items() if path not in tests}
    code = [path for path, text in program.items() if path.endswith(".py") and len(text) > 400]
    for test in sorted(names):
        if test in skipped:
            continue
        own = {path: text for path, text in tests.items() if path not in names or path == test}
        yield Subject(source, test, program, own, tuple(_tested_by(test, code)))


def _is_test(path: str) -> bool:
    file = PurePosixPath(path)
    return file.suffix == ".py" and (
        file.name.startswith("test_") or file.stem.endswith("_test") or file.name == "tests.py"
    )


def _is_support(path: str, folders: set[str]) -> bool:
    """Whether a file lies next to tests, which is not the whole workspace."""
    above = path.rpartition("/")[0]
    return any(folder and (above + "/").startswith(folder + "/") for folder in folders)


def _tested_by(test: str, code: list[str]) -> list[str]:
    """The files that a test file is named after; all, where it is named after none."""
    words = PurePosixPath(test).stem.removeprefix("test_").removesuffix("_test").lower()
    stems = {path: PurePosixPath(path).stem.lower().strip("_") for path in code}
    named = [path for path, stem in stems.items() if words.startswith(stem) or stem in words]
    return sorted(named or code)


def mutants(subject: Subject, count: int) -> Iterator[Mutant]:
    """The untouched program, then up to `count` different mutants of it, always the same ones."""
    yield Mutant(UNTOUCHED, subject.program)
    rng = np.random.default_rng(zlib.crc32(subject.name.encode()))
    seen: set[tuple[str, str]] = set()
    for _ in range(3 * count):
        if len(seen) == count:
            return
        path = subject.mutable[int(rng.integers(len(subject.mutable)))]
        text = subject.program[path]
        made = sample_mutation(text, rng)
        if made is None:
            continue
        mutated = apply(text, made.edit)
        if (path, mutated) not in seen:
            seen.add((path, mutated))
            line = text.count("\n", 0, made.edit.start) + 1
            name = f"{path}:{line} {made.operator}"
            yield Mutant(f"{name} #{len(seen)}", {**subject.program, path: mutated})


def text_of(data: bytes) -> str:
    """Text as a workspace has it."""
    return data.decode("utf-8", "surrogateescape")
