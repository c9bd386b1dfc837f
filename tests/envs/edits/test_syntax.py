"""What looks like a whole number, and what a function is called by."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.edits.source import Source
from hrmgym.envs.edits.syntax import called, counts, is_number, numeric_names

TEXT = """\
def f(a, b, items):
    n = len(items)
    for i in range(n):
        b -= 1
    for place, item in enumerate(items):
        if item < 3:
            break
    return items[low:high], half // a, name
"""


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(
    ("text", "whole"),
    [("1", True), ("-1", False), ("True", False), ("1.0", False), ("'1'", False), ("x", False)],
)
def test_numbers_written_out(text: str, whole: bool) -> None:
    assert is_number(expression(text)) is whole


def test_a_certain_number() -> None:
    assert is_number(expression("3"), 3)
    assert not is_number(expression("3"), 4)


@pytest.mark.parametrize(
    ("text", "name"), [("f(1)", "f"), ("a.f(1)", ""), ("f", ""), ("f(1)(2)", ""), ("len(x)", "len")]
)
def test_what_is_called_by_its_bare_name(text: str, name: str) -> None:
    assert called(expression(text)) == name


def test_names_that_are_counted_with() -> None:
    found = numeric_names(Source(TEXT))
    assert {"n", "i", "b", "place", "item", "low", "high", "half", "a"} <= found
    assert not {"items", "name", "f"} & found


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("n", True),
        ("name", False),
        ("name + n", True),
        ("name + items", False),
        ("name * items", True),
        ("items.index(name)", True),
        ("items.copy()", False),
        ("len(items)", True),
        ("sorted(items)", False),
        ("7", True),
        ("'7'", False),
    ],
)
def test_expressions_that_count(text: str, whole: bool) -> None:
    assert counts(Source(TEXT), expression(text)) is whole
