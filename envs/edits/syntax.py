"""What is often asked about a Python syntax tree: numbers, calls by name, counters."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.edits.source import Source

_NUMERIC_CALLS = frozenset({"len", "int", "sum", "abs", "ord", "round", "min", "max", "pow"})
_NUMERIC_METHODS = frozenset({"index", "find", "rindex", "rfind", "count", "bit_length"})
_COUNTING = (ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.Pow)


def is_number(node: ast.AST, value: int | None = None) -> bool:
    """Whether a node is a whole number written out (the given one, if given); bools are none."""
    return (
        isinstance(node, ast.Constant)
        and type(node.value) is int
        and (value is None or node.value == value)
    )


def called(node: ast.AST) -> str:
    """Name of the function that a node calls by its bare name; "" if it does not."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    return ""


def counts(source: Source, node: ast.AST) -> bool:
    """Whether an expression looks like a whole number."""
    if isinstance(node, ast.Name):
        return node.id in numeric_names(source)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, _COUNTING) or any(
            counts(source, side) for side in (node.left, node.right)
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _NUMERIC_METHODS
    return called(node) in _NUMERIC_CALLS or is_number(node)


def numeric_names(source: Source) -> frozenset[str]:
    """Variables that the source counts with somewhere."""
    known = source.memo.get("numeric_names")
    if known is None:
        known = source.memo["numeric_names"] = frozenset(_numeric_names(source))
    return known


def _numeric_names(source: Source) -> Iterator[str]:
    def names(*nodes: ast.AST) -> Iterator[str]:
        return (node.id for node in nodes if isinstance(node, ast.Name))

    for node in source.nodes(
        ast.BinOp, ast.Compare, ast.AugAssign, ast.Assign, ast.Call, ast.For, ast.Subscript
    ):
        if isinstance(node, ast.BinOp):
            if is_number(node.left) or is_number(node.right) or isinstance(node.op, ast.FloorDiv):
                yield from names(node.left, node.right)
        elif isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            if any(is_number(side) or called(side) == "len" for side in sides):
                yield from names(*sides)
        elif isinstance(node, (ast.AugAssign, ast.Assign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if is_number(node.value) or called(node.value) in _NUMERIC_CALLS:
                yield from names(*targets)
        elif isinstance(node, ast.Call):
            if called(node) == "range":
                yield from names(*node.args)
        elif isinstance(node, ast.For):
            if called(node.iter) == "range":
                yield from names(node.target)
            elif called(node.iter) == "enumerate" and isinstance(node.target, ast.Tuple):
                yield from names(node.target.elts[0])
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            yield from names(*(b for b in (node.slice.lower, node.slice.upper) if b is not None))
