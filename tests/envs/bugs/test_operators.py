"""Every operator on a source made for it, and what holds for all mutations."""

from __future__ import annotations

import ast
from collections import Counter

import numpy as np
import pytest

from hrmgym.envs.benchmarks.katas import load_katas
from hrmgym.envs.bugs.operators import OPERATORS, WEIGHTS, mutations, sample_mutation
from hrmgym.envs.edits.edit import apply, inverse
from hrmgym.envs.edits.source import Source
from hrmgym.errors import DataError

# operator, body of `def f(a, b, n)`, bodies that it must make of it
MADE = [
    ("comparison", "return a <= b", {"return a < b", "return a >= b", "return a > b"}),
    ("comparison", "return a == b != n", {"return a != b != n", "return a == b == n"}),
    ("arithmetic", "return a // b", {"return a / b", "return a % b"}),
    ("arithmetic", "return a & b", {"return a | b", "return a ^ b"}),
    ("boolean", "return a and b or n", {"return a or b or n", "return a and b and n"}),
    ("negation", "return not (a)", {"return (a)"}),
    ("negation", "return a is not None", {"return a is None"}),
    ("negation", "if a in b:\n    n = a", {"if a not in b:\n    n = a"}),
    ("negation", "while n:\n    n = a", {"while not n:\n    n = a"}),
    ("clause", "return a and (b or n)", {"return (b or n)", "return a", "return a and (b)"}),
    ("condition", "while a < b:\n    a = n", {"while True:\n    a = n"}),
    ("condition", "return a if n else b", {"return b if n else a"}),
    ("operands", "return a - (b)", {"return (b) - a"}),
    ("operands", "return a[1:] + b", {"return b + a[1:]"}),
    ("operand-drop", "return a + (b * n)", {"return a", "return (b * n)", "return a + (b)"}),
    ("off-by-one", "return a[len(b)]", {"return a[len(b) - 1]", "return a[len(b) + 1]"}),
    ("off-by-one", "return a[n - 1]", {"return a[n]", "return a[n - 2]", "return a[n - 0]"}),
    ("off-by-one", "n += 1\nreturn n", {"n += 1\nreturn n + 1", "n += 1\nreturn n - 1"}),
    ("off-by-one", "return range(a)", {"return range(a + 1)", "return range(a - 1)"}),
    ("name", "return a.x(b)", {"return b.x(b)", "return n.x(b)", "return a.x(a)"}),
    ("name", "c = a\nreturn c", {"b = a\nreturn c", "c = b\nreturn c", "c = a\nreturn n"}),
    ("attribute", "return a.x + a.y", {"return a.y + a.y", "return a.x + a.x"}),
    ("constant", "return [0, True]", {"return [1, True]", "return [-1, True]"}),
    ("constant", "return -1", {"return 1", "return 0"}),
    ("constant", "return []", {"return [[]]"}),
    ("constant", 'return a("x", "y")', {'return a("", "y")', 'return a("y", "y")'}),
    ("arguments", "return a(b, n + 1)", {"return a(n + 1, b)"}),
    ("elements", "a, b = b, n", {"b, a = b, n", "a, b = n, b"}),
    ("elements", "return n[a][b]", {"return n[b][a]"}),
    ("method", "return max(a.lower())", {"return min(a.lower())", "return max(a.upper())"}),
    ("method", "a.append(b)", {"a.extend(b)", "a.add(b)"}),
    ("unwrap", "return max(a, len(b))", {"return a", "return len(b)", "return max(a, b)"}),
    ("unwrap", "return a.strip()", {"return a"}),
    ("wrap", "return a", {"return f(a)", "return len(a)", "return sorted(a)"}),
    ("index", "return a[0]", {"return a[-1]", "return a[1]", "return a"}),
    ("index", "return a[b:]", {"return a[:]", "return a"}),
    ("index", "return a[:b]", {"return a[1:b]", "return a[:]"}),
    ("range", "return range(1, n)", {"return range(n)"}),
    ("range", "return range(n)", {"return range(1, n)"}),
    ("range", "return range(a, b, 2)", {"return range(a, b)", "return range(a, b, -2)"}),
    ("range", "return enumerate(a, 1)", {"return enumerate(a)"}),
    ("result", "if a:\n    return []\nreturn b", {"if a:\n    return b\nreturn b"}),
    ("result", "return a", {"return b", "return None", "return [a]"}),
    ("drop-statement", "a = n\nreturn a", {"return a", "a = n\n"}),
    ("drop-statement", "for a in b:\n    n = a", {"for a in b:\n    pass", "pass"}),
    ("drop-condition", "if a:\n    b = n\nreturn b", {"b = n\nreturn b"}),
    ("swap-statements", "a = n\nb = a", {"b = a\na = n"}),
    ("double-statement", "a.append(b)\nreturn a", {"a.append(b)\na.append(b)\nreturn a"}),
    ("indent", "for n in a:\n    b = n\n    a = b", {"for n in a:\n    b = n\na = b"}),
    ("indent", "for n in a:\n    b = n\nreturn b", {"for n in a:\n    b = n\n    return b"}),
    ("branch", "if a:\n    n = a\nelse:\n    n = b", {"if a:\n    n = a\n"}),
    (
        "branch",
        "if a:\n    n = a\nelif b:\n    n = b",
        {"if a:\n    n = a\nif b:\n    n = b", "if a:\n    n = a\nelse:\n    n = b"},
    ),
    ("jump", "for n in a:\n    break", {"for n in a:\n    continue", "for n in a:\n    pass"}),
    ("augmented", "n += a", {"n -= a", "n = a"}),
    ("augmented", "n = 0\nn = n + a", {"n += 0\nn = n + a", "n = 0\nn += n + a"}),
]


def function(body: str) -> str:
    return "def f(a, b, n):\n" + "".join(f"    {line}\n" for line in body.split("\n") if line)


@pytest.mark.parametrize(("operator", "body", "made"), MADE)
def test_operator_makes(operator: str, body: str, made: set[str]) -> None:
    text = function(body)
    found = {apply(text, edit) for edit, _ in OPERATORS[operator](Source(text))}
    assert {function(b) for b in made} <= found
    assert text not in found


def test_every_operator_is_tested_and_weighted() -> None:
    assert {operator for operator, _, _ in MADE} == set(OPERATORS) == set(WEIGHTS)
    assert len(OPERATORS) >= 14
    assert min(WEIGHTS.values()) > 0


@pytest.mark.parametrize(
    ("operator", "body"),
    [
        ("arithmetic", 'return "%d" % n'),  # formatting is no arithmetic
        ("negation", "if not a:\n    n = b"),  # not twice
        ("operands", "return a + b"),  # commutes, as far as one can see
        ("name", "return zip(print)"),  # a function is no variable
        ("swap-statements", "c = a\nd = b"),  # order does not matter
        ("indent", "if a: b = n\nreturn b"),  # no block of its own lines
        ("constant", 'return f"{1}"'),  # insides of f-strings are left alone
    ],
)
def test_operator_leaves_alone(operator: str, body: str) -> None:
    text = function(body)
    assert [edit for edit, _ in OPERATORS[operator](Source(text)) if edit.text] == []


def test_all_mutations_compile_differ_and_invert() -> None:
    for kata in load_katas()[::6]:
        original = ast.dump(ast.parse(kata.code))
        found = mutations(kata.code)
        texts = [apply(kata.code, mutation.edit) for mutation in found]
        assert len(set(texts)) == len(texts) > 50
        for mutation, text in zip(found, texts, strict=True):
            compile(text, mutation.note, "exec")
            assert ast.dump(ast.parse(text)) != original
            assert apply(text, inverse(kata.code, mutation.edit)) == kata.code
        assert mutations(kata.code) == found


def test_what_does_not_compile_or_warns_is_left_out() -> None:
    text = "def f(a):\n    for b in a:\n        b = 1\n        break\n    return a[0]\n"
    moved = text.replace("        break", "    break")  # `break` outside the loop
    sites = {apply(text, edit) for edit, _ in OPERATORS["indent"](Source(text))}
    assert moved in sites
    assert moved not in {apply(text, m.edit) for m in mutations(text)}
    warns = "def f(a):\n    return a is not None and a[0:1](2)\n"
    assert all("2(2)" not in apply(warns, m.edit) for m in mutations(warns))


def test_sampling_is_seeded_and_varied() -> None:
    code = {kata.name: kata.code for kata in load_katas()}["first_free_slot"]
    drawn = [sample_mutation(code, np.random.default_rng(seed)) for seed in range(60)]
    again = [sample_mutation(code, np.random.default_rng(seed)) for seed in range(60)]
    assert drawn == again
    assert len(Counter(m.operator for m in drawn if m)) >= 10
    listed = {apply(code, m.edit) for m in mutations(code)}
    assert {apply(code, m.edit) for m in drawn if m} <= listed


def test_nothing_to_sample() -> None:
    assert sample_mutation("def f():\n    pass\n", np.random.default_rng(0)) is None
    assert mutations("import os\n") == []
    with pytest.raises(DataError, match="not Python source"):
        mutations("def f(:\n")


def test_non_ascii_source_is_edited_at_the_right_place() -> None:
    text = 'def f(größe):\n    """Größe, 日本."""\n    x = "ÄÖ\U0001f600"; return größe < 3  # é\n'
    made = {apply(text, m.edit) for m in mutations(text) if m.operator == "comparison"}
    assert text.replace("<", "<=") in made
