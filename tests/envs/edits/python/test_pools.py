"""What may be put at a place: variables and functions that are bound there, free names."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.edits.python.enumerator import PythonEdits
from hrmgym.envs.edits.python.places import Place
from hrmgym.envs.edits.python.pools import callables, names_at
from hrmgym.envs.edits.python.program import Program


def here(text: str) -> tuple[Program, Place]:
    """The program, and its place `here`."""
    program = PythonEdits(text, (0, len(text))).program
    (place,) = (
        one for one in program.places if isinstance(one.node, ast.Name) and one.node.id == "here"
    )
    return program, place


#: (a program, the variables that may be read at `here`)
VARIABLES = [
    ("def f(a, b):\n    c = a\n    return here\n", "a b c"),
    ("def f(a):\n    print(here)\n    c = a\n    return c\n", "a"),
    ("def f(self, a):\n    return here\n", "a"),
    ("import os\ndef f(a):\n    os.x()\n    return here\n", "a"),  # a module is no value
    ("def f(a):\n    def g(): pass\n    g()\n    return here\n", "a"),
    ("def f(a):\n    global G\n    G = a\n    return here\n", "a G"),
    ("def f(a):\n    print(here)\n    global G\n    G = a\n", "a"),  # declared too late
    ("def f(a):\n    return [here for b in a]\n", "a b"),
    ("def f(a):\n    c = [b for b in a]\n    return here\n", "a c"),
    ("def f(a):\n    return lambda b: here\n", "a b"),
    ("def f(a):\n    return a if __debug__ else here\n", "a"),
    ("def f(a):\n    for b in a:\n        c = b\n    return here\n", "a b c"),
    ("def f(a):\n    del a\n    return here\n", ""),
    ("def f(a, *b, c, **d):\n    return here\n", "a b c d"),
]


@pytest.mark.parametrize(("text", "names"), VARIABLES)
def test_variables(text: str, names: str) -> None:
    program, place = here(text)
    assert sorted(one.text for one in names_at(program, place)) == sorted(names.split())


def test_functions_of_the_file_and_those_it_names() -> None:
    text = "def g(a): return a\nclass A: pass\ndef f(a):\n    len(a)\n    return here(a)\n"
    program, place = here(text)
    found = callables(program, place.scope, place.unbound, place.region)
    assert {one.text for one in found} == {"f", "g", "A", "len"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(a):\n    return a + b\n", "b"),
        ("def f(a):\n    return [b for b in a if c]\n", "c"),
        ("b = 1\ndef f(a):\n    return a + b\n", ""),
        ("def f(a):\n    print(b)\n    b = 1\n", ""),  # bound, if too late
        ("def f(a):\n    global b\n    return b\n", ""),
        ("from os import *\ndef f(a):\n    return b\n", ""),
        ("def f(a):\n    return len(a), c.d, c\n", "c"),
    ],
)
def test_free_names(text: str, names: str) -> None:
    program = PythonEdits(text, (0, len(text))).program
    assert list(program.free) == names.split()
