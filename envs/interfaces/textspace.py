"""The space of any text, known to Gymnasium's space and vector functions.

It is a `gymnasium.spaces.Text`, so that vector environments, Minari's serialisation and torchrl's
conversion, which look for that class, take it for one. What a tool writes down of its alphabet is
`Text`'s: printable ASCII; what it contains is any text.

Flat, a text is int32 [max_length]: a character's number plus one, then zeros.
"""

from __future__ import annotations

import multiprocessing as mp
import string
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten, flatten_space, unflatten
from gymnasium.vector.utils import (
    batch_differing_spaces,
    create_empty_array,
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)

#: The largest number of a character, plus one.
_MOST = 0x110000


class TextSpace(spaces.Text):
    """Any text of at most `max_length` characters.

    `gymnasium.spaces.Text` refuses characters outside its alphabet; program text has them all.
    """

    def __init__(self, max_length: int, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(max_length, min_length=0, charset=string.printable, seed=seed)
        # Arrays that hold whole texts, one an environment, are what Stable-Baselines3's vector
        # environments make of this; with a Text's own shape, None, they die with a TypeError.
        self._shape, self.dtype = (), np.dtype(object)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A short word of ASCII letters."""
        letters = self.np_random.choice(list(string.ascii_lowercase), size=min(6, self.max_length))
        return "".join(letters)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a str that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextSpace) and other.max_length == self.max_length

    def __repr__(self) -> str:
        return f"TextSpace(max_length={self.max_length})"


def _numbers(text: str) -> npt.NDArray[np.int32]:
    data = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return data.astype(np.int32) + 1


def _text(numbers: npt.ArrayLike) -> str:
    flat = np.asarray(numbers, dtype=np.int64).ravel()
    data = (flat[flat > 0] - 1).astype("<u4").tobytes()
    return data.decode("utf-32-le", "surrogatepass")


@flatdim.register(TextSpace)
def _flatdim(space: TextSpace) -> int:
    return space.max_length


@flatten_space.register(TextSpace)
def _flatten_space(space: TextSpace) -> spaces.Box:
    return spaces.Box(0, _MOST, (space.max_length,), np.int32)


@flatten.register(TextSpace)
def _flatten(space: TextSpace, x: str) -> npt.NDArray[np.int32]:  # type: ignore[misc]
    flat = np.zeros(space.max_length, dtype=np.int32)
    numbers = _numbers(x)
    flat[: len(numbers)] = numbers
    return flat


@unflatten.register(TextSpace)
def _unflatten(space: TextSpace, x: npt.NDArray[np.int32]) -> str:  # type: ignore[misc]
    return _text(x)


@batch_differing_spaces.register(TextSpace)
def _batch_differing_spaces(several: Sequence[TextSpace]) -> spaces.Tuple[Any]:  # type: ignore[misc]
    return spaces.Tuple(deepcopy(tuple(several)))


@create_empty_array.register(TextSpace)
def _create_empty_array(space: TextSpace, n: int = 1, fn: Any = np.zeros) -> tuple[str, ...]:
    return ("",) * n


@create_shared_memory.register(TextSpace)
def _create_shared_memory(space: TextSpace, n: int = 1, ctx: Any = mp) -> Any:
    return ctx.Array(np.dtype(np.int32).char, n * space.max_length)


class SharedTexts(Sequence[str]):
    """The texts in shared memory, read when they are asked for; a deep copy is a tuple of them.

    `AsyncVectorEnv` reads shared memory once, when it is made, and expects to see what workers
    write later, as arrays do; it gives away deep copies.
    """

    def __init__(self, memory: Any, count: int, length: int) -> None:
        self._memory, self._count, self._length = memory, count, length

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        data = np.frombuffer(self._memory.get_obj(), dtype=np.int32)
        rows = data.reshape(self._count, self._length)[index]
        return _text(rows) if rows.ndim == 1 else tuple(map(_text, rows))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        return tuple(self)


@read_from_shared_memory.register(TextSpace)
def _read(space: TextSpace, shared_memory: Any, n: int = 1) -> SharedTexts:
    return SharedTexts(shared_memory, n, space.max_length)


@write_to_shared_memory.register(TextSpace)
def _write(space: TextSpace, index: int, values: str, shared_memory: Any) -> None:
    data = np.frombuffer(shared_memory.get_obj(), dtype=np.int32)
    size = space.max_length
    data[index * size : (index + 1) * size] = _flatten(space, values)
