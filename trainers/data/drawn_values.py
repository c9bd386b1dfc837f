"""Plain Python values by chance, of kinds that functions are called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_WORDS = ("", "a", "abc", "Hello", "b c", "x=1", "12", "a,b,c", "/tmp/x.py", "-3", "one two", "Zz")
_NUMBERS = (0, 1, 2, 3, 5, 7, 10, 12, -1, -4, 100)


def _word(rng: np.random.Generator) -> str:
    return _WORDS[int(rng.integers(len(_WORDS)))]


def _number(rng: np.random.Generator) -> int:
    return _NUMBERS[int(rng.integers(len(_NUMBERS)))]


def _words(rng: np.random.Generator) -> list[str]:
    return [_word(rng) for _ in range(int(rng.integers(5)))]


def _numbers(rng: np.random.Generator) -> list[int]:
    return [_number(rng) for _ in range(int(rng.integers(6)))]


#: Kind -> a value of it by chance.
KINDS: dict[str, Callable[[np.random.Generator], Any]] = {
    "int": _number,
    "str": _word,
    "numbers": _numbers,
    "words": _words,
    "float": lambda rng: float(rng.integers(-20, 40)) / 4,
    "dict": lambda rng: dict(zip(_words(rng), _numbers(rng), strict=False)),
    "bytes": lambda rng: _word(rng).encode(),
    "rows": lambda rng: [_numbers(rng) for _ in range(int(rng.integers(4)))],
    "pairs": lambda rng: list(zip(_words(rng), _numbers(rng), strict=False)),
    "tuple": lambda rng: tuple(_numbers(rng)),
    "bool": lambda rng: bool(rng.integers(2)),
    "none": lambda rng: None,
}
_WEIGHTS = np.array([5, 6, 4, 3, 2, 2, 1.5, 1, 1, 1, 1, 1])


def draw_kinds(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Names of so many kinds, the common ones more often."""
    drawn = rng.choice(len(_WEIGHTS), size=count, p=_WEIGHTS / _WEIGHTS.sum())
    names = list(KINDS)
    return tuple(names[int(at)] for at in drawn)
