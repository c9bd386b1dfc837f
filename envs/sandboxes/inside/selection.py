"""What pytest selects by an id: a file's tests, a class's, a function's with all of its parameters.

This file is also laid next to pytest where tests and tested code share a process, so it imports
nothing of the package. Standard library only.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def path_of(name: str) -> str:
    """The file of an id, without what does not change where a path leads."""
    return posixpath.normpath(name.partition("::")[0])


def normal(name: str) -> str:
    """The id as pytest reports it: `./a/../t.py::test` is `t.py::test`."""
    _, colons, rest = name.partition("::")
    return path_of(name) + colons + rest


def fault(name: str) -> str:
    """Why an id can select nothing, whatever the tests are; empty where it may select some."""
    path = name.partition("::")[0]
    names = name.partition("[")[0].split("::")[1:]
    if not path:
        return "names no file"
    if path.startswith("/"):
        return "has an absolute path; paths are relative to the workspace"
    if path_of(name) == ".." or path_of(name).startswith("../"):
        return "leaves the workspace"
    if "[" in path:
        return "has a path with '[', from which pytest cannot select"
    if not path.endswith(".py"):
        return "does not begin with the path of a Python file"
    if not all(names):
        return "has an empty part between '::'"
    return ""


def choose(names: Iterable[str], nodes: Sequence[str]) -> dict[str, list[str]]:
    """Id -> the tests that it selects, among the ids of all tests, in their order."""
    selected: dict[str, list[str]] = {name: [] for name in names}
    asked: dict[str, list[str]] = {}
    for name in selected:
        asked.setdefault(normal(name), []).append(name)
    for node in nodes:
        base = node.partition("[")[0].split("::")
        whole = ["::".join(base[:end]) for end in range(1, len(base) + 1)]
        for one in dict.fromkeys([*whole, node]):
            for name in asked.get(one, ()):
                selected[name].append(node)
    return selected


def concerns(name: str, node: str) -> bool:
    """Whether an id selects a function or class, what is in it, or something that it is in."""
    asked, inside = normal(name), node + "::"
    return inside.startswith(asked + "::") or asked.startswith((inside, node + "["))


def events(selected: Mapping[str, list[str]], nodes: Sequence[str]) -> list[dict[str, Any]]:
    """What the verdict has to know of ids that are not the id of one test."""
    found: list[dict[str, Any]] = []
    for name, tests in selected.items():
        if not tests:
            near = difflib.get_close_matches(normal(name), nodes, n=1)
            found.append({"selected": name, "tests": [], "near": near})
        elif tests != [name]:
            found.append({"selected": name, "tests": tests})
    return found
