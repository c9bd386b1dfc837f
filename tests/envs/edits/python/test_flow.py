"""Which names are bound where: nothing that some path binds is called unbound."""

from __future__ import annotations

import ast
import textwrap

import pytest

from hrmgym.envs.edits.python.flow import Flow

#: (program, names that may be bound where `here` stands, names that are not)
CASES = [
    ("def f(a):\n    here\n    b = 1", "a f len", "b c"),
    ("def f():\n    b = 1\n    here", "b", "a"),
    ("def f(a):\n    if a:\n        b = 1\n    else:\n        here", "a", "b"),
    ("def f(a):\n    if a:\n        b = 1\n    here", "b", ""),
    ("def f(a):\n    if a:\n        b = 1\n        return b\n    here", "a", "b"),
    (
        "def f(a):\n    if a:\n        b = 1\n        raise a\n    else:\n        c = 1\n    here",
        "c",
        "b",
    ),
    ("def f(a):\n    for i in a:\n        here\n        b = i", "i b", "c"),
    (
        "def f(a):\n    for i in a:\n        if i:\n            b = 1\n"
        "            continue\n        here",
        "b",
        "",
    ),
    (
        "def f(a):\n    for i in a:\n        b = 1\n        break\n    else:\n        here",
        "a",
        "i b",
    ),
    (
        "def f(a):\n    while True:\n        b = 1\n        if b:\n            break\n    here",
        "b",
        "",
    ),
    ("def f(a):\n    while a:\n        b = 1\n    here", "b", ""),
    (
        "def f(a):\n    try:\n        b = a\n        c = b\n"
        "    except ValueError as error:\n        here",
        "b c error",
        "d",
    ),
    (
        "def f(a):\n    try:\n        b = a\n"
        "    except ValueError as error:\n        return\n    here",
        "b",
        "error",
    ),
    ("def f(a):\n    try:\n        b = a\n    finally:\n        here", "b", "c"),
    ("def f(a):\n    with a as b:\n        c = 1\n        return c\n    here", "b c", ""),
    ("def f(a):\n    b = 1\n    del b\n    here", "a", "b"),
    ("def f(a):\n    if (n := a):\n        here", "n", ""),
    ("def f(a):\n    x = [y for y in a]\n    here", "x", "y"),
    ("def f(a):\n    here\ndef g(): pass\nB = 1", "g B", "b"),
    ("def f(a):\n    def g():\n        here\n    b = 1", "a b g", ""),
    ("def f(a):\n    import os.path, sys as s\n    here", "os s", "sys path"),
    ("def f(a):\n    global G\n    here", "G", ""),
    ("class A:\n    x = 1\n    def f(self):\n        here", "A self", "x"),
    ("here\nx = 1", "len", "x"),
    ("def f(a):\n    match a:\n        case [b, *c]:\n            here", "b c", "d"),
    ("def f(a):\n    len = 1 if a else 2\n    here", "len", ""),
    ("def f(a):\n    here\n    len = 1", "a", "len"),
    ("from os import *\ndef f(a):\n    here\n    anything()", "anything", ""),
]


@pytest.mark.parametrize(("text", "bound", "unbound"), CASES)
def test_names_before_a_statement(text: str, bound: str, unbound: str) -> None:
    tree = ast.parse(textwrap.dedent(text))
    flow = Flow(tree)
    (place,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Name)
        and node.value.id == "here"
    )
    before = flow.before[place]
    assert [name for name in bound.split() if not before & flow.bit(name)] == []
    assert [name for name in unbound.split() if before & flow.bit(name)] == []


def test_every_name_has_a_bit_of_its_own() -> None:
    flow = Flow(ast.parse("x = y = z = 1\n"))
    bits = [
        flow.bit(name) for name in ("x", "y", "z", "len", "print", "zip", "__name__", "__doc__")
    ]
    assert len(set(bits)) == len(bits)
    assert all(bit.bit_count() == 1 for bit in bits)
