"""What a place in a program obviously cannot hold: the types that fail there, whatever the value.

A type is rejected only where every value of it raises an error, or makes the code around it
pointless: a module that is compared, a function as a condition.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from hrmgym.envs.edits.python.valuetypes import ATTRIBUTES

Rejected = frozenset[str]

_ALL = frozenset(
    {"int", "float", "complex", "bool", "str", "bytes", "list", "dict", "set", "frozenset"}
    | {"tuple", "none", "func", "class", "module", "iter", "range", "deque", "ellipsis"}
)
_NUMBERS = frozenset({"int", "float", "bool", "complex"})
_CALLABLE = frozenset({"func", "class"})
_SINGLE = frozenset({"int", "float", "bool", "complex", "none", "func", "module", "ellipsis"})
_NOT_ITERABLE = _SINGLE | {"class"}
_UNHASHABLE = frozenset({"list", "set", "dict", "deque"})
_DEFINED = frozenset({"func", "class", "module"})
_TEXTS = frozenset({"str", "bytes"})
MODULE: Rejected = frozenset({"module"})

#: Builtins whose first argument has to be of some type: name -> what it cannot be.
_ARGUMENTS: dict[str, Rejected] = {
    **dict.fromkeys(
        (
            "sorted",
            "sum",
            "list",
            "set",
            "tuple",
            "enumerate",
            "iter",
            "any",
            "all",
            "frozenset",
            "zip",
            "reversed",
        ),
        _NOT_ITERABLE,
    ),
    "len": _NOT_ITERABLE | {"iter"},
    "range": _ALL - {"int", "bool"},
    "abs": _ALL - _NUMBERS,
    "chr": _ALL - {"int", "bool"},
    "ord": _ALL - _TEXTS,
    "bin": _ALL - {"int", "bool"},
    "hex": _ALL - {"int", "bool"},
}


def rejected(
    node: ast.expr, parent: ast.AST, field: str, type_of: Callable[[ast.AST], str]
) -> Rejected:
    """The types that cannot stand in place of a node.

    Args:
        node: An expression whose value is read.
        parent: The node that it is in.
        field: Where in it.
        type_of: The obvious type of any expression nearby.
    """
    if isinstance(parent, ast.Call):
        return _in_call(node, parent)
    if isinstance(parent, ast.Attribute):
        return frozenset({kind for kind, names in ATTRIBUTES.items() if parent.attr not in names})
    if isinstance(parent, ast.Subscript):
        if field == "value":
            return _NOT_ITERABLE | {"set", "frozenset", "iter"}
        held = type_of(parent.value)
        if held in ("list", "str", "tuple", "bytes", "range", "deque"):
            return _ALL - {"int", "bool"}
        return _UNHASHABLE | _DEFINED
    if isinstance(parent, ast.Slice):
        return _ALL - {"int", "bool", "none"}
    if isinstance(parent, ast.BinOp):
        other = parent.right if node is parent.left else parent.left
        return _beside(type(parent.op), type_of(other), right=node is parent.right)
    if isinstance(parent, ast.AugAssign):
        return _beside(type(parent.op), type_of(parent.target), right=True)
    if isinstance(parent, ast.Compare):
        return _compared(node, parent, type_of)
    if isinstance(parent, ast.UnaryOp):
        return _DEFINED if isinstance(parent.op, ast.Not) else _ALL - _NUMBERS - {"set"}
    if isinstance(parent, (ast.For, ast.AsyncFor, ast.comprehension)) and field == "iter":
        return _NOT_ITERABLE
    if isinstance(parent, (ast.Starred, ast.YieldFrom)):
        return _NOT_ITERABLE
    if isinstance(parent, (ast.With, ast.AsyncWith)):  # a tuple would be several items
        return _ALL
    if isinstance(parent, ast.Expr):  # a text would be a docstring
        return MODULE | {"str"}
    if field in ("test", "ifs") or isinstance(parent, ast.BoolOp):
        return _DEFINED
    return MODULE


def _in_call(node: ast.expr, parent: ast.Call) -> Rejected:
    if node is parent.func:
        return _ALL - _CALLABLE
    if isinstance(parent.func, ast.Name) and node in parent.args:
        name = parent.func.id
        if name == "range":
            return _ARGUMENTS[name]
        if node is parent.args[0]:
            if name in ("min", "max") and len(parent.args) == 1:
                return _NOT_ITERABLE
            return _ARGUMENTS.get(name, MODULE)
    return MODULE


def _beside(operator: type[ast.operator], other: str, *, right: bool) -> Rejected:
    """What cannot be an operand beside one of a type."""
    if operator is ast.Add:
        if other in _NUMBERS:
            return _ALL - _NUMBERS
        if other in ("str", "list", "tuple", "bytes"):
            return _ALL - {other}
        return _DEFINED | {"none", "dict", "set", "frozenset", "iter", "range"}
    if operator is ast.Mod:
        if not right and other not in _NUMBERS:
            return _ALL - _NUMBERS - _TEXTS
        if other in _TEXTS and right:
            return MODULE
        return _ALL - _NUMBERS - (_TEXTS if not right else frozenset())
    if operator is ast.Mult:
        repeated = frozenset({"str", "list", "tuple", "bytes", "deque"})
        if other in repeated:
            return _ALL - {"int", "bool"}
        return _ALL - _NUMBERS - repeated
    if operator in (ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor):
        if other in ("int", "float"):
            return _ALL - _NUMBERS
        if other in ("set", "frozenset"):
            return _ALL - {"set", "frozenset", "dict", "iter"}
        return _ALL - _NUMBERS - {"set", "frozenset", "dict", "class", "iter"}
    if operator is ast.MatMult:
        return _ALL
    return _ALL - _NUMBERS


def _compared(node: ast.expr, parent: ast.Compare, type_of: Callable[[ast.AST], str]) -> Rejected:
    sides = [parent.left, *parent.comparators]
    index = sides.index(node)
    found = MODULE
    for place, operator in enumerate(parent.ops):
        if index not in (place, place + 1):
            continue
        other = type_of(sides[place + 1 if index == place else place])
        if isinstance(operator, (ast.In, ast.NotIn)):
            if index == place + 1:
                found |= _NOT_ITERABLE
                if other and other not in _TEXTS:
                    found |= _TEXTS
            else:
                found |= _ALL - {other} if other in _TEXTS else MODULE
        elif isinstance(operator, (ast.Is, ast.IsNot)):
            continue
        else:
            ordered = not isinstance(operator, (ast.Eq, ast.NotEq))
            if ordered:
                found |= _DEFINED | {"none", "dict", "iter", "range"}
            if other in _NUMBERS:
                found |= _ALL - _NUMBERS - (frozenset() if ordered else frozenset({"none"}))
            elif other in ("str", "bytes", "list", "tuple", "set", "dict"):
                found |= _ALL - {other} - (frozenset() if ordered else frozenset({"none"}))
    return found
