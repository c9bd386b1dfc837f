"""Which legal edits lead from one text to another: is a fix in the list, or two edits away."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from itertools import combinations

from hrmgym.envs.edits.edit import Edit, alike, apply
from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.envs.lexer import lex
from hrmgym.errors import DataError

_MOST_PARTS = 5  # of a difference; there are 2^n - 2 ways to make it in two steps


def leading_to(
    text: str,
    wanted: str,
    *,
    language: str = "python",
    within: tuple[int, int] | None = None,
    most: int = 2,
) -> tuple[LegalEdit, ...] | None:
    """One legal edit that makes a text's syntax that of another one, or else two.

    Two are looked for among the ways to change some of the differing lexemes first and the rest
    then; so two edits that pass through anything else are not found.

    Args:
        text: A program.
        wanted: What it is to become; comments and layout do not count.
        language: What both are written in.
        within: Only edits inside this span of characters; by default the whole text.
        most: One or two edits.

    Returns:
        The edits: the first of `text`, the second of what the first one leaves. None where neither
        one nor two lead there.

    Raises:
        UnknownNameError: nobody enumerates the edits of that language.
        DataError: one of the texts is not a program of that language.
    """
    within = within or (0, len(text))
    legal = legal_edits(text, language=language, within=within)
    whole = legal.find(wanted)
    if whole is not None:
        return (whole,)
    for between in _between(text, wanted) if most > 1 else ():
        try:
            first = legal.find(between)
        except DataError:
            continue
        if first is None:
            continue
        after = apply(text, first.edit)
        span = within[0], within[1] + len(after) - len(text)
        second = legal_edits(after, language=language, within=span).find(wanted)
        if second is not None:
            return first, second
    return None


def _between(text: str, wanted: str) -> Iterator[str]:
    """Texts with some of what differs changed, fewer changes first."""
    parts = differences(text, wanted)
    if not 1 < len(parts) <= _MOST_PARTS:
        return
    for count in range(1, len(parts)):
        for some in combinations(parts, count):
            changed = text
            for part in reversed(some):
                changed = apply(changed, part)
            yield changed


def differences(text: str, wanted: str) -> list[Edit]:
    """What has to change in a text to become another one, lexeme by lexeme, in order."""
    old, new = lex(text), lex(wanted)
    head, tail = alike(old, new)
    ours, theirs = old[head : len(old) - tail], new[head : len(new) - tail]
    place = sum(map(len, old[:head]))
    found = []
    matcher = difflib.SequenceMatcher(a=ours, b=theirs, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        size = sum(map(len, ours[i:j]))
        if kind != "equal":
            found.append(Edit(place, place + size, "".join(theirs[k:m])))
        place += size
    return found
