"""Tokens of a text that is much like one whose tokens are known: only what differs is cut anew.

An edit changes a line of a file, and the file's other tokens stay what they were. The lexer has no
state, so wherever a lexeme begins in both texts and the same follows, the same lexemes follow.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from hrmgym.envs.interfaces.code import Code
from hrmgym.envs.lexer import lex, lexemes_from
from hrmgym.envs.tokens import Encoding, load_tokens

#: Characters behind its end that may decide where a lexeme ends: the longest keyword and a blank
#: are fewer.
_AHEAD = 64


def spliced(old: Code, text: str) -> Encoding | None:
    """The tokens of `text`, exactly; None where less than half of it is as in `old`.

    Args:
        old: Another text, with its tokens.
        text: The text.
    """
    shortest = min(len(old.text), len(text))
    same = common_start(old.text, text, shortest)
    tail = common_end(old.text, text, shortest - same)
    if 2 * (same + tail) < len(text):
        return None
    # The lexemes that end so far before the difference that they cannot know of it.
    head = len(_data(text[: max(0, same - _AHEAD)]))
    first = _lexeme_at_or_before(old, bisect_right(old.offsets, head) - 1)
    begin = len(old.data[: old.offsets[first]].decode("utf-8", "surrogateescape"))
    # Between them and the common end, all is cut anew; what the end of the piece may have changed
    # is dropped. From there on, one by one, until a lexeme begins where one began before.
    changed = lex(text[begin : len(text) - tail])
    size = sum(map(len, changed))
    while changed and begin + size > len(text) - tail - _AHEAD:
        size -= len(changed.pop())
    if text[begin - 1 : begin] in ("'", '"'):  # the lexer looks back at one character
        changed, size = [], 0
    lexemes, at = changed, begin + size
    data = old.offsets[first] + len(_data(text[begin:at]))
    shift = len(old.data) - (data + len(_data(text[at:])))
    stop = len(old.ids)
    for lexeme in lexemes_from(text, at):
        if at > len(text) - tail:  # so the character before is the same, too
            index = bisect_left(old.offsets, data + shift)
            if index < stop and old.offsets[index] == data + shift and old.starts[index]:
                stop = index
                break
        lexemes.append(lexeme)
        at, data = at + len(lexeme), data + len(_data(lexeme))
    middle = load_tokens().encode_lexemes(lexemes)
    return Encoding(
        [*old.ids[:first], *middle.ids, *old.ids[stop:]],
        [*old.starts[:first], *middle.starts, *old.starts[stop:]],
    )


def common_start(one: Sequence[object], two: Sequence[object], most: int) -> int:
    """How many items, of at most `most`, are the same at the beginning."""
    low, high = 0, most
    while low < high:  # halving, for slices are compared at C's speed
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def common_end(one: Sequence[object], two: Sequence[object], most: int) -> int:
    """How many items, of at most `most`, are the same at the end."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == two[len(two) - middle : len(two) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _lexeme_at_or_before(code: Code, index: int) -> int:
    """The token from `index` back that begins a lexeme."""
    index = min(index, len(code.ids) - 1)
    while index > 0 and not code.starts[index]:
        index -= 1
    return max(index, 0)


def _data(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
