"""Inputs drawn from examples: what the examples have in common holds, and there are many."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from hrmgym.experiments.inputs.shapes import drawn_inputs


def drawn(*examples: tuple[Any, ...], most: int = 300, seed: str = "a") -> list[tuple[Any, ...]]:
    return list(islice(drawn_inputs(examples, seed), most))


def test_draws_are_new_different_and_follow_from_the_seed() -> None:
    examples = [([3, 1, 2], 4), ([], 0), ([5, 5], 10)]
    found = drawn(*examples)
    assert len(found) == 300
    assert len({repr(one) for one in found}) == 300
    assert not {repr(one) for one in found} & {repr(one) for one in examples}
    assert found == drawn(*examples)
    assert found != drawn(*examples, seed="b")


def test_lists_in_order_stay_so() -> None:
    found = drawn(([1, 3, 5], 3), ([2, 2, 9], 1), ([4], 4))
    assert all(items == sorted(items) for items, _ in found)
    found = drawn(([5, 3, 1],), ([9, 2, 2],), ([4],))
    assert all(items == sorted(items, reverse=True) for (items,) in found)


def test_lists_without_order_do_not_get_one() -> None:
    found = drawn(([1, 3, 2],), ([2, 2, 9],))
    assert any(items != sorted(items) for (items,) in found)


def test_numbers_are_negative_only_where_examples_are() -> None:
    assert all(number >= 0 for (number,) in drawn((3,), (0,), (12,)))
    assert all(number >= 1 for (number,) in drawn((3,), (2,), (12,)))
    assert any(number < -3 for (number,) in drawn((3,), (-3,), (12,)))
    assert all(number >= 0 for (number,) in drawn((0.5,), (2.25,)))


def test_few_small_numbers_are_followed_by_larger_ones() -> None:
    found = [number for (number,) in drawn((1,), (2,), (5,))]
    assert len(found) >= 50
    assert max(found[:3]) <= 7  # two beyond the largest
    assert max(found) > 50


def test_rows_keep_one_length() -> None:
    found = drawn(([[1, 2], [3, 4]], 1), ([[1, 2, 3]], 2), ([[5], [6], [7]], 0))
    assert all(len({len(row) for row in grid}) <= 1 for grid, _ in found)
    assert {len(grid) for grid, _ in found} > {1, 2, 3}


def test_pairs_stay_pairs() -> None:
    pairs = [[["a", 1], ["b", 2], ["c", 3]], [["d", 4], ["a", 2], ["c", 9]]]
    for (items,) in drawn(*((one,) for one in pairs)):
        assert all(type(name) is str and type(number) is int for name, number in items)


def test_texts_keep_their_alphabet_and_signs_their_names() -> None:
    found = [text for (text,) in drawn(("(())",), (")(",), ("()",))]
    assert set("".join(found)) == {"(", ")"}
    found = drawn(([1, "+", 2],), ([3, "-", 4, "+", 5],))
    assert all({type(one) for one in items} <= {int, str} for (items,) in found)
    assert {one for (items,) in found for one in items if type(one) is str} == {"+", "-"}


@pytest.mark.parametrize(
    "examples",
    [
        [({"a": 1},), ({"b": 2, "c": 3},)],
        [({1, 2, 3},), (frozenset({4}),)],
        [((1, 2),), ((3, 4),), ((5, 6, 7),)],
        [(b"abc",), (b"x",)],
        [(True, None, "ab"), (False, 3, "cd")],
        [([1, [2, [3]]],), ([[], [[4]]],)],
        [(2**70, 5), (3, 2**65)],
        [("one",), ("one", 2), ("two", 3, [4])],
        [(float("inf"), 1.5), (2.0, -3.0)],
    ],
)
def test_every_kind_of_value_is_drawn(examples: list[tuple[Any, ...]]) -> None:
    found = drawn(*examples, most=60)
    assert len(found) >= 15
    kinds = {type(value) for one in examples for value in one}
    assert {type(value) for one in found for value in one} <= kinds


def test_without_examples_nothing_is_drawn() -> None:
    assert drawn() == []
    assert drawn(()) == []
    assert len(drawn((True,))) <= 1
