"""Where two texts of tokens differ, in time linear in their length.

`difflib` takes time that grows with the square, or worse where tokens repeat. Here it sees only
what is short: what is left between the common beginning and end, up to the first line that is
unique in both texts, or a first piece of that.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from hrmgym.envs.interfaces.canvas import Code

#: Most pairs of tokens that `difflib` compares.
_MOST_PAIRS = 1 << 16
_PIECE = 128

Difference = tuple[int, int, int, int]
"""`(begin, stop, low, high)`: old tokens begin:stop became new tokens low:high."""


def differences(old: Code, new: Code) -> list[Difference]:
    """What differs, in order; of texts that differ in much, only what comes first.

    Making the first change brings the texts nearer: what they have in common at the beginning
    grows, or the old one gets shorter.
    """
    a, b = old.ids, new.ids
    low, shortest = _common(a, b), min(len(a), len(b))
    tail = _common_end(a, b, shortest - low)
    stop, high = len(a) - tail, len(b) - tail
    if low == stop == high:
        return []
    if _few(stop - low, high - low):
        return _opcodes(a, b, low, stop, high)
    meet = _anchor(old, new, low, stop, high)
    if meet is not None:
        stop, high = meet
        if _few(stop - low, high - low):
            return _opcodes(a, b, low, stop, high)
    first = _opcodes(a, b, low, min(stop, low + _PIECE), min(high, low + _PIECE))[0]
    # A piece that nothing follows of what is equal says nothing of how the whole goes on.
    whole = first[1] == low + _PIECE or first[3] == low + _PIECE
    return [(low, stop, low, high)] if whole else [first]


def _few(one: int, two: int) -> bool:
    """Whether `difflib` is quick, or not needed."""
    return one * two <= _MOST_PAIRS


def _opcodes(
    a: Sequence[int], b: Sequence[int], low: int, stop: int, high: int
) -> list[Difference]:
    """How a[low:stop] became b[low:high]."""
    if low in (stop, high):
        return [(low, stop, low, high)]
    matcher = difflib.SequenceMatcher(a=a[low:stop], b=b[low:high], autojunk=False)
    return [
        (low + begin, low + end, low + first, low + last)
        for kind, begin, end, first, last in matcher.get_opcodes()
        if kind != "equal"
    ]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens are the same at the beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:  # halving, for slices are compared at C's speed
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(a: Sequence[int], b: Sequence[int], most: int) -> int:
    """How many tokens are the same at the end, of at most `most`."""
    count = 0
    while count < most and a[-1 - count] == b[-1 - count]:
        count += 1
    return count


def _anchor(old: Code, new: Code, low: int, stop: int, high: int) -> tuple[int, int] | None:
    """The nearest place behind `low` where a line begins that is unique in both texts' middles."""
    ours, theirs = _unique_lines(old, low, stop), _unique_lines(new, low, high)
    meets = [(start, theirs[line]) for line, start in ours.items() if line in theirs]
    return min(meets, key=sum, default=None)


def _unique_lines(code: Code, low: int, stop: int) -> dict[tuple[int, ...], int]:
    """Tokens of each line that stands once within low:stop -> where it begins."""
    starts = code.line_starts
    first, last = bisect_left(starts, low), bisect_left(starts, stop)
    bounds = [*starts[first:last], stop]
    lines = [code.ids[bounds[i] : bounds[i + 1]] for i in range(len(bounds) - 1)]
    count = Counter(lines)
    return {line: at for line, at in zip(lines, bounds, strict=False) if count[line] == 1}
