"""What a place obviously cannot hold."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.edits.python.enumerator import PythonEdits


def rejects(line: str, kind: str) -> bool:
    """Whether the place of `here` in a line rejects a type."""
    text = f"def f(a, n=0):\n    xs = []\n    s = ''\n    k = 1\n    {line}\n"
    places = PythonEdits(text, (0, len(text))).program.places
    (place,) = (p for p in places if isinstance(p.node, ast.Name) and p.node.id == "here")
    return kind in place.rejects


#: (a line, types that fail where `here` stands, types that need not)
PLACES = [
    ("len(here)", "int none func iter", "list str dict"),
    ("range(here)", "str list float none", "int bool"),
    ("range(1, here)", "str list", "int"),
    ("sorted(here)", "int bool none", "list dict iter"),
    ("max(here)", "int none", "list"),
    ("max(here, 1)", "module", "int"),
    ("print(here)", "module", "int none func"),
    ("here(a)", "int list str none", "func class"),
    ("here.append(1)", "str dict int tuple none", "list deque"),
    ("here.strip()", "list int", "str bytes"),
    ("here[0]", "int none set iter func", "list dict str"),
    ("xs[here]", "str list none float", "int"),
    ("a[here]", "list dict set func", "int str tuple none"),
    ("xs[here:]", "str float list", "int none"),
    ("k + here", "str list none", "int float bool"),
    ("s + here", "int list none", "str"),
    ("xs + here", "int str", "list"),
    ("s % here", "module", "int tuple str"),
    ("k - here", "str list", "int"),
    ("xs * here", "list str float", "int"),
    ("a @ here", "int list str", ""),
    ("k < here", "str list none dict", "int float"),
    ("k == here", "str list", "int none"),
    ("s in here", "int none", "list str dict"),
    ("here in s", "int list", "str"),
    ("k in here", "str int", "list"),
    ("a is here", "module", "none int"),
    ("-here", "str list none", "int float"),
    ("not here", "func class", "int list none"),
    ("for x in here: pass", "int none func", "list str dict"),
    ("a = [x for x in here]", "int none", "list iter"),
    ("if here: pass", "func module", "int list none"),
    ("while a and here: pass", "func class", "int none"),
    ("yield from here", "int none", "list"),
    ("print(*here)", "int none", "list"),
    ("with here: pass", "int str tuple none list", ""),  # none of these opens anything
    ("with a, here as b: pass", "int tuple", ""),
    ("return here", "module", "int none func"),
    ("here", "str module", "int"),
    ("a += here", "none dict", "int str list"),
    ("a -= here", "str list", "int set"),
]


@pytest.mark.parametrize(("line", "failing", "possible"), PLACES)
def test_types_that_fail(line: str, failing: str, possible: str) -> None:
    assert [kind for kind in failing.split() if not rejects(line, kind)] == []
    assert [kind for kind in possible.split() if rejects(line, kind)] == []
