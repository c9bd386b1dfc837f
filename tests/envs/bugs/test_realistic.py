"""The operators that cover what real edits undo: what each makes, and that it can be undone."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.bugs.operators import OPERATORS, is_bug
from hrmgym.envs.bugs.realistic import REALISTIC
from hrmgym.envs.bugs.sites import note_of
from hrmgym.envs.edits.edit import apply, inverse
from hrmgym.envs.edits.names import alike, common, words_in
from hrmgym.envs.edits.source import Source
from hrmgym.trainers.data.real_edits import real_edits

MADE: list[tuple[str, str, set[str]]] = [
    ("argument-drop", "a(b, n)", {"a(n)", "a(b)"}),
    ("argument-drop", "a(b, k=n, **b)", {"a(k=n, **b)", "a(b, **b)", "a(b, k=n)"}),
    ("argument-drop", "a(b)", {"a()"}),
    ("element-drop", "return [a, b, n]", {"return [b, n]", "return [a, n]", "return [a, b]"}),
    ("element-drop", "return {1: a, 2: b}", {"return {2: b}", "return {1: a}"}),
    ("element-drop", "except_(a)\nreturn (a, b)", {"except_(a)\nreturn a", "except_(a)\nreturn b"}),
    ("shrink", "return a.b(n)", {"return a", "return a.b", "return n", "return b(n)"}),
    ("shrink", "return a[b]", {"return a"}),
    ("shrink", "return a is not None", {"return a", "return None"}),
    ("shrink", "return a if b else n", {"return a", "return n"}),
    ("shrink", "return [x for x in a if x]", {"return [x for x in a]"}),
    ("use-drop", "a = b(n)\nreturn b(a)", {"b(n)\nreturn b(a)", "a = b(n)\nb(a)"}),
    ("lines-drop", "a = n\nb = n\nreturn n", {"return n", "a = n\n", "b = n\nreturn n"}),
    ("frame-drop", "with a:\n    b(n)", {"b(n)"}),
    ("frame-drop", "try:\n    b(n)\nexcept a:\n    b = n", {"b(n)"}),
    ("frame-drop", "if a:\n    b(n)\n    a(n)", {"b(n)\na(n)"}),
    ("argument-add", "a(b)", {"a(n, b)", "a(b, None)", "a(b, n)"}),
    ("argument-add", "a()\nb(n, k=1)", {"a(n)\nb(n, k=1)"}),
    ("element-add", "return a, b", {"return n, a, b", "return a, b, _"}),
    ("call-add", "return a", {"return list(a)", "return a.keys()", "return a()"}),
    ("fallback-add", "return a", {"return a or []"}),
    ("fallback-add", "if a:\n    b()", {"if a is not None:\n    b()", "if a and n:\n    b()"}),
    ("prefix-add", "return a(b.c)", {"return a(self.b.c)", "return self.a(b.c)"}),
    ("line-add", "a(n)\nreturn b", {"a(n)\na(n)\nreturn b", "b = a(n)\nreturn b"}),
    ("line-add", "a = n\nreturn b", {"a = None\na = n\nreturn b", "a = n\nreturn None\nreturn b"}),
    ("similar-name", "a.get_items()", {"a._get_items()", "a.items()"}),
    ("nearby-name", "a.b(n)", {"a.n(n)", "n.b(n)", "self.b(n)"}),
    ("common-name", "a.b(n)", {"a.append(n)", "list.b(n)"}),
    ("value", "return a(True)", {"return a(None)", "return a(False)", "return a(0)"}),
    ("value", "return a('X-b')", {"return a('x-b')", "return a('X_b')", "return a(b'X-b')"}),
    ("exception", "raise KeyError(a)", {"raise ValueError(a)", "raise Exception(a)"}),
    ("idiom", "if a is None:\n    b()", {"if not a:\n    b()", "if a == None:\n    b()"}),
    ("idiom", "return a.get(b)", {"return a[b]"}),
    ("idiom", "return a[b]", {"return a.get(b)"}),
    ("expression", "a(n + 1)\nreturn b", {"a(b)\nreturn b", "a(n + 1)\nreturn n + 1"}),
]


def function(body: str, parameters: str = "a, b, n") -> str:
    lines = "".join(f"    {line}\n" for line in body.split("\n") if line)
    return f"def f({parameters}):\n{lines}"


@pytest.mark.parametrize(("operator", "body", "made"), MADE)
def test_operator_makes(operator: str, body: str, made: set[str]) -> None:
    text = function(body)
    found = {apply(text, site.edit) for site in REALISTIC[operator](Source(text))}
    assert {function(one) for one in made} <= found


def test_parameters() -> None:
    text = function("return a", "a, *, b=1, n=2")
    found = {apply(text, site.edit) for site in REALISTIC["parameter-drop"](Source(text))}
    assert {"def f(a, *, n=2):", "def f(a, *, b=1):", "def f(a, *, b, n=2):"} <= {
        one.split("\n")[0] for one in found
    }


def test_every_operator_is_tested() -> None:
    tested = {operator for operator, _, _ in MADE} | {"parameter-drop"}
    assert tested == set(REALISTIC) - set(OPERATORS)


@pytest.mark.parametrize("operator", sorted(set(REALISTIC) - set(OPERATORS)))
def test_sites_of_real_code_lie_inside_it_and_can_be_undone(operator: str) -> None:
    bugs = 0
    for edit in real_edits("train")[::60]:
        source = Source(edit.after)
        sites = list(REALISTIC[operator](source))
        for site in sites[:: max(1, len(sites) // 12)]:
            made = apply(source.text, site.edit)
            assert apply(made, inverse(source.text, site.edit)) == source.text
            assert note_of(site).strip()
            if is_bug(source, made):
                bugs += 1
                assert ast.dump(ast.parse(made)) != source.dump
    assert bugs > 0


def test_names_that_share_a_word() -> None:
    assert words_in("removeAllFiles") == words_in("remove_all_file") == {"remove", "all", "file"}
    assert words_in("_") == {"_"}
    for other in alike("get_items", "attribute"):
        assert words_in(other) & {"get", "item"}
        assert other != "get_items"
    assert "append" in common("attribute", 100)
    assert len(common("name", 10)) == 10
