"""What is directly in an expression or a statement, and how tightly it has to bind there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.flow import AWAIT, FIXED, WALRUS, YIELD, YIELD_FROM

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

#: What is legal in some places alone, by the bit that stands for it.
SPECIAL: dict[type[ast.AST], str] = {
    ast.Yield: YIELD,
    ast.YieldFrom: YIELD_FROM,
    ast.Await: AWAIT,
    ast.NamedExpr: WALRUS,
    ast.Starred: FIXED,
    ast.Slice: FIXED,
}
BINDS: dict[type[ast.AST], int] = {
    ast.Compare: pc.COMPARE,
    ast.IfExp: pc.CONDITIONAL,
    ast.Lambda: pc.CONDITIONAL,
    ast.Await: pc.AWAIT,
}

Inner = Iterator[tuple[ast.expr, str, int]]


def of_expression(node: ast.expr) -> Inner:
    """The expressions directly in one, where each stands, and how tightly it has to bind."""
    if isinstance(node, ast.BinOp):
        binds = pc.BINARY[pc.SIGNS[type(node.op).__name__]][1]
        power = isinstance(node.op, ast.Pow)
        yield node.left, "left", pc.AWAIT if power else binds
        yield node.right, "right", pc.SIGN if power else binds + 1
    elif isinstance(node, ast.BoolOp):
        need = pc.NOT if isinstance(node.op, ast.And) else pc.AND
        yield from ((value, "values", need) for value in node.values)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand, "operand", pc.NOT if isinstance(node.op, ast.Not) else pc.SIGN
    elif isinstance(node, ast.Compare):
        yield node.left, "left", pc.BIT_OR
        yield from ((one, "comparators", pc.BIT_OR) for one in node.comparators)
    elif isinstance(node, ast.IfExp):
        yield node.body, "body", pc.OR
        yield node.test, "test", pc.OR
        yield node.orelse, "orelse", pc.CONDITIONAL
    elif isinstance(node, (ast.Attribute, ast.Await)):
        yield node.value, "value", pc.ATOM
    elif isinstance(node, ast.Subscript):
        yield node.value, "value", pc.ATOM
        yield node.slice, "slice", pc.TUPLE
    elif isinstance(node, ast.Slice):
        for name in ("lower", "upper", "step"):
            bound = getattr(node, name)
            if bound is not None:
                yield bound, name, pc.CONDITIONAL
    elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        yield from ((one, "elts", pc.CONDITIONAL) for one in node.elts)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                yield key, "keys", pc.CONDITIONAL
                yield value, "values", pc.CONDITIONAL
            else:
                yield value, "values", pc.BIT_OR
    elif isinstance(node, ast.Starred):
        yield node.value, "value", pc.BIT_OR
    elif isinstance(node, ast.NamedExpr):
        yield node.value, "value", pc.CONDITIONAL
    elif isinstance(node, ast.Yield) and node.value is not None:
        yield node.value, "value", pc.TUPLE
    elif isinstance(node, ast.YieldFrom):
        yield node.value, "value", pc.CONDITIONAL


def of_statement(node: ast.stmt) -> Inner:
    """The expressions of a statement itself, not of its blocks."""
    if isinstance(node, ast.Assign):
        yield from ((target, "targets", pc.TUPLE) for target in node.targets)
        yield node.value, "value", pc.TUPLE
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        yield node.target, "target", pc.ATOM
        if node.value is not None:
            yield node.value, "value", pc.TUPLE
    elif isinstance(node, (ast.Return, ast.Expr)):
        if node.value is not None:
            yield node.value, "value", pc.TUPLE
    elif isinstance(node, (ast.If, ast.While)):
        yield node.test, "test", pc.NAMED
    elif isinstance(node, (ast.For, ast.AsyncFor)):
        yield node.target, "target", pc.TUPLE
        yield node.iter, "iter", pc.TUPLE
    elif isinstance(node, ast.Assert):
        yield node.test, "test", pc.CONDITIONAL
        if node.msg is not None:
            yield node.msg, "msg", pc.CONDITIONAL
    elif isinstance(node, ast.Raise):
        for name in ("exc", "cause"):
            if getattr(node, name) is not None:
                yield getattr(node, name), name, pc.CONDITIONAL
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        yield from ((one.context_expr, "items", pc.CONDITIONAL) for one in node.items)
    elif isinstance(node, ast.Match):
        yield node.subject, "subject", pc.NAMED
    elif isinstance(node, _FUNCTIONS):
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                yield default, "defaults", pc.CONDITIONAL
