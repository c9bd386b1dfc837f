"""Bug operators on values: names, attributes, constants, elements, indices, results."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.bugs.sites import Site, drop, insert, is_callee, neighbours, swap
from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.source import Source
from hrmgym.envs.edits.syntax import counts, is_number, numeric_names


def name(source: Source) -> Iterator[Site]:
    """Another variable that is known at that place, one that counts for one that counts."""
    for node in source.nodes(ast.Name):
        assert isinstance(node, ast.Name)
        if is_callee(source, node) or isinstance(node.ctx, ast.Del):
            continue
        if isinstance(node.ctx, ast.Store) and not isinstance(
            source.parent(node), (ast.Assign, ast.AugAssign)
        ):
            continue
        start, end = source.span(node)
        known = source.visible_names(start)
        # functions, classes and globals are not mistaken for variables; an assigned name may be new
        if node.id in known or isinstance(node.ctx, ast.Store):
            others = [other for other in known if other != node.id]
            alike = [o for o in others if (o in numeric_names(source)) == counts(source, node)]
            for other in alike or others:
                yield swap(start, end, node.id, other)


def attribute(source: Source) -> Iterator[Site]:
    """Another attribute that the source reads from the same object."""
    for calls in (False, True):
        nodes = [
            node
            for node in source.nodes(ast.Attribute)
            if isinstance(node, ast.Attribute) and is_callee(source, node) == calls
        ]
        known: dict[str, dict[str, None]] = {}
        for node in nodes:
            known.setdefault(source.segment(node.value), {})[node.attr] = None
        for node in nodes:
            end = source.span(node)[1]
            for other in known[source.segment(node.value)]:
                if other != node.attr:
                    yield swap(end - len(node.attr), end, node.attr, other)


def constant(source: Source) -> Iterator[Site]:
    """Another constant: a neighbour such as 0 for 1, or one that stands elsewhere in the source."""
    nodes = [node for node in source.nodes(ast.Constant) if isinstance(node, ast.Constant)]
    texts = {n.value: source.segment(n) for n in nodes if isinstance(n.value, str)}
    numbers = dict.fromkeys(n.value for n in nodes if is_number(n))
    for node in nodes:
        start, end = source.span(node)
        old = source.segment(node)
        value = node.value
        new: list[str] = []
        if isinstance(value, bool):
            new = [str(not value)]
        elif value is None:
            new = ["0", "False", "[]"]
        elif isinstance(value, str):
            new = ["''" if old.endswith("'") else '""', *texts.values()]
        elif is_number(node):
            new = [str(n) for n in (0, 1, *numbers)]
            if value == 0 and not isinstance(source.parent(node), ast.UnaryOp):
                new.append("-1")
        elif isinstance(value, float):
            new = ["0.0", "1.0"]
        for text in dict.fromkeys(new):
            if text != old:
                yield swap(start, end, old, text)
    for minus in source.nodes(ast.UnaryOp):
        if isinstance(minus, ast.UnaryOp) and isinstance(minus.op, ast.USub):
            operand = source.outer_span(minus.operand)
            yield drop(source, source.span(minus)[0], operand[0])
            if is_number(minus.operand, 1):
                yield swap(source.span(minus)[0], operand[1], "-1", "0")
    for brackets in source.nodes(ast.List):
        if isinstance(brackets, ast.List) and isinstance(brackets.ctx, ast.Load):
            yield from _brackets(source, brackets)


def _brackets(source: Source, node: ast.List) -> Iterator[Site]:
    start, end = source.span(node)
    old = source.segment(node)
    if not node.elts:
        yield swap(start, end, old, "[[]]")
    elif len(node.elts) == 1 and not isinstance(node.elts[0], ast.Starred):
        inner = source.segment(node.elts[0])
        yield swap(start, end, old, inner)
        yield swap(start, end, old, "[]")


def elements(source: Source) -> Iterator[Site]:
    """Two neighbouring elements of a short tuple or list, or two indices in a row, swapped."""
    for node in source.nodes(ast.Tuple, ast.List, ast.Subscript):
        if isinstance(node, (ast.Tuple, ast.List)):
            if len(node.elts) <= 4:
                yield from neighbours(source, node.elts)
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Subscript):
            pair = [node.value.slice, node.slice]
            if not any(isinstance(index, (ast.Slice, ast.Tuple)) for index in pair):
                yield from neighbours(source, pair)


def index(source: Source) -> Iterator[Site]:
    """A wrong index, or a bound of a slice or the whole of it left out."""
    for node in source.nodes(ast.Subscript):
        assert isinstance(node, ast.Subscript)
        end = source.span(node)[1]
        if not isinstance(node.ctx, ast.Load):
            continue
        if isinstance(node.slice, ast.Slice):
            for bound in (node.slice.lower, node.slice.upper, node.slice.step):
                if bound is not None:
                    yield drop(source, *source.outer_span(bound))
            if node.slice.lower is None:
                yield insert(source.span(node.slice)[0], "1")
            yield drop(source, source.outer_span(node.value)[1], end)
            continue
        start, stop = source.span(node.slice)
        old = source.text[start:stop]
        for new in {"0": ("-1", "1"), "-1": ("0", "-2"), "1": ("0", "-1")}.get(old, ()):
            yield swap(start, stop, old, new)
        if not isinstance(node.slice, ast.Tuple):
            yield drop(source, source.outer_span(node.value)[1], end)


def result(source: Source) -> Iterator[Site]:
    """Another result: a variable, nothing, or what the function returns elsewhere."""
    returns = [n for n in source.nodes(ast.Return) if isinstance(n, ast.Return) and n.value]
    texts = dict.fromkeys(source.segment(node.value) for node in returns if node.value)
    for node in returns:
        assert node.value is not None
        start, end = source.outer_span(node.value)
        old = source.text[start:end]
        others = (t for t in texts if len(t) <= 24 and "\n" not in t)
        known = source.visible_names(start)
        for new in dict.fromkeys((*others, *known[-3:], "None")):
            if new not in (old, source.segment(node.value)):
                yield swap(start, end, old, new)
        if isinstance(node.value, ast.Name):
            yield Site(Edit(start, end, f"[{old}]"), ("{} was put into a list", old))
