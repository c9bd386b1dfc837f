"""Pairs of edits: disjoint, in the order of their ranks, as lazily as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

import pytest

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.envs.edits.pairs import apply_pair, disjoint, pairs


def edits(count: int) -> list[LegalEdit]:
    return [LegalEdit(str(i), "kind", Edit(3 * i, 3 * i + 1, "x")) for i in range(count)]


@pytest.mark.parametrize("count", range(7))
def test_all_pairs_come_once_by_the_sum_of_their_ranks(count: int) -> None:
    found = [(int(one.id), int(two.id)) for one, two in pairs(edits(count))]
    assert sorted(found) == list(combinations(range(count), 2))
    assert found == sorted(found, key=lambda pair: (sum(pair), pair))


def test_edits_are_asked_for_as_they_are_needed() -> None:
    asked = []

    def ranked() -> Iterator[LegalEdit]:
        for one in edits(1000):
            asked.append(one)
            yield one

    assert len(list(islice(pairs(ranked()), 6))) == 6
    assert len(asked) < 8


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (Edit(0, 1, "a"), Edit(1, 2, "b"), True),
        (Edit(0, 2, "a"), Edit(1, 3, "b"), False),
        (Edit(0, 3, "a"), Edit(1, 2, "b"), False),
        (Edit(1, 1, "a"), Edit(1, 1, "b"), False),
        (Edit(0, 1, "a"), Edit(1, 1, "b"), True),
        (Edit(1, 1, "a"), Edit(1, 2, "b"), False),
    ],
)
def test_disjoint(one: Edit, two: Edit, expected: bool) -> None:
    assert disjoint(one, two) is expected
    assert disjoint(two, one) is expected


def test_a_pair_is_applied_in_either_order() -> None:
    one, two = Edit(0, 1, "abc"), Edit(4, 5, "")
    assert apply_pair("x + y", one, two) == apply_pair("x + y", two, one) == "abc + "
    with pytest.raises(ValueError, match="disjoint"):
        apply_pair("x", Edit(0, 1, "a"), Edit(0, 1, "b"))


def test_pairs_of_legal_edits_are_programs() -> None:
    text = "def f(a, b):\n    c = a + b\n    return c * 2\n"
    for one, two in islice(pairs(legal_edits(text).lean()), 0, 3000, 7):
        compile(apply_pair(text, one.edit, two.edit), "<pair>", "exec", dont_inherit=True)
