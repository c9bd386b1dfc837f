"""Inputs drawn from examples: each is an example with a few small changes.

What all examples of an argument have in common holds for what is drawn, too, for it may be what
the function relies on: numbers that are never negative, lists that are always in order, rows of one
length, characters of one alphabet. Sizes stay near those of the examples, of which the shorter ones
come more often; only where there are no more such inputs, numbers grow.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

from hrmgym.envs.sandboxes.inside import values

_Text = TypeVar("_Text", str, bytes)

_MOST_CHANGES = 3
_TIRED = 200  # draws in a row that bring nothing new: there is not much more
_REACHES = (1, 4, 16, 64, 256)
_CROSSED = 0.2
_TAKEN = 0.25
_SAID_OFTEN = 6
"""So many examples must have something in common that a single one could break by chance."""


class Shape:
    """What the values at one place have in common, and how others like them are drawn.

    Args:
        examples: The values, at least one.
        reach: How far from the examples whole numbers may lie, 1 or more.
    """

    def __init__(self, examples: Sequence[Any], reach: int = 1) -> None:
        self._examples, self._reach = tuple(examples), reach

    def _of(self, *kinds: type) -> list[Any]:
        return [one for one in self._examples if type(one) in kinds]

    def draw(self, rng: random.Random) -> Any:
        """A value like the examples."""
        return self.changed(rng.choice(self._examples), rng)

    def changed(self, value: Any, rng: random.Random, *, keep_length: bool = False) -> Any:
        """A value like the examples that differs a little from one of them, if it can.

        Args:
            value: One of the examples, or drawn before.
            rng: Where chance comes from.
            keep_length: Whether a list stays as long as it is.
        """
        kind = type(value)
        alike = self._examples if kind is type(None) else self._of(kind)
        if kind is bool:
            return not value
        if kind not in (list, tuple) and rng.random() < _TAKEN:
            return rng.choice(alike or self._examples)
        if kind is int:
            return self._number(value, rng)
        if kind is float:
            return self._real(value, rng)
        if kind is str:
            return self._text(value, "", self._characters, rng)
        if kind is bytes:
            return self._text(value, b"", self._bytes, rng)
        if kind in (list, tuple):
            return kind(self._items(list(value), rng, keep_length))
        if kind in (set, frozenset):
            ordered = sorted(value, key=repr)  # the same draw whatever the order of the set
            return kind(self._resized(ordered, self._members, rng))
        if kind is dict:
            return self._mapping(value, rng)
        return rng.choice(self._examples)  # None, a class: only what is known to fit

    # --- numbers ---------------------------------------------------------------------------------

    @cached_property
    def _range(self) -> tuple[int, int]:
        found = self._of(int) or [0]
        low, high = min(found), max(found)
        # Zero and one are borders that functions know; negative numbers are not tried unasked.
        return min(low, 1) if low >= 0 else low - self._margin(low), high + self._margin(high)

    def _margin(self, border: int) -> int:
        return self._reach * max(2, abs(border) // 10)

    def _number(self, value: int, rng: random.Random) -> int:
        low, high = self._range
        near = rng.choice((value - 1, value + 1, value + rng.randint(-5, 5), value // 2, 2 * value))
        return near if low <= near <= high and near != value else rng.randint(low, high)

    def _real(self, value: float, rng: random.Random) -> float:
        found = [one for one in self._of(float) if one - one == 0] or [0.0, 1.0]
        low, high = min(found), max(found)
        whole = all(one.is_integer() for one in found)
        near = rng.choice((value + 1, value - 1, value * 2, value / 2, rng.uniform(low, high)))
        near = float(round(near, 0 if whole else 3)) if near - near == 0 else near
        return near if (near >= 0 or low < 0) and (near != 0 or low <= 0) else value

    # --- texts -----------------------------------------------------------------------------------

    @cached_property
    def _characters(self) -> list[str]:
        return sorted({char for one in self._of(str) for char in one})

    @cached_property
    def _bytes(self) -> list[bytes]:
        return [bytes([one]) for one in sorted({char for text in self._of(bytes) for char in text})]

    def _text(
        self, value: _Text, empty: _Text, alphabet: Sequence[_Text], rng: random.Random
    ) -> _Text:
        known: list[_Text] = self._of(type(value))
        longest = max(map(len, known), default=0)
        if longest <= 1:  # signs and flags, which a function knows by name
            return rng.choice(known or [value])
        at, to = sorted((rng.randint(0, len(value)), rng.randint(0, len(value))))
        new, other = rng.choice(alphabet), rng.choice(known)
        made = rng.choice(
            (
                value[:at] + new + value[at:],
                value[:at] + new + value[at + 1 :],
                value[:at] + value[at + 1 :],
                value[:at] + value[to:],
                value[at:to],
                value[:to] + value[at:],
                value[:at] + other[at:],
                empty.join(rng.sample([value[i : i + 1] for i in range(len(value))], len(value))),
            )
        )
        shortest = min(map(len, known), default=0)
        return made if min(shortest, 1) <= len(made) <= longest + 2 else value

    # --- many values -----------------------------------------------------------------------------

    @cached_property
    def _lists(self) -> list[Any]:
        return self._of(list, tuple)

    @cached_property
    def _places(self) -> tuple[Shape, ...] | None:
        """A shape for each place, where all are of one length and none is a list of alike."""
        lengths = {len(one) for one in self._lists}
        if len(lengths) != 1 or len(self._lists) < _SAID_OFTEN:
            return None
        return tuple(Shape(column, self._reach) for column in zip(*self._lists, strict=True))

    @cached_property
    def _item(self) -> Shape | None:
        found = [item for one in self._lists for item in one]
        return Shape(found, self._reach) if found else None

    @cached_property
    def _members(self) -> Shape | None:
        found = [item for one in self._of(set, frozenset) for item in sorted(one, key=repr)]
        return Shape(found, self._reach) if found else None

    @cached_property
    def _ordered(self) -> Callable[[list[Any]], list[Any]] | None:
        """What puts the items in the order that all examples have; None: they have none."""
        lists = [list(one) for one in self._lists if len(one) > 1]
        if len(lists) > 1 and any(len(one) > 2 for one in lists):
            for way in (sorted, lambda items: sorted(items, reverse=True)):
                try:
                    if all(way(one) == one for one in lists):
                        return way
                except TypeError:
                    pass
        return None

    @cached_property
    def _distinct(self) -> bool:
        lists = [one for one in self._lists if len(one) > 2]
        return len(lists) >= _SAID_OFTEN and all(_distinct(one) == list(one) for one in lists)

    @cached_property
    def _rectangular(self) -> bool:
        """Whether these are lists of rows of one length."""
        filled = [one for one in self._lists if one]
        return bool(filled) and all(
            all(type(row) is list for row in one) and len({len(row) for row in one}) == 1
            for one in filled
        )

    def _items(self, items: list[Any], rng: random.Random, keep_length: bool) -> list[Any]:
        places = self._places
        if places is not None and len(places) == len(items):
            if items:
                at = rng.randrange(len(items))
                items[at] = places[at].changed(items[at], rng)
            return items
        if keep_length or (items and rng.random() < 0.4):
            if items and self._item is not None:
                at = rng.randrange(len(items))
                items[at] = self._item.changed(items[at], rng, keep_length=self._rectangular)
        elif self._rectangular:
            at = rng.randint(0, len(items))
            items = items[:at] + (items[at:] if rng.random() < 0.5 else items[at + 1 :])
            items = [*items, list(rng.choice(items))] if items and rng.random() < 0.5 else items
        else:
            items = self._resized(items, self._item, rng)
        if self._distinct and not keep_length:
            items = _distinct(items)
        if self._ordered is not None:
            with suppress(TypeError):
                items = self._ordered(items)
        lengths = [len(one) for one in self._lists] or [0]
        if min(min(lengths), 1) <= len(items) <= max(lengths) + 2 or keep_length:
            return items
        return list(rng.choice(self._lists))

    def _resized(self, items: list[Any], item: Shape | None, rng: random.Random) -> list[Any]:
        at, to = sorted((rng.randint(0, len(items)), rng.randint(0, len(items))))
        new = [] if item is None else [item.draw(rng)]
        return rng.choice(
            (
                items[:at] + new + items[at:],
                items[:at] + items[at + 1 :],
                items[:at] + items[to:],
                items[at:to],
                items[:to] + items[at:to],
                items[:at] + items[at:to][::-1] + items[to:],
                rng.sample(items, len(items)),
            )
        )

    def _mapping(self, value: dict[Any, Any], rng: random.Random) -> dict[Any, Any]:
        pairs = [pair for one in self._of(dict) for pair in one.items()]
        made = dict(value)
        keys = list(made)
        what = rng.random()
        if not pairs:
            return made
        if keys and what < 0.5:
            key = rng.choice(keys)
            made[key] = Shape([item for _, item in pairs], self._reach).changed(made[key], rng)
        elif keys and what < 0.7:
            del made[rng.choice(keys)]
        else:
            key = Shape([key for key, _ in pairs], self._reach).draw(rng)
            made[key] = rng.choice(pairs)[1]
        return made


def _distinct(items: Sequence[Any]) -> list[Any]:
    return list({repr(one): one for one in items}.values())


def drawn_inputs(examples: Sequence[tuple[Any, ...]], seed: str) -> Iterator[tuple[Any, ...]]:
    """Arguments like those of the examples, none twice and none of the examples.

    Args:
        examples: Argument lists that the function takes.
        seed: All that the draws depend on, beside the examples.

    Yields:
        Argument lists; no more once hardly any new one is found.
    """
    if not examples or not any(examples):
        return
    rng = random.Random(seed)
    columns = [
        [one[at] for one in examples if at < len(one)] for at in range(max(map(len, examples)))
    ]
    seen = {_told(one) for one in examples}
    for reach in _REACHES:
        yield from _drawn(examples, [Shape(one, reach) for one in columns], seen, rng)


def _drawn(
    examples: Sequence[tuple[Any, ...]],
    shapes: Sequence[Shape],
    seen: set[str],
    rng: random.Random,
) -> Iterator[tuple[Any, ...]]:
    """New argument lists, until they become rare; `seen` keeps them."""
    tired = 0
    while tired < _TIRED:
        made = list(min(rng.choices(examples, k=2), key=lambda one: len(repr(one))))
        for _ in range(rng.randint(1, _MOST_CHANGES) if made else 0):
            at = rng.randrange(len(made))
            if rng.random() < _CROSSED:
                made[at] = rng.choice([one[at] for one in examples if at < len(one)])
            else:
                made[at] = shapes[at].changed(made[at], rng)
        told = _told(made)
        tired += 1
        if told not in seen:
            seen.add(told)
            tired = 0
            yield tuple(made)


def _told(arguments: Sequence[Any]) -> str:
    return repr([values.encode(one) for one in arguments])
