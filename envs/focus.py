"""The function that an agent is told of: `path::Qualified.name`, such as `pkg/a.py::Box.open`.

A qualified name is as Python's `__qualname__`, without `<locals>`: the names of the classes and
functions around it, joined by dots.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache

from hrmgym.envs.editable import may_edit, named
from hrmgym.errors import did_you_mean

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def parts_of(focus: str) -> tuple[str, str]:
    """Path and qualified name of a focus; both empty where there is none."""
    path, _, name = focus.partition("::")
    return path, name


def fault(focus: str, editable: Sequence[str]) -> str:
    """What is wrong with a focus, by itself; empty where nothing is."""
    path, name = parts_of(focus)
    if not focus:
        return ""
    if not path or not name or not all(map(str.isidentifier, name.split("."))):
        return f"focus {focus!r} is not of the form 'path::Qualified.name'"
    if not may_edit(editable, path):
        return f"focus {focus!r}: {path!r} is not editable{did_you_mean(path, named(editable))}"
    return ""


def span_of(text: str, name: str, language: str = "python") -> tuple[int, int] | None:
    """Where a definition stands, in characters of the text: its whole lines, decorators included.

    Of several of one name the last counts, as Python has it. Of a text in another language, or of
    one that is not Python just now, it is the first line that seems to define the name.

    Args:
        text: A file's text.
        name: The qualified name.
        language: What the file is written in.

    Returns:
        Start and end; None where the text does not hold it.
    """
    found = _python(text) if language == "python" else None
    if found is not None:
        return found.get(name)
    last = re.escape(name.rpartition(".")[2])
    defining = rf"\b(?:def|class|func|fn|function|struct|impl)\b[^\n]*?\b{last}\b"
    line = re.search(defining, text) or re.search(rf"\b{last}\s*\(", text)
    if line is None:
        return None
    end = text.find("\n", line.end())
    return text.rfind("\n", 0, line.start()) + 1, len(text) if end < 0 else end + 1


def names_in(text: str) -> tuple[str, ...] | None:
    """Qualified names of all that a Python text defines; None where it is not Python."""
    found = _python(text)
    return None if found is None else tuple(found)


@lru_cache(maxsize=64)
def _python(text: str) -> dict[str, tuple[int, int]] | None:
    """Qualified name -> span of every definition; None for a text that is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text)), len(text)]
    found = {}
    for name, node in _definitions(tree, ""):
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        end = min(node.end_lineno or node.lineno, len(starts) - 1)
        found[name] = starts[first - 1], starts[end]
    return found


def _definitions(
    node: ast.AST, around: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _DEFINITIONS):
            name = f"{around}{child.name}"
            yield name, child
            yield from _definitions(child, f"{name}.")
        else:
            yield from _definitions(child, around)
