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


def _short(text: str, most: int = 40) -> str:
    line = " ".join(text.split())
    return f"`{line if len(line) <= most else line[: most - 3] + '...'}`"
