"""What stands around a function in a file: imports, its docstring, the functions beside it.

The corpus holds bare functions. A network that has seen nothing else takes whatever more a file
holds for the bug, so a share of the bugs is shown in surroundings. The bug stays where it is.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass

import numpy as np

from hrmgym.envs.bugs.making import Bug
from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.source import is_docstring
from hrmgym.trainers.data.drawn_values import KINDS, draw_kinds

# How often each piece is there. The docstring is in its place or behind the function, not in both.
_DOCSTRING, _BEHIND = 0.4, 0.25
_BEFORE, _AFTER = 0.3, 0.2
_IMPORTS = 0.4
_EXAMPLES = 0.5
_BLANK = 0.3
_MOST_LINES = 12
"""Of a docstring; what is longer is cut after a paragraph, or left out."""
_MODULE = re.compile(r"(?<![\w.])(\w+)\.\w")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What may stand around a function; "" is nothing."""

    docstring: str = ""
    """Cleaned, without quotes."""
    before: str = ""
    """A working function that may stand above."""
    after: str = ""
    """One that may stand below."""


def dress(bug: Bug, around: Surroundings, rng: np.random.Generator) -> Bug:
    """The same bug in a file that holds more; a random choice of what there is.

    What comes after the function is not needed to find the bug, and what comes before is right.
    """
    function = _function(bug.code)
    drawn = rng.random(6)
    doc = _shortened(around.docstring)
    if function is not None and drawn[5] < _EXAMPLES:
        doc = f"{doc}\n\n{_examples(function, rng)}".strip()
    if doc and function is not None and drawn[0] < _DOCSTRING:
        bug = _with_docstring(bug, function, doc)
    elif doc and drawn[0] < _DOCSTRING + _BEHIND:
        bug = _extended(bug, "", f'\n"""\n{doc}\n"""\n')
    if around.after and drawn[1] < _AFTER:
        bug = _extended(bug, "", f"\n\n{around.after}")
    above = ""
    if drawn[2] < _IMPORTS:
        above += "".join(f"import {name}\n" for name in _modules(bug.fixed))
    if around.before and drawn[3] < _BEFORE:
        above += "\n\n" * bool(above) + around.before
    if above:
        return _extended(bug, f"{above}\n\n", "")
    return _extended(bug, "\n" * int(drawn[4] < _BLANK), "")


def _function(code: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The function in a text, if that is the first thing there but for imports."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError):  # a bug of a kind that is found by looking
        return None
    first = next((one for one in body if not isinstance(one, (ast.Import, ast.ImportFrom))), None)
    return first if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _examples(function: ast.FunctionDef | ast.AsyncFunctionDef, rng: np.random.Generator) -> str:
    """What a docstring may say of parameters and calls, made up: nothing in it is to be edited."""
    names = [one.arg for one in function.args.posonlyargs + function.args.args]
    names = names[names[:1] in (["self"], ["cls"]) :]
    lines = []
    if names and rng.random() < 0.5:
        lines.append(("Args:", "Input:", "Parameters:")[int(rng.integers(3))])
        for name, kind in zip(names, draw_kinds(rng, len(names)), strict=True):
            sign = ("<", "<=", ">", ">=", "!=")[int(rng.integers(5))]
            bound = f"{name} {sign} {KINDS['int'](rng)}" if rng.random() < 0.4 else kind
            lines.append(f"    {name}: {bound}")
        lines.append("")
    style = int(rng.integers(3))
    for _ in range(int(rng.integers(1, 4))):
        values = ", ".join(repr(KINDS[kind](rng)) for kind in draw_kinds(rng, len(names)))
        result = repr(KINDS[draw_kinds(rng, 1)[0]](rng))
        call = f"{function.name}({values})"
        lines += ([f">>> {call}", result], [f"    {call} == {result}"], [f"{call} -> {result}"])[
            style
        ]
    return "\n".join(lines)


def _extended(bug: Bug, above: str, below: str) -> Bug:
    return Bug(above + bug.code + below, _moved(bug.repairs, 0, len(above)), bug.operators)


def _with_docstring(bug: Bug, function: ast.FunctionDef | ast.AsyncFunctionDef, doc: str) -> Bug:
    """With a docstring as the first statement; the bug as it is where a repair is in the way."""
    first = function.body[0]
    if is_docstring(first):
        return bug
    lines = bug.code.split("\n")
    indent = lines[first.lineno - 1][: first.col_offset]
    if indent.strip() or not indent:  # the body stands on the line of the header
        return bug
    at = sum(len(line) + 1 for line in lines[: first.lineno - 1])
    if any(one.start < at < one.end for one in bug.repairs):
        return bug
    text = "\n".join(indent + line if line else "" for line in f'"""{doc}'.split("\n"))
    text += f'\n{indent}"""\n' if "\n" in doc else '"""\n'
    code = bug.code[:at] + text + bug.code[at:]
    return Bug(code, _moved(bug.repairs, at, len(text)), bug.operators)


def _moved(repairs: tuple[Edit, ...], at: int, length: int) -> tuple[Edit, ...]:
    """Repairs of a text into which so many characters were put."""
    return tuple(
        Edit(one.start + length, one.end + length, one.text) if one.start >= at else one
        for one in repairs
    )


def _shortened(docstring: str) -> str:
    """At most `_MOST_LINES` lines, whole paragraphs; "" where that is not possible."""
    if '"""' in docstring or "\\" in docstring:
        return ""
    doc = docstring.strip()
    while doc.count("\n") >= _MOST_LINES:
        doc = doc.rpartition("\n\n")[0].rstrip()
    return "" if doc.endswith('"') else doc


def _modules(code: str) -> list[str]:
    """Modules of the standard library that the code seems to use and does not import."""
    used = set(_MODULE.findall(code)) & sys.stdlib_module_names
    return sorted(name for name in used if f"import {name}\n" not in code)
