"""Fault localisation by what tests run: which file of a project, and which functions of it.

Suspicion is Ochiai's coefficient, as `hrmgym.policies.spectrum` has it for lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from hrmgym.envs.focus import span_of
from hrmgym.errors import ConfigError
from hrmgym.experiments.projects.examining import Examined, TestsError, listed
from hrmgym.experiments.projects.layout import Project


def is_test_file(path: str) -> bool:
    """Whether a path is, by its name, of what tests a project and not of the project itself."""
    name = path.rpartition("/")[2]
    return name == "conftest.py" or name.startswith("test_") or name.endswith("_test.py")


def files_to_choose_from(project: Project, folder: Path) -> list[str]:
    """Files of a folder that may be edited: Python files that are no tests by their names."""
    prefix = "" if folder == project.root else f"{project.inside(folder)}/"
    found = [
        path
        for path in project.files
        if path.startswith(prefix) and path.endswith(".py") and not is_test_file(path)
    ]
    if not found:
        raise ConfigError(f"{folder}: holds no Python file but tests")
    return found


def elsewhere(examined: Examined, path: str) -> str:
    """What is to be said where no failing test runs a function of the file; else nothing."""
    ran = {where for where, _ in suspicion(examined)}
    failing_in = {examined.first.tests[name].path for name in examined.failing}
    if path in ran | failing_in:
        return ""
    others = sorted(one for one in ran if not is_test_file(one))
    run = f"; they run functions of {listed(others)}" if others else ""
    return f"no failing test runs a function of {path}{run}"


def suspicion(examined: Examined) -> dict[tuple[str, str], float]:
    """File and name of each function that a failing test runs -> how suspicious it is, to 1."""
    tests = examined.first.tests
    failing = [tests[name].ran for name in examined.failing]
    every = [*failing, *(tests[name].ran for name in examined.passing)]
    found = {}
    for one in set().union(*failing):
        bad, all_ = (sum(one in ran for ran in runs) for runs in (failing, every))
        found[one] = bad / math.sqrt(len(failing) * all_)
    return found


def file_to_repair(examined: Examined, candidates: Sequence[str]) -> tuple[str, str]:
    """Which of some files to edit, and why that one.

    It is the file that the exception of a failing test came out of. Where none did, as after a
    failed `assert`, it is that with the most suspicious function; of several, the one that the
    first failing test called last.

    Args:
        examined: What the tests said.
        candidates: Paths of the files that may be edited.

    Raises:
        TestsError: no failing test runs anything of them.
    """
    tests, allowed = examined.first.tests, set(candidates)
    for name in examined.failing:
        if tests[name].path in allowed:
            return tests[name].path, f"{name} fails in it"
    most: dict[str, float] = {}
    for (path, _), score in suspicion(examined).items():
        if path in allowed:
            most[path] = max(most.get(path, 0.0), round(score, 9))
    if not most:
        raise TestsError(
            f"no failing test runs a function of the files to repair ({listed(candidates)}); name"
            " the file"
        )
    called = [tests[name].called for name in examined.failing]
    best = max(most, key=lambda path: (most[path], -_place(called, path), path))
    return best, "what failing tests run, and passing ones do not, points to it"


def _place(paths: Sequence[str], path: str) -> int:
    return paths.index(path) if path in paths else len(paths)


def functions_to_repair(examined: Examined, path: str, text: str) -> list[str]:
    """The functions of a file that failing tests run, the most suspicious first.

    Args:
        examined: What the tests said.
        path: The file.
        text: What is in it.

    Returns:
        Each as `Task.focus` has it.
    """
    scores = {name: score for (where, name), score in suspicion(examined).items() if where == path}
    found: dict[str, None] = {}
    for name in sorted(scores, key=lambda one: (-scores[one], one)):
        parts = list(takewhile(_is_name, (p for p in name.split(".") if p != "<locals>")))
        if parts and span_of(text, ".".join(parts)) is not None:
            found[f"{path}::{'.'.join(parts)}"] = None
    return list(found)


def _is_name(part: str) -> bool:
    """Whether a part of a qualified name is not that of a lambda, a comprehension or a module."""
    return not part.startswith("<")
