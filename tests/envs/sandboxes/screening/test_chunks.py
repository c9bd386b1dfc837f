"""A module compiled in pieces is the module, whatever of it an edit changes."""

from __future__ import annotations

from typing import Any

import pytest

from hrmgym.envs.sandboxes.screening.chunks import Chunks

BASE = '''\
"""What it is."""
from __future__ import annotations
import math

A = 1; B = 2


def f(x: Undefined) -> None:
    return x + A


@staticmethod
def g(x):
    return f(x) * 2
"""A text by itself."""


class C:
    """Its own."""
    z = (1 +
         2)

if A:
    D = [math.pi]
'''
PARTS = (
    ("x + A", "x - A"),
    ("A = 1; B = 2", "A = 3"),
    ("; B = 2", ""),
    ("2)", "4)"),
    ("D = [math.pi]", "D = 7"),
    ("import math\n", "import math\nE = 5\n"),
    ('"""What it is."""\n', ""),
    ("    return f(x) * 2\n", "    return f(x) * 2\nF = 6\n"),
    ("D = [math.pi]\n", "D = [math.pi]\nelse:\n    D = 2"),
    ("\n\nif A:", "\n    y = 3\n\nif A:"),
    ("B = 2\n", "B = 2 + (\n"),
    ("return x + A\n", "return x + A\n\n\n@property\n"),
    ("A = 1", "A = 1 \\"),
    ("f(x) * 2", "f(x) * 'ä'"),
)


def space_of(codes: list[Any]) -> dict[str, object]:
    """What a module holds after its code has run, functions by what they are."""
    space: dict[str, object] = {"__name__": "m"}
    for code in codes:
        exec(code, space)
    space.pop("__builtins__")
    return {
        name: (one.__code__.co_code, one.__annotations__)
        if hasattr(one, "__code__")
        else {k: v for k, v in vars(one).items() if not k.startswith("__")}
        if isinstance(one, type)
        else str(type(one))
        if isinstance(one, (staticmethod, property))
        else one
        for name, one in space.items()
    }


@pytest.mark.parametrize("change", PARTS, ids=str)
def test_pieces_are_the_whole(change: tuple[str, str]) -> None:
    text = BASE.replace(*change)
    assert text != BASE
    try:
        whole = compile(text.encode(), "m.py", "exec", dont_inherit=True)
    except SyntaxError:
        with pytest.raises(SyntaxError):
            Chunks(BASE, "m.py").codes(text)
        return
    codes, _ = Chunks(BASE, "m.py").codes(text)
    assert space_of(codes) == space_of([whole])


def test_only_what_differs_is_compiled() -> None:
    pieces = Chunks(BASE, "m.py")
    codes, new = pieces.codes(BASE.replace("x + A", "x - A"))
    assert len(new) == 1
    assert len(codes) == len(pieces.own)
    assert sum(code in pieces.own for code in codes) == len(codes) - 1


@pytest.mark.parametrize(
    "text", ["# coding: latin-1\nx = 1\n", "x = 'ä'\n", "x = 1\r\n", "x = (\n"]
)
def test_what_cannot_be_cut_is_compiled_as_a_whole(text: str) -> None:
    pieces = Chunks(text, "m.py")
    assert pieces.own == []
    codes, new = pieces.codes("y = 2\n")
    assert codes == new
    assert space_of(codes)["y"] == 2
