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
from itertools import accumulate

from hrmgym.envs.interfaces.code import Code
from hrmgym.envs.interfaces.splicing import common_end, common_start

#: Most pairs of tokens that `difflib` compares.
_MOST_PAIRS = 1 << 16
_PIECE = 128

#: Characters behind the first difference that say how to go on from it.
_NEAR = 1 << 13

Difference = tuple[int, int, int, int]
"""`(begin, stop, low, high)`: old tokens begin:stop became new tokens low:high."""


def waypoint(text: str, target: str) -> str:
    """A text that lies on the way to the target, and differs from `text` near one place only.

    It is the target up to the first line behind the first difference that both have once, at most
    `_NEAR` characters, and goes on as `text` does: so little of it has to be cut into tokens. Who
    comes nearer to it, comes nearer to the target: what is equal at the beginning grows, or what
    is not gets shorter.
    """
    shortest = min(len(text), len(target))
    low = common_start(text, target, shortest)
    tail = common_end(text, target, shortest - low)
    stop, high = len(text) - tail, len(target) - tail
    if high - low <= _NEAR:
        return target
    ours, theirs = _lines_once(text[low:stop]), _lines_once(target[low:high])
    meets = [(start, theirs[line]) for line, start in ours.items() if line in theirs]
    if meets:
        behind, beyond = min(meets, key=sum)
        stop, high = low + behind, low + beyond
    return target[: min(high, low + _NEAR)] + text[stop:]


def _lines_once(text: str) -> dict[str, int]:
    """Each whole line that stands once in a text, but its first -> where it begins."""
    lines = text.split("\n")
    starts = accumulate(map(len, lines), lambda start, size: start + size + 1, initial=0)
    count = Counter(lines[1:-1])
    places = list(zip(lines, starts, strict=False))[1:-1]
    return {line: start for line, start in places if count[line] == 1}


def differences(old: Code, new: Code) -> list[Difference]:
    """What differs, in order; of texts that differ in much, only what comes first.

    Making the first change brings the texts nearer: what they have in common at the beginning
    grows, or the old one gets shorter.
    """
    a, b = old.ids, new.ids
    shortest = min(len(a), len(b))
    low = common_start(a, b, shortest)
    tail = common_end(a, b, shortest - low)
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
