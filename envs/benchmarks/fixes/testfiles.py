"""Which files the tests of a task need, without the tests that it does not have.

What an agent may look at must not hold a hidden test: test functions that are not a task's own are
taken out of its test modules, and of other test modules only those stay that are imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from hrmgym.envs.benchmarks.fixes.changes import parsed
from hrmgym.envs.benchmarks.fixes.layout import Layout

#: Characters of a file beside the tests that goes along without being named in them.
_SMALL = 1 << 16
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def function_of(test: str) -> str:
    """The id of a test's function, without its parameters."""
    return test.partition("[")[0]


def files_of(layout: Layout, ids: Iterable[str]) -> dict[str, str]:
    """The files of tests: path -> text, laid over the workspace while they run.

    Args:
        layout: The release.
        ids: Functions of tests, as `path::Class::name`.
    """
    chosen: dict[str, set[str]] = {}
    for one in ids:
        path, _, inside = one.partition("::")
        chosen.setdefault(path, set()).add(inside)
    kept = {path: only(layout.tests[path], names) for path, names in chosen.items()}
    return dict(sorted({**_beside(layout, kept), **kept}.items()))


def only(text: str, names: Collection[str]) -> str:
    """A test module without the test functions that are not named, as `Class::name` or `name`.

    A method stays if any class's method of its name is wanted: it may be inherited.
    """
    tree = parsed(text)
    if tree is None:
        return text
    lines = text.split("\n")
    methods = {name.rpartition("::")[2] for name in names if "::" in name}
    found = sorted(_tests(tree.body), key=lambda one: one[1].lineno, reverse=True)
    for block, inner, in_class in found:
        if inner.name in (methods if in_class else names):
            continue
        first = min([inner.lineno, *(one.lineno for one in inner.decorator_list)])
        alone = all(isinstance(one, _FUNCTIONS) and one.name.startswith("test") for one in block)
        last = inner.end_lineno or first
        # A block that loses its last statement needs another one.
        filler = [" " * inner.col_offset + "pass"] if inner.col_offset and alone else []
        lines[first - 1 : last] = filler
    return "\n".join(lines)


def _tests(
    block: list[ast.stmt], in_class: bool = False
) -> Iterator[tuple[list[ast.stmt], ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """(the block that holds it, the test function, whether a class does)."""
    for node in block:
        if isinstance(node, _FUNCTIONS):
            if node.name.startswith("test"):
                yield block, node, in_class
            continue
        inside = in_class or isinstance(node, ast.ClassDef)
        for holder in (node, *getattr(node, "handlers", ())):
            for name in ("body", "orelse", "finalbody"):
                yield from _tests(getattr(holder, name, []), inside)


def _beside(layout: Layout, kept: Mapping[str, str]) -> dict[str, str]:
    """What test modules may need: helpers, fixtures, data, and the test modules they import."""
    found = {path: text for path, text in layout.tests.items() if _helps(layout, path)}
    text = "\n".join([*kept.values(), *found.values()])
    words = set(re.findall(r"\w+", text))
    for path, content in layout.tests.items():
        if path in kept or path in found:
            continue
        name = path.rpartition("/")[2]
        module = path in layout.modules and name.removesuffix(".py") in _imported(text)
        if module or (path not in layout.modules and name.partition(".")[0] in words):
            found[path] = only(content, ()) if module else content
    return found


def _helps(layout: Layout, path: str) -> bool:
    if path in layout.modules:
        return False
    return path.endswith(".py") or "/" not in path or len(layout.tests[path]) <= _SMALL


def _imported(text: str) -> set[str]:
    """Last parts of the modules that some code imports, and names that it imports from some."""
    lines = re.findall(r"^\s*(?:from\s+([\w.]+)\s+)?import\s+([^#\n]+)", text, re.MULTILINE)
    found: set[str] = set()
    for module, names in lines:
        found.update(re.findall(r"\w+", names))
        found.add(module.rpartition(".")[2])
    return found
