"""Pairs of legal edits: two changes at places that do not touch, as one step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.legal import LegalEdit


def pairs(ranked: Iterable[LegalEdit]) -> Iterator[tuple[LegalEdit, LegalEdit]]:
    """All pairs of edits at disjoint places, the least sum of ranks first.

    Of pairs with equal sums, those with the better first edit come first. The edits are asked for
    one at a time, as the sums grow: a pair of ranks i and j comes before rank i + j is asked for.

    Args:
        ranked: Legal edits of one text, the best first.
    """
    known: list[LegalEdit] = []
    more = iter(ranked)
    total, last = 1, None
    while last is None or total <= 2 * last - 1:
        if last is None:
            while len(known) <= total:
                one = next(more, None)
                if one is None:
                    last = len(known) - 1
                    break
                known.append(one)
        top = len(known) - 1
        for first in range(max(0, total - top), (total + 1) // 2):
            one, two = known[first], known[total - first]
            if disjoint(one.edit, two.edit):
                yield one, two
        total += 1


def disjoint(one: Edit, two: Edit) -> bool:
    """Whether no edit changes what the other one does; two insertions need two places."""
    first, second = sorted((one, two))
    return first.end <= second.start and first.start < second.start


def apply_pair(text: str, one: Edit, two: Edit) -> str:
    """The text after both edits, each made for the text as it was.

    Raises:
        ValueError: the places are not disjoint.
    """
    if not disjoint(one, two):
        raise ValueError(
            f"edits {one.start}:{one.end} and {two.start}:{two.end} touch; they should be disjoint"
        )
    first, second = sorted((one, two))
    return (
        text[: first.start]
        + first.text
        + text[first.end : second.start]
        + second.text
        + text[second.end :]
    )
