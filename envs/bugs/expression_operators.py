"""Bug operators on the operators of expressions: comparisons, arithmetic, logic, off by one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from hrmgym.envs.bugs.sites import Site, drop, insert, is_test, swap
from hrmgym.envs.edits.source import Source
from hrmgym.envs.edits.syntax import called, counts, is_number

_COMPARISONS = {
    "<": ("<=", ">", ">="),
    "<=": ("<", ">=", ">"),
    ">": (">=", "<", "<="),
    ">=": (">", "<=", "<"),
    "==": ("!=", ">=", "<="),
    "!=": ("==", ">", "<"),
}
_ARITHMETIC = {
    "+": ("-", "*"),
    "-": ("+",),
    "*": ("+", "//", "/"),
    "/": ("//", "*"),
    "//": ("/", "%", "*"),
    "%": ("//",),
    "**": ("*",),
    "&": ("|", "^"),
    "|": ("&", "^"),
    "^": ("&", "|"),
    "<<": (">>",),
    ">>": ("<<",),
}
_OPPOSITES = {"is": "is not", "is not": "is", "in": "not in", "not in": "in"}
_ORDERED = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift)
_SEQUENCES = (ast.List, ast.ListComp, ast.JoinedStr, ast.Tuple)
_SEQUENCE_CALLS = frozenset({"list", "sorted", "str", "tuple"})
_PLAIN_TESTS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)


def _operators(source: Source, node: ast.Compare) -> Iterator[tuple[int, int, str]]:
    for left, right in pairwise((node.left, *node.comparators)):
        start, end = source.operator_between(left, right)
        yield start, end, " ".join(source.text[start:end].split())


def comparison(source: Source) -> Iterator[Site]:
    """`<` for `<=`, `==` for `!=`, and so on."""
    for node in source.nodes(ast.Compare):
        assert isinstance(node, ast.Compare)
        for start, end, old in _operators(source, node):
            for new in _COMPARISONS.get(old, ()):
                yield swap(start, end, old, new)


def arithmetic(source: Source) -> Iterator[Site]:
    """Another arithmetic or bitwise operator."""
    for node in source.nodes(ast.BinOp):
        assert isinstance(node, ast.BinOp)
        if isinstance(node.op, ast.Mod) and _is_sequence(node.left):  # formatting
            continue
        start, end = source.operator_between(node.left, node.right)
        old = source.text[start:end]
        for new in _ARITHMETIC.get(old, ()):
            yield swap(start, end, old, new)


def boolean(source: Source) -> Iterator[Site]:
    """`and` for `or`, one at a time."""
    for node in source.nodes(ast.BoolOp):
        assert isinstance(node, ast.BoolOp)
        for left, right in pairwise(node.values):
            start, end = source.operator_between(left, right)
            old = source.text[start:end]
            yield swap(start, end, old, "or" if old == "and" else "and")


def negation(source: Source) -> Iterator[Site]:
    """`not` dropped or added; `is` for `is not`, `in` for `not in`."""
    for node in source.nodes(ast.UnaryOp, ast.Compare, *_PLAIN_TESTS):
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                yield drop(source, source.span(node)[0], source.outer_span(node.operand)[0])
        elif isinstance(node, ast.Compare):
            for start, end, old in _operators(source, node):
                if old in _OPPOSITES:
                    yield swap(start, end, old, _OPPOSITES[old])
        elif isinstance(node, _PLAIN_TESTS) and is_test(source, node):
            yield insert(source.span(node)[0], "not ")


def clause(source: Source) -> Iterator[Site]:
    """One part of an `and` or `or` dropped."""
    for node in source.nodes(ast.BoolOp):
        assert isinstance(node, ast.BoolOp)
        spans = [source.outer_span(value) for value in node.values]
        yield drop(source, spans[0][0], spans[1][0])
        for before, span in pairwise(spans):
            yield drop(source, before[1], span[1])


def condition(source: Source) -> Iterator[Site]:
    """A condition replaced by a constant; the two values of an `if ... else ...` swapped."""
    for node in source.nodes(ast.While, ast.If, ast.IfExp):
        if isinstance(node, ast.IfExp):
            (s1, e1), (s2, e2) = source.outer_span(node.body), source.outer_span(node.orelse)
            text = source.text
            yield swap(s1, e2, text[s1:e2], text[s2:e2] + text[e1:s2] + text[s1:e1])
            continue
        assert isinstance(node, (ast.While, ast.If))
        start, end = source.outer_span(node.test)
        for new in ("True",) if isinstance(node, ast.While) else ("True", "False"):
            yield swap(start, end, source.text[start:end], new)


def operands(source: Source) -> Iterator[Site]:
    """The operands of an operator that does not commute swapped."""
    for node in source.nodes(ast.BinOp):
        assert isinstance(node, ast.BinOp)
        joins = isinstance(node.op, ast.Add) and (
            _is_sequence(node.left) or _is_sequence(node.right)
        )
        formats = isinstance(node.op, ast.Mod) and _is_sequence(node.left)
        if not (joins or isinstance(node.op, _ORDERED)) or formats:
            continue
        (s1, e1), (s2, e2) = source.outer_span(node.left), source.outer_span(node.right)
        text = source.text
        yield swap(s1, e2, text[s1:e2], text[s2:e2] + text[e1:s2] + text[s1:e1])


def operand_drop(source: Source) -> Iterator[Site]:
    """One operand, with its operator, dropped."""
    for node in source.nodes(ast.BinOp):
        assert isinstance(node, ast.BinOp)
        left, right = source.outer_span(node.left), source.outer_span(node.right)
        yield drop(source, left[1], right[1])
        yield drop(source, left[0], right[0])


def off_by_one(source: Source) -> Iterator[Site]:
    """A whole number changed by one, or `+ 1` or `- 1` added to or dropped from an expression."""
    for node in source.nodes(ast.expr):
        if is_number(node):
            assert isinstance(node, ast.Constant)
            value = node.value
            assert isinstance(value, int)
            start, end = source.span(node)
            yield swap(start, end, source.segment(node), str(value + 1))
            if value > 0:
                yield swap(start, end, source.segment(node), str(value - 1))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            left, right = source.outer_span(node.left), source.outer_span(node.right)
            if is_number(node.right, 1):
                yield drop(source, left[1], right[1])
            elif is_number(node.left, 1) and isinstance(node.op, ast.Add):
                yield drop(source, left[0], right[0])
        if isinstance(node, ast.expr) and _may_shift(source, node):
            place = source.outer_span(node)[1]
            yield insert(place, " + 1")
            yield insert(place, " - 1")


def _is_sequence(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Slice)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (str, bytes))
    if isinstance(node, ast.BinOp):
        return _is_sequence(node.left) or _is_sequence(node.right)
    return isinstance(node, _SEQUENCES) or called(node) in _SEQUENCE_CALLS


def _may_shift(source: Source, node: ast.expr) -> bool:
    """Whether a hand might slip and put `+ 1` here: a number in a place where it counts."""
    if isinstance(node, (ast.Constant, ast.Starred)):
        return False
    parent = source.parent(node)
    if isinstance(parent, ast.Call):
        if node is parent.func:
            return False
        if called(parent) == "range":
            return True
    elif isinstance(parent, ast.Subscript):
        if node is not parent.slice:
            return False
    elif isinstance(parent, (ast.Assign, ast.AugAssign)):
        if node is not parent.value:
            return False
    elif not isinstance(parent, (ast.Slice, ast.Compare, ast.Return)):
        return False
    return counts(source, node)
