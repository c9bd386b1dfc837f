"""How one text of a function became another: the few spans that matter, as edits.

`difference` compares lexemes, joins what stands close together, and leaves out every part that
changes nothing in the function's meaning: comments, layout, annotations, wording.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import combinations

from hrmgym.envs.bugs.meaning import compiles, meaning, meaning_without_names
from hrmgym.envs.edits.edit import Edit, alike, apply
from hrmgym.envs.lexer import lex
from hrmgym.envs.tokens import load_tokens

MOST_SPANS = 3
"""Places that one real edit may touch."""
MOST_TOKENS = 12
"""Tokens of one place, before or after the edit."""
_MOST_PARTS = 10  # more are a rewrite, and not worth the search
_GAP = 2  # lexemes: what stands between two parts of one thought


def difference(before: str, after: str) -> tuple[Edit, ...] | None:
    """The least edits that take one text back to the meaning of an older one.

    Returns:
        Edits of `after`, in order, at most `MOST_SPANS` of at most `MOST_TOKENS` tokens each. The
        text that they make means what `before` means, and looks like `after` everywhere else.
        None where the texts mean the same, differ by nothing but the names of variables, or
        differ by more.

    Raises:
        DataError: one of the texts is not Python.
    """
    if meaning(before) == meaning(after) or not (compiles(before) and compiles(after)):
        return None
    if meaning_without_names(before) == meaning_without_names(after):
        return None
    parts = _parts(before, after)
    if len(parts) > _MOST_PARTS:
        return None
    wanted = meaning(before)
    backward = [Edit(high, end, before[low:stop]) for low, stop, high, end in parts]
    kept = backward
    for count in (2, 1):  # two at a time first: brackets and quotes come in pairs
        for parts_out in combinations(backward, count):
            fewer = [part for part in kept if part not in parts_out]
            if len(fewer) == len(kept) - count:
                text = applied(after, fewer)
                if compiles(text) and meaning(text) == wanted:
                    kept = fewer
    kept = _joined(after, kept)
    if not 1 <= len(kept) <= MOST_SPANS:
        return None
    if any(max(_tokens(e.text), _tokens(after[e.start : e.end])) > MOST_TOKENS for e in kept):
        return None
    return tuple(kept)


def applied(text: str, edits: Sequence[Edit]) -> str:
    """The text after several edits; all offsets are those of `text`, in order, none overlap."""
    for edit in reversed(edits):
        text = apply(text, edit)
    return text


def inverses(text: str, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits that lead from `applied(text, edits)` back to `text`, in order."""
    found, shift = [], 0
    for edit in edits:
        start = edit.start + shift
        found.append(Edit(start, start + len(edit.text), text[edit.start : edit.end]))
        shift += len(edit.text) - (edit.end - edit.start)
    return tuple(found)


def _parts(before: str, after: str) -> list[tuple[int, int, int, int]]:
    """What differs, as (start, end) in `before` and (start, end) in `after`, in characters."""
    old, new = lex(before), lex(after)
    head, tail = alike(old, new)
    matcher = difflib.SequenceMatcher(
        a=old[head : len(old) - tail], b=new[head : len(new) - tail], autojunk=False
    )
    old_at, new_at = _offsets(old), _offsets(new)
    return [
        (old_at[head + i], old_at[head + j], new_at[head + k], new_at[head + m])
        for kind, i, j, k, m in matcher.get_opcodes()
        if kind != "equal"
    ]


def _offsets(lexemes: Sequence[str]) -> list[int]:
    offsets = [0]
    for lexeme in lexemes:
        offsets.append(offsets[-1] + len(lexeme))
    return offsets


def _joined(text: str, edits: Sequence[Edit]) -> list[Edit]:
    """Neighbours with at most `_GAP` lexemes between them as one, where that is not too long."""
    found: list[Edit] = []
    for edit in edits:
        if found:
            last = found[-1]
            between = text[last.end : edit.start]
            both = Edit(last.start, edit.end, last.text + between + edit.text)
            short = max(_tokens(both.text), _tokens(text[both.start : both.end])) <= MOST_TOKENS
            if len(lex(between)) <= _GAP and short:
                found[-1] = both
                continue
        found.append(edit)
    return found


def _tokens(text: str) -> int:
    return len(load_tokens().encode(text).ids)
