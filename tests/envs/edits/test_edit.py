"""Edits: application, exact inverse, trimming."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.edits.edit import Edit, apply, inverse, trim


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, Edit]:
    source = draw(st.text(alphabet="ab +<=\n\"'\\é\U0001f600_1", max_size=30))
    start = draw(st.integers(0, len(source)))
    end = draw(st.integers(start, len(source)))
    return source, Edit(start, end, draw(st.text(alphabet="ab +<=\n\"'é", max_size=12)))


@given(edited())
def test_inverse_is_exact(case: tuple[str, Edit]) -> None:
    source, edit = case
    mutated = apply(source, edit)
    back = inverse(source, edit)
    assert apply(mutated, back) == source
    assert inverse(mutated, back) == edit


@given(edited())
def test_trim_keeps_the_change_and_never_grows(case: tuple[str, Edit]) -> None:
    source, edit = case
    less = trim(source, edit)
    assert apply(source, less) == apply(source, edit)
    assert edit.start <= less.start
    assert less.end <= edit.end
    assert len(less.text) <= len(edit.text)


@pytest.mark.parametrize(
    ("source", "new", "expected"),
    [
        ("if i < n:", "if i <= n:", Edit(5, 6, "<=")),  # an operator is one lexeme
        ("total = count", "total = counts", Edit(8, 13, "counts")),  # and so is a name
        ("f(a, b, c)", "f(b, a, c)", Edit(2, 6, "b, a")),
        ("x = 'ab cd'", "x = 'ab ce'", Edit(4, 11, "'ab ce'")),
        ("aa", "aa", Edit(2, 2, "")),
    ],
)
def test_trim_stops_at_lexemes(source: str, new: str, expected: Edit) -> None:
    assert trim(source, Edit(0, len(source), new)) == expected


@pytest.mark.parametrize("edit", [Edit(-1, 0, ""), Edit(2, 1, ""), Edit(0, 4, "x")])
def test_spans_outside_are_refused(edit: Edit) -> None:
    for function in (apply, inverse, trim):
        with pytest.raises(IndexError, match="outside a text of 3"):
            function("abc", edit)
