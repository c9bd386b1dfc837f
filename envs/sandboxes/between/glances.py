"""Whether a container still holds the same objects: far cheaper to see than to put into words.

A glance holds all that is in a container, so no other object can take the place of one of them
unseen. It tells everything where these cannot change themselves, or have a number and a glance
of their own, see crossing.py. Standard library only.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from operator import is_
from typing import Any

Glance = tuple[Any, ...]

_ROWS = {list, set, deque}
_TABLES = {dict, OrderedDict, Counter}
#: What cannot change, or is looked at by itself.
_EVIDENT = {
    *(type(None), bool, int, float, complex, str, bytes),
    *(list, dict, set, bytearray, deque, OrderedDict, defaultdict, Counter),
}


def of(value: Any) -> Glance | None:
    """What is in a container; None for one that has more to it."""
    kind = type(value)
    if kind in _TABLES:
        return (*value, *value.values())
    if kind in _ROWS:
        return tuple(value)
    return None


def same(one: Glance, other: Any) -> bool:
    """Whether two glances at the same container have met the same objects.

    `other` may be none at all.
    """
    return type(other) is tuple and len(one) == len(other) and all(map(is_, one, other))


def tell_all(seen: Glance | None) -> bool:
    """Whether nothing in it can change without a change of what was seen."""
    if seen is None:
        return False
    kinds = set(map(type, seen))
    if tuple in kinds:
        kinds.discard(tuple)
        return kinds <= _EVIDENT and all(tell_all(item) for item in seen if type(item) is tuple)
    return kinds <= _EVIDENT
