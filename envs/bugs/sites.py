"""What an operator yields, and what several operators ask about a source."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.source import Source


class Site(NamedTuple):
    """A place where an operator can act; the edit may turn out not to compile."""

    edit: Edit
    parts: tuple[str, ...]
    """A format and what to put into it, for `note_of`: most sites are never described."""


#: An operator: all its sites in a source, in a fixed order.
Operator = Callable[[Source], Iterator[Site]]

_NUMERIC_CALLS = frozenset({"len", "int", "sum", "abs", "ord", "round", "min", "max", "pow"})
_NUMERIC_METHODS = frozenset({"index", "find", "rindex", "rfind", "count", "bit_length"})
_COUNTING = (ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.Pow)


def swap(start: int, end: int, old: str, new: str) -> Site:
    """The site that puts `new` in place of `old`."""
    return Site(Edit(start, end, new), ("{} became {}", old, new))


def drop(source: Source, start: int, end: int) -> Site:
    """The site that removes a span."""
    return Site(Edit(start, end, ""), ("{} was dropped", source.text[start:end]))


def insert(place: int, text: str) -> Site:
    """The site that adds a text."""
    return Site(Edit(place, place, text), ("{} was added", text))


def note_of(site: Site) -> str:
    """What a site changes, for people."""
    form, *texts = site.parts
    return form.format(*map(_short, texts))


def neighbours(source: Source, nodes: list[ast.expr]) -> Iterator[Site]:
    """The sites that swap two neighbouring expressions, unless they are the same."""
    text = source.text
    for left, right in pairwise(nodes):
        (s1, e1), (s2, e2) = source.outer_span(left), source.outer_span(right)
        if text[s1:e1] != text[s2:e2]:
            yield swap(s1, e2, text[s1:e2], text[s2:e2] + text[e1:s2] + text[s1:e1])


def is_number(node: ast.AST, value: int | None = None) -> bool:
    """Whether a node is a whole number written out (the given one, if given); bools are none."""
    return (
        isinstance(node, ast.Constant)
        and type(node.value) is int
        and (value is None or node.value == value)
    )


def is_callee(source: Source, node: ast.AST) -> bool:
    """Whether a node is what is called."""
    parent = source.parent(node)
    return isinstance(parent, ast.Call) and parent.func is node


def is_test(source: Source, node: ast.AST) -> bool:
    """Whether a node decides something, and is not negated already."""
    parent = source.parent(node)
    if isinstance(parent, (ast.If, ast.While, ast.IfExp)):
        return parent.test is node
    return isinstance(parent, ast.BoolOp) or (
        isinstance(parent, ast.comprehension) and node in parent.ifs
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


def _short(text: str, most: int = 40) -> str:
    line = " ".join(text.split())
    return f"`{line if len(line) <= most else line[: most - 3] + '...'}`"
