"""What a glance tells."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import pytest

from hrmgym.envs.sandboxes.between import glances


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([1, 2], lambda v: v.append(3)),
        ([1, 2], lambda v: v.reverse()),
        ([1], lambda v: v.__setitem__(0, True)),
        ([[1]], lambda v: v.__setitem__(0, [1])),
        ({"a": 1}, lambda v: v.update(a=1.0)),
        ({"a": 1}, lambda v: v.update(b=v.pop("a"))),
        ({"a": "b"}, lambda v: v.update({"b": v.pop("a") and "a"})),
        ({1}, lambda v: v.discard(1)),
        (deque([1]), lambda v: v.append(1)),
        (OrderedDict(a=1, b=2), lambda v: v.move_to_end("a")),
        (Counter("a"), lambda v: v.update("a")),
    ],
)
def test_changes_are_seen(value: Any, change: Any) -> None:
    seen = glances.of(value)
    assert seen is not None
    assert glances.same(seen, glances.of(value))
    change(value)
    assert not glances.same(seen, glances.of(value))


@pytest.mark.parametrize("value", [bytearray(b"a"), defaultdict(list), object(), (1,), "text"])
def test_what_has_more_to_it(value: Any) -> None:
    assert glances.of(value) is None
    assert not glances.tell_all(glances.of(value))


def test_no_glance_is_the_same_as_none() -> None:
    assert not glances.same((), None)
    assert not glances.same((), "")


@pytest.mark.parametrize(
    ("items", "all_of_it"),
    [
        ([], True),
        ([1, None, "a", [object()], {}], True),
        ([(1, ("a", [2]))], True),
        ([(1, (object(),))], False),
        ([object()], False),
        ([type("Text", (str,), {})("a")], False),
        ([frozenset()], False),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value)),
)
def test_whether_it_tells_all(items: list[Any], all_of_it: bool) -> None:
    assert glances.tell_all(glances.of(items)) is all_of_it
