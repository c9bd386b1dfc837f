"""Blocks from Python: what is wrong with one, and what functions that take their keys show."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field

from hrmgym.config import Block, Count, Fraction, read_block, show, takes_keys_of, written
from hrmgym.errors import ConfigError, UnknownNameError


class Inner(Block):
    mode: Literal["slow", "fast"] = "slow"
    """How."""


class Outer(Block):
    count: Count = 2
    """How many of them
    there are."""
    share: Fraction | None = None
    """How much."""
    names: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("a",)
    """Which."""
    inner: Inner = Inner()
    """More."""
    own: bool = False
    """An argument of its own below."""


@pytest.mark.parametrize(
    ("keys", "kind", "text"),
    [
        ({"cuont": 1}, ConfigError, "f: cuont: unknown key; did you mean 'count'?"),
        (
            {"cuont": 1, "count": 0},
            ConfigError,
            "f: cuont: unknown key; did you mean 'count'?",
        ),
        ({"count": 0}, ConfigError, "f: count: should be greater than or equal to 1, not 0"),
        ({"count": True}, ConfigError, "f: count: should be a valid integer, not true"),
        ({"count": "1"}, ConfigError, "f: count: should be a valid integer, not '1'"),
        ({"share": 1.5}, ConfigError, "f: share: should be less than or equal to 1, not 1.5"),
        ({"names": []}, ConfigError, "f: names: should have at least 1 item, not []"),
        ({"names": 3}, ConfigError, "f: names: should be a list, not 3"),
        ({"inner": 3}, ConfigError, "f: inner: should be keys and values, not 3"),
        (
            {"inner": {"mode": "fats"}},
            UnknownNameError,
            "f: unknown inner.mode 'fats'; did you mean 'fast'?",
        ),
        (
            {"inner": {"mod": "fast"}},
            ConfigError,
            "f: inner.mod: unknown key; did you mean 'mode'?",
        ),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest(
    keys: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as error:
        read_block(Outer, keys, "f")
    assert str(error.value) == text


def test_numbers_of_numpy_are_taken_for_what_they_hold() -> None:
    made = read_block(Outer, {"count": np.int64(3), "share": np.float32(0.5)}, "f")
    assert (made.count, made.share) == (3, 0.5)
    with pytest.raises(ConfigError, match=r"count: should be a valid integer, not 2\.5"):
        read_block(Outer, {"count": np.float64(2.5)}, "f")


def test_values_are_shown_in_a_readable_length() -> None:
    assert show("a" * 100) == "'" + "a" * 56 + "..."
    assert show(10**5000) == "a number of 16610 bits"
    assert show(["\ud800"]) == r'["\ud800"]'
    assert show(object()).startswith('"<object')


def test_a_function_shows_the_keys_that_it_takes() -> None:
    @takes_keys_of(Outer)
    def made(first: int, *, own: int = 3, **options: Any) -> Outer:
        """Makes one.

        Args:
            first: Not a key.
            own: Of its own.
            **options: Keys of `Outer`:

        Raises:
            ConfigError: at times.
        """
        return read_block(Outer, options, "made")

    parameters = inspect.signature(made).parameters
    assert list(parameters) == ["first", "own", "count", "share", "names", "inner"]
    assert parameters["count"].default == 2
    assert parameters["own"].default == 3
    assert str(parameters["share"]) == "share: 'Fraction | None' = None"
    assert all(one.kind is one.KEYWORD_ONLY for one in list(parameters.values())[1:])
    doc = inspect.getdoc(made) or ""
    assert "    **options: Keys of `Outer`:\n        count: How many of them there are." in doc
    assert doc.index("inner: More.") < doc.index("Raises:")
    assert made(1, count=5).count == 5
    with pytest.raises(ConfigError, match="did you mean 'count'"):
        made(1, cont=5)


def test_types_are_shown_as_they_are_written_in_whatever_class() -> None:
    class More(Outer):
        further: int = 1

    assert written(More, "count") == "Count"
    assert written(More, "further") == "int"
