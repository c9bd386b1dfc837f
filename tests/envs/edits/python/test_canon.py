"""Trees as texts: what is the same program, where nodes stand, numbers of changed texts."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.edits.python.canon import PRIME, Canon, Canons, Keys, regions


def canon(text: str) -> str:
    return Canon(ast.parse(text)).text


#: Pairs of texts that are one program.
SAME = [
    ("x=1", "x  =  1  # one"),
    ("f(a,b)", "f(a, (b))"),
    ("def f():\n    'Doc.'\n    return 1", "def f():\n    return 1"),
    ("def f(a: int) -> str: return a", "def f(a): return a"),
    ("x: int = 1", "(x): str = 1"),
    ("'ab'", "'a' 'b'"),
    ("x = 'a'", 'x = u"a"'),
    ("0x10", "16"),
    ("if a:\n    b\nelif c:\n    d", "if a:\n    b\nelse:\n    if c:\n        d"),
]
#: Pairs that are not.
OTHER = [
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 1", "x: int = 1"),
    ("x = 'a'", "x = b'a'"),
    ("f(a, b)", "f(b, a)"),
    ("f(a)", "f(*a)"),
    ("f(a)", "f(a=a)"),
    ("a < b < c", "(a < b) < c"),
    ("a - (b - c)", "a - b - c"),
    ("for a in b: c\nelse: d", "for a in b: c\nd"),
    ("return_ = a", "return_ += a"),
    ("def f(a): return a", "def f(*a): return a"),
    ("def f(a, b=1): return a", "def f(a=1, b=1): return a"),
    ("def f(a, *, b): return a", "def f(a, b): return a"),
    ("async def f(): pass", "def f(): pass"),
    ("from a import b", "from .a import b"),
    ("import a as b", "import a"),
    ("f'{a}'", "f'{a!r}'"),
    ("x = [a for a in b]", "x = (a for a in b)"),
    ("x = a[1]", "x = a[1:]"),
    ("try: a\nexcept b: c", "try: a\nexcept* b: c"),
    ("global a", "nonlocal_ = a"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_one_program_has_one_text(one: str, two: str) -> None:
    assert canon(one) == canon(two)


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_other_programs_have_other_texts(one: str, two: str) -> None:
    assert canon(one) != canon(two)


def test_spans_hold_the_nodes_own_texts() -> None:
    tree = ast.parse("def f(a, *, b=1):\n    return [a[b:], {a: b}, f'{a}']\n")
    whole = Canon(tree)
    for node, (start, end) in whole.spans.items():
        assert whole.text[start:end] == Canon(node).text
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    begin = whole.blocks[function, "body"]
    assert whole.text[begin:].startswith("Return(")


def test_canons_are_made_when_they_are_asked_for() -> None:
    nodes = ast.parse("a\nb\n").body
    canons = Canons(nodes)
    assert len(canons) == 2
    assert canons[1] is canons[1]
    assert [one.text for one in canons] == ["Expr(a;)", "Expr(b;)"]


def test_regions_are_outermost_functions_and_other_statements() -> None:
    text = "'Doc.'\nimport os\nclass A:\n    x = 1\n    def f(self):\n        def g(): pass\n"
    tree = ast.parse(text)
    assert [type(one).__name__ for one in regions(tree)] == ["Import", "Assign", "FunctionDef"]
    alone = ast.parse("x = 1\ny = 2\n")
    assert regions(alone) == [alone]


@given(st.data())
def test_a_number_tells_what_the_changed_text_is(data: st.DataObject) -> None:
    text = data.draw(st.text("abé", min_size=1, max_size=20))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    new = data.draw(st.text("abé", max_size=30))
    keys = Keys(text)
    changed = text[:start] + new + text[end:]
    value = int.from_bytes(changed.encode(), "big")
    assert keys.of(start, end, new) == value % PRIME
    assert keys.of(0, len(text), changed) == value % PRIME  # however the change is cut


def test_long_changes_have_numbers_too() -> None:
    keys, new = Keys("ab"), "c" * 2000
    assert keys.of(1, 1, new) == int.from_bytes(f"a{new}b".encode(), "big") % PRIME
    number, power = keys.digest(new)
    assert number == int.from_bytes(new.encode(), "big") % PRIME
    assert power == pow(256, 2000, PRIME)
