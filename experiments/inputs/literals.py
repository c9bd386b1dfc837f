"""Examples of a function's arguments, read off the text of its tests: what calls write out.

Names in a call stand for what the test assigns or is parametrized with, where that is written out,
too. Calls of methods are not looked for: what they are called on is seldom plain.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from hrmgym.envs.sandboxes.inside import values

#: Keyword arguments, then the others.
Arguments = tuple[Any, ...]

#: What is raised for an expression that is not written out.
_UNSAID = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError)
_MOST = 500  # examples of one function
_MOST_ROWS = 100  # of one test's parameters


def calls_in(texts: Iterable[str], function: str) -> list[Arguments]:
    """Arguments of the calls of a function in test modules, none twice.

    Args:
        texts: The modules; what is not Python is passed over.
        function: The function's bare name.

    Returns:
        For each call its keyword arguments, as a dict, and then its other arguments.
    """
    found: dict[str, Arguments] = {}
    for text in texts:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for made in islice(_calls(tree, function, {}), _MOST):
            found.setdefault(repr([values.encode(one) for one in made]), made)
    return list(found.values())[:_MOST]


def _calls(tree: ast.AST, function: str, known: Mapping[str, Any]) -> Iterator[Arguments]:
    """The calls below a node, where names stand for what is known of them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            fixed = {**known, **_assigned(node)}
            for row in _rows(node):
                yield from _calls(node, function, {**fixed, **row})
            continue
        if isinstance(node, ast.Call) and _name(node.func) == function:
            with suppress(*_UNSAID):
                keywords = {str(one.arg): _value(one.value, known) for one in node.keywords}
                if "None" not in keywords:  # no `**more`
                    yield (keywords, *_positional(node.args, known))
        yield from _calls(node, function, known)


def _positional(arguments: Iterable[ast.expr], known: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = []
    for one in arguments:
        if isinstance(one, ast.Starred):
            found.extend(_value(one.value, known))
        else:
            found.append(_value(one, known))
    return found


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr if isinstance(node.value, ast.Name) else ""
    return node.id if isinstance(node, ast.Name) else ""


def _assigned(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, Any]:
    """Names that a function assigns once, and what is written out for them."""
    found: dict[str, Any] = {}
    twice = set[str]()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            twice |= {node.id} & found.keys()
            found.setdefault(node.id, None)
    known: dict[str, Any] = {}
    for statement in function.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            with suppress(*_UNSAID):
                if name not in twice:
                    known[name] = _value(statement.value, known)
    return known


def _rows(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[dict[str, Any]]:
    """What a test's parameters are, row by row; one empty row if it has none."""
    rows: list[dict[str, Any]] = [{}]
    for decorator in function.decorator_list:
        if not isinstance(decorator, ast.Call) or len(decorator.args) < 2:
            continue
        if not isinstance(decorator.func, ast.Attribute) or decorator.func.attr != "parametrize":
            continue
        new = list(islice(_parameters(*decorator.args[:2]), _MOST_ROWS))
        rows = [{**one, **other} for one in rows for other in new or [{}]][:_MOST_ROWS]
    return rows


def _parameters(names: ast.expr, table: ast.expr) -> Iterator[dict[str, Any]]:
    try:
        said = ast.literal_eval(names)
    except ValueError:
        return
    listed = [one.strip() for one in said.split(",")] if isinstance(said, str) else list(said)
    for row in getattr(table, "elts", ()):
        if isinstance(row, ast.Call) and _name(row.func) == "param":
            cells = row.args
        else:
            cells = [row] if len(listed) == 1 else getattr(row, "elts", [])
        found = {}
        for name, cell in zip(listed, cells, strict=False):
            with suppress(*_UNSAID):
                found[name] = _value(cell, {})
        if found:
            yield found


class _Filled(ast.NodeTransformer):
    """Puts what is known in the place of names."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.known:
            return node
        return ast.parse(repr(self.known[node.id]), mode="eval").body


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """What an expression that is written out stands for.

    Raises:
        ValueError: it is not written out, or no plain value.
    """
    if any(isinstance(one, ast.Name) and one.id in known for one in ast.walk(node)):
        node = ast.parse(ast.unparse(node), mode="eval").body  # a copy, to be changed
        node = _Filled(known).visit(node)
    value = ast.literal_eval(node)
    if not values.is_plain(values.encode(value)):
        raise ValueError("no plain value")  # a complex number, or an ellipsis
    return value
