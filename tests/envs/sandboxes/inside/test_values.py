"""The codec: exact types there and back, and nothing else gets in."""

from __future__ import annotations

import json
import math
from collections import OrderedDict, namedtuple
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.inside.values import Named, Opaque, Unfit

hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
plain = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(hashable, max_size=4)
        | st.dictionaries(hashable, inner, max_size=4)
    ),
    max_leaves=12,
)


def through_json(value: Any) -> Any:
    return values.decode(values.parse(json.dumps(values.encode(value))))


def identical(a: Any, b: Any) -> bool:
    """Equal, of the same types all the way down, and NaN is NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and repr(a) == repr(b))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return identical(list(a.items()), list(b.items()))
    if isinstance(a, set | frozenset):
        return values.show(a, 10_000) == values.show(b, 10_000)
    return bool(a == b)


@given(plain)
@settings(max_examples=200, deadline=None)
def test_any_plain_value_survives_with_its_exact_type(value: Any) -> None:
    assert identical(through_json(value), value)


@pytest.mark.parametrize("value", [1, True, 1.0, "1", (1,), [1], {1}, frozenset({1}), {1: 1}, b"1"])
def test_values_that_look_alike_stay_apart(value: Any) -> None:
    assert identical(through_json([value]), [value])


def test_integers_of_any_size() -> None:
    for number in (2**63 - 1, 2**63, -(2**63), 10**5000, -(10**5000)):
        assert through_json(number) == number


def test_equal_sets_encode_alike() -> None:
    words = [f"word{i}" for i in range(50)]
    assert values.encode(set(words)) == values.encode(set(reversed(words)))


class EqualsAll:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__


class Subclassed(int):
    pass


Point = namedtuple("Point", "x y")
Colour = IntEnum("Colour", "RED")


@pytest.mark.parametrize(
    "value", [EqualsAll(), Subclassed(3), Point(1, 2), Colour.RED, OrderedDict(), len, ...]
)
def test_what_is_not_plain_is_opaque_and_equals_nothing(value: Any) -> None:
    seen = through_json(value)
    assert type(seen) is Opaque
    assert seen != value
    assert not seen == seen  # noqa: SIM201
    assert through_json([value, 1])[1] == 1


def test_endless_and_oversized_values_are_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Unfit, match="deep"):
        values.encode(loop)
    with pytest.raises(Unfit, match="large"):
        values.encode([0] * 1000, budget=999)
    with pytest.raises(Unfit, match="large"):
        values.encode("x" * 1000, budget=999)
    with pytest.raises(Unfit, match="large"):
        values.encode(1 << 80_000, budget=9_999)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
        "[" * 100_000,
        "9" * 5000,
        '{"x": 1}',
        '{"t": 1}',
        '{"t": [], "s": []}',
        "{}",
        '{"s": [[1]]}',
        '{"d": [[1]]}',
        '{"d": [[[1], 2]]}',
        '{"d": {"a": 1}}',
        '{"i": "12z"}',
        '{"f": "1.0"}',
        '{"b": "abc"}',
        '{"i": 3}',
    ],
)
def test_text_that_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(Unfit):
        values.decode(values.parse(text))


def test_nesting_is_bounded() -> None:
    deep: Any = 1
    for _ in range(values.MAX_DEPTH + 2):
        deep = [deep]
    with pytest.raises(Unfit, match="deep"):
        values.decode(deep)


def test_classes_cross_by_name() -> None:
    assert through_json(int) == Named("builtins", "int")
    assert values.same(through_json(int), int)
    assert through_json([Colour]) == [Named(Colour.__module__, "Colour")]
    assert not values.same(through_json(int), float)
    assert through_json(Named("operator", "add")) == Named("operator", "add")
    assert {through_json(int)} == {Named("builtins", "int")}

    class Lies(type):
        __module__ = property(lambda cls: "builtins")  # type: ignore[assignment]
        __name__ = property(lambda cls: 1 / 0)  # type: ignore[assignment]

    class Liar(metaclass=Lies):
        pass

    assert through_json(Liar).module == __name__
    assert through_json(Liar()).name == "Liar"


def test_what_is_found_for_a_name_is_up_to_the_reader() -> None:
    encoded = values.encode([Named("a", "b"), {1: Named("a", "c")}])
    assert values.decode(encoded, find=lambda module, name: module + name) == ["ab", {1: "ac"}]


def test_a_nan_is_what_a_nan_asks_for() -> None:
    nan = float("nan")
    assert values.same([1, (nan, {"a": math.nan})], [1, (math.nan, {"a": nan})])
    assert values.same(nan, math.nan, 0.1)
    for value in (1.0, None, "nan", [nan], math.inf):
        assert not values.same(value, math.nan)
    assert not values.same(nan, 1.0)
    assert not values.same({"a": 1, "b": nan}, {"a": nan})


def test_same_is_pythons_equality() -> None:
    assert values.same(True, 1)
    assert values.same(1.0, 1)
    assert not values.same([1], (1,))
    assert not values.same(0.1 + 0.2, 0.3)


def test_same_with_a_tolerance() -> None:
    assert values.same(0.1 + 0.2, 0.3, 1e-9)
    assert not values.same(0.31, 0.3, 1e-9)
    assert values.same([(1.0, "a")], [(1.0 + 1e-12, "a")], 1e-9)
    assert not values.same([1.0], (1.0,), 1e-9)
    assert not values.same([1.0, 2.0], [1.0], 1e-9)
    assert values.same(math.inf, math.inf, 1e-9)
    assert not values.same(math.nan, 1.0, 1e-9)
    assert not values.same(10**400, 1.0, 1e-9)
    assert not values.same(Opaque("x"), 1.0, 1e9)


def test_show_is_short_and_the_same_every_time() -> None:
    assert values.show({"b", "a"}) == "{'a', 'b'}"
    assert values.show(frozenset()) == "frozenset()"
    assert values.show(set()) == "set()"
    assert values.show((1,)) == "(1,)"
    assert values.show({"k": [None, b"x"]}) == "{'k': [None, b'x']}"
    assert values.show("x" * 500).endswith("...")
    assert len(values.show(list(range(100_000)), 40)) == 40
    assert len(values.show(10**100_000, 40)) == 40
