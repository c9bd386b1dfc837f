"""Bug operators on statements: dropped, swapped, doubled, moved, or under the wrong condition."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from hrmgym.envs.bugs.sites import Site, drop, insert, swap
from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.source import Source
from hrmgym.envs.edits.syntax import counts

_AUGMENTED = {
    "+=": ("-=", "="),
    "-=": ("+=", "="),
    "*=": ("+=", "="),
    "//=": ("-=", "/="),
    "/=": ("*=", "//="),
    "%=": ("//=",),
    "|=": ("&=", "="),
    "&=": ("|=", "^="),
    "^=": ("|=", "&="),
    "<<=": (">>=",),
    ">>=": ("<<=",),
}
_DROPPED = (
    *(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Raise, ast.If),
    *(ast.Break, ast.Continue, ast.Delete, ast.Assert, ast.For),
)
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)
_COMPOUND = (ast.For, ast.While, ast.If, ast.With)
_MOST_LINES = 3


def _lines(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def drop_statement(source: Source) -> Iterator[Site]:
    """A statement of at most three lines left out (`pass` where it is alone)."""
    for block in source.blocks():
        for statement in block:
            span = source.line_span(statement)
            if not isinstance(statement, _DROPPED) or _lines(statement) > _MOST_LINES:
                continue
            if isinstance(statement, ast.If) and source.segment(statement).startswith("elif"):
                continue
            if len(block) == 1:
                yield swap(*source.span(statement), source.segment(statement), "pass")
            elif span is not None:
                yield drop(source, *span)


def drop_condition(source: Source) -> Iterator[Site]:
    """What stood under an `if` without `else` is done always."""
    for node in source.nodes(ast.If):
        assert isinstance(node, ast.If)
        if node.orelse or len(node.body) != 1 or _lines(node.body[0]) != 1:
            continue
        if not source.segment(node).startswith("elif"):
            yield drop(source, source.span(node)[0], source.span(node.body[0])[0])


def swap_statements(source: Source) -> Iterator[Site]:
    """Two neighbouring one-line statements, one of which changes what the other uses, swapped."""
    for block in source.blocks():
        for first, second in pairwise(block):
            if not (isinstance(first, _SIMPLE) and isinstance(second, _SIMPLE)):
                continue
            if _lines(first) != 1 or _lines(second) != 1 or not _depend(first, second):
                continue
            if source.line_span(first) is None or source.line_span(second) is None:
                continue
            (s1, e1), (s2, e2) = source.span(first), source.span(second)
            text = source.text
            new = text[s2:e2] + text[e1:s2] + text[s1:e1]
            note = f"lines {first.lineno} and {second.lineno} swapped"
            yield Site(Edit(s1, e2, new), (note,))


def double_statement(source: Source) -> Iterator[Site]:
    """A one-line statement with an effect done twice."""
    for block in source.blocks():
        for node in block:
            effect = isinstance(node, ast.AugAssign) or (
                isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            )
            if effect and _lines(node) == 1 and source.line_span(node) is not None:
                end = source.span(node)[1]
                yield insert(end, f"\n{source.indent(node)}{source.segment(node)}")


def indent(source: Source) -> Iterator[Site]:
    """A one-line statement moved out of the block that it ends, or into the one before it."""
    for block in source.blocks():
        for node, after in zip(block, [*block[1:], None], strict=True):
            if not isinstance(node, _COMPOUND) or node.body[0].lineno == node.lineno:
                continue
            unit = source.indent(node.body[0])[len(source.indent(node)) :]
            last = node.body[-1]
            orelse = [] if isinstance(node, ast.With) else node.orelse
            if not orelse and len(node.body) > 1 and _whole_line(source, last):
                place = source.span(last)[0]
                note = f"line {last.lineno} moved out"
                yield Site(Edit(place - len(unit), place, ""), (note,))
            if after is not None and _whole_line(source, after):
                place = source.span(after)[0]
                yield Site(Edit(place, place, unit), (f"line {after.lineno} moved in",))


def _whole_line(source: Source, node: ast.stmt) -> bool:
    return _lines(node) == 1 and source.line_span(node) is not None


def branch(source: Source) -> Iterator[Site]:
    """An `else` left out, `if` for `elif`, `else` for the last `elif`."""
    for node in source.nodes(ast.If, ast.For, ast.While):
        assert isinstance(node, (ast.If, ast.For, ast.While))
        start = source.span(node)[0]
        if isinstance(node, ast.If) and source.text.startswith("elif", start):
            yield swap(start, start + len("elif"), "elif", "if")
            if not node.orelse:
                colon = source.tokens_between(source.outer_span(node.test)[1], len(source.text))[0]
                yield swap(start, colon.start, source.text[start : colon.start], "else")
        if node.orelse and _lines(node.orelse[-1]) <= _MOST_LINES and len(node.orelse) <= 2:
            last, end = source.line_span(node.body[-1]), source.line_span(node.orelse[-1])
            if last is not None and end is not None:
                yield drop(source, last[1], end[1])


def jump(source: Source) -> Iterator[Site]:
    """`break` for `continue`, `pass` for either."""
    for node in source.nodes(ast.Break, ast.Continue):
        assert isinstance(node, (ast.Break, ast.Continue))
        old = source.segment(node)
        for new in ("continue" if old == "break" else "break", "pass"):
            yield swap(*source.span(node), old, new)


def augmented(source: Source) -> Iterator[Site]:
    """`-=` or `=` for `+=`, and the like; `+=` for `=`."""
    for node in source.nodes(ast.AugAssign, ast.Assign):
        if isinstance(node, ast.AugAssign):
            start, end = source.operator_between(node.target, node.value)
            old = source.text[start:end]
            for new in _AUGMENTED.get(old, ()):
                yield swap(start, end, old, new)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            known = isinstance(target, ast.Name) and target.id in source.visible_names(
                source.span(node)[0]
            )
            if known and counts(source, target):
                start, end = source.operator_between(target, node.value)
                yield swap(start, end, "=", "+=")


def _depend(first: ast.stmt, second: ast.stmt) -> bool:
    """Whether the order of two statements can matter."""
    return bool(_changed(first) & _used(second) or _changed(second) & _used(first))


def _used(node: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _changed(node: ast.stmt) -> set[str]:
    """Names that are assigned, or whose attributes, items or methods are touched."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            found.add(inner.id)
        elif isinstance(inner, (ast.Subscript, ast.Attribute)):
            stored = isinstance(inner.ctx, ast.Store) or isinstance(node, ast.Expr)
            if stored and isinstance(inner.value, ast.Name):
                found.add(inner.value.id)
    return found
