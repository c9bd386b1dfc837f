"""Obvious types: said only where every value is of that type."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.edits.python.flow import Flow
from hrmgym.envs.edits.python.valuetypes import Types


def type_of(text: str, expression: str) -> str:
    """The type of an expression where it is read at the end of `def f`."""
    tree = ast.parse(text)
    types = Types(tree, Flow(tree))
    (scope,) = (one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "f")
    return types.of(ast.parse(expression, mode="eval").body, scope)


BODY = """\
import os
from collections import deque
LIMIT = 3
class A: pass
def helper(): pass
def f(a, *b, c=1):
    n = len(a)
    n += 1
    name, size = "", 0
    half = n / 2
    items = []
    grown = []
    grown += a
    both = 1
    both = ""
    again = n
    for i in range(n): pass
    for j, k in enumerate(a): pass
    for m in a: pass
    with a as w: pass
    text: str = "a"
    queue = deque()
    [p, q] = 1, 2
    return a
"""
#: (expression, its type; "" where it is not obvious)
TYPES = [
    ("a", ""),
    ("b", ""),
    ("c", ""),
    ("n", "int"),
    ("name", "str"),
    ("size", "int"),
    ("half", "float"),
    ("items", "list"),
    ("grown", ""),  # of whatever came in
    ("both", ""),  # of two types
    ("again", "int"),
    ("i", "int"),
    ("j", "int"),
    ("k", ""),
    ("m", ""),
    ("w", ""),
    ("text", "str"),
    ("queue", "deque"),
    ("p", ""),
    ("os", "module"),
    ("A", "class"),
    ("helper", "func"),
    ("LIMIT", "int"),
    ("len", "func"),
    ("int", "class"),
    ("unknown", ""),
    ("1", "int"),
    ("True", "bool"),
    ("None", "none"),
    ("1.5", "float"),
    ("'a'", "str"),
    ("f'{a}'", "str"),
    ("b'a'", "bytes"),
    ("[]", "list"),
    ("{}", "dict"),
    ("{1}", "set"),
    ("(1,)", "tuple"),
    ("(x for x in a)", "iter"),
    ("lambda: 1", "func"),
    ("a < 1", "bool"),
    ("not a", "bool"),
    ("-n", "int"),
    ("-True", "int"),
    ("a and b", ""),
    ("n and 1", "int"),
    ("1 if a else 2", "int"),
    ("1 if a else ''", ""),
    ("n + 1", "int"),
    ("n / 1", "float"),
    ("n + 1.5", "float"),
    ("a + 1", ""),
    ("'%s' % a", "str"),
    ("'-' * n", "str"),
    ("[0] * a", "list"),
    ("a + ''", "str"),
    ("{1} | {2}", "set"),
    ("name[0]", "str"),
    ("items[0]", ""),
    ("items[1:]", "list"),
    ("len(a)", "int"),
    ("sorted(a)", "list"),
    ("helper()", ""),
    ("a.split()", ""),
    ("name.split()", "list"),
    ("a.find(1)", "int"),
    ("a.strip()", "str"),
    ("b''.strip()", "bytes"),
    ("b''.decode()", "str"),
]


@pytest.mark.parametrize(("expression", "kind"), TYPES)
def test_types_of_expressions(expression: str, kind: str) -> None:
    assert type_of(BODY, expression) == kind


def test_a_function_that_is_called_like_a_builtin_says_nothing() -> None:
    assert type_of("def len(a): return a\ndef f(a):\n    return a\n", "len(a)") == ""
    assert type_of("def f(a, len):\n    return a\n", "len") == ""


@pytest.mark.parametrize(
    ("kind", "name", "known"),
    [("list", "append", True), ("list", "items", False), ("", "any", True), ("none", "a", False)],
)
def test_attributes_of_types(kind: str, name: str, known: bool) -> None:
    assert Types.has(kind, name) is known
