"""How many arguments functions take, as far as a file says."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.edits.python.arity import Arities, arity_of
from hrmgym.envs.edits.source import Source

FILE = """\
def two(a, b): return a
def some(a, b=1): return a
def rest(a, *b): return a
def named(a, *, b): return a
def twice(a): return a
def twice(a, b): return a
@decorated
def odd(a): return a
class Box:
    def put(self, a, b=1): return a
    def twice(self): return 1
assigned = two
"""


def accepts(call: str, *, local: bool = False, held: str = "") -> bool:
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call)
    arities = Arities(Source(FILE))
    return arities.accept(node.func, len(node.args), len(node.keywords), local=local, held=held)


#: (a call, whether it may be)
CALLS = [
    ("two(1, 2)", True),
    ("two(1)", False),
    ("two(1, 2, 3)", False),
    ("two(1, b=2)", True),
    ("some(1)", True),
    ("some(1, 2, 3)", False),
    ("some()", False),
    ("rest(1, 2, 3, 4)", True),
    ("rest()", False),
    ("named(1, b=2)", True),
    ("named(1)", False),
    ("named(1, 2, b=3)", False),
    ("twice()", True),  # defined twice: nobody knows
    ("odd(1, 2, 3)", True),  # decorated
    ("Box(1, 2, 3)", True),
    ("assigned(1)", True),
    ("unknown(1, 2)", True),
    ("len(1)", True),
    ("len()", False),
    ("len(1, 2)", False),
    ("range(1, 2, 3)", True),
    ("range(1, 2, 3, 4)", False),
    ("isinstance(1)", False),
    ("max(1, 2, 3, 4)", True),
    ("sorted(1, key=2)", True),
    ("dict(a=1, b=2)", True),
    ("dict(1, 2)", False),
    ("self.put(1)", True),
    ("self.put()", False),
    ("self.put(1, 2, 3)", False),
    ("other.put()", True),  # of whatever it is
]


@pytest.mark.parametrize(("call", "legal"), CALLS)
def test_calls(call: str, legal: bool) -> None:
    assert accepts(call) is legal


def test_a_local_name_is_not_the_builtin() -> None:
    assert accepts("len(1, 2)", local=True)


@pytest.mark.parametrize(
    ("call", "held", "legal"),
    [
        ("x.append()", "list", False),
        ("x.append(1)", "list", True),
        ("x.append()", "", True),
        ("x.pop(1, 2)", "list", False),
        ("x.pop(1, 2)", "dict", True),
        ("x.sort(1)", "list", False),
        ("x.insert(0, 1)", "list", True),
        ("x.add(1, 2)", "set", False),
    ],
)
def test_methods_of_lists_and_sets(call: str, held: str, legal: bool) -> None:
    assert accepts(call, held=held) is legal


@pytest.mark.parametrize(
    ("head", "least", "most"),
    [
        ("", 0, 0),
        ("a, b", 2, 2),
        ("a, b=1", 1, 2),
        ("a, /, b", 2, 2),
        ("*, a", 1, 0),
        ("*, a=1", 0, 0),
        ("a, *b", 1, 1 << 16),
        ("**a", 0, 0),
    ],
)
def test_least_and_most(head: str, least: int, most: int) -> None:
    (node,) = ast.parse(f"def f({head}): pass").body
    assert isinstance(node, ast.FunctionDef)
    assert arity_of(node) == (least, most)


def test_parameters_by_their_names() -> None:
    arities = Arities(Source(FILE))
    assert arities.parameters["named"] == ["a", "b"]
    assert arities.parameters["put"] == ["a", "b"]  # without `self`
    assert arities.parameters["twice"] == []
    assert arities.defined == {"two", "some", "rest", "named", "twice", "odd"}
