"""What modules hold is compared down to the last list."""

from __future__ import annotations

import functools
from collections import deque
from typing import Any

import pytest

from hrmgym.envs.sandboxes.screening.reach import Reach

SOURCE = """\
import functools
NUMBERS = [1, 2]
TABLE = {"a": {"b": [3]}}
SEEN = set()
class C:
    made = []
    def __init__(self):
        self.parts = {"x": 1}
    @property
    def first(self, cache=[]):
        return cache
ONE = C()
def f(a, memo={}):
    memo[a] = a
    return a
def outer():
    held = []
    def inner():
        held.append(1)
    return inner
keep = outer()
def counting():
    n = 0
    def count():
        nonlocal n
        n += 1
        return n
    return count
count = counting()
@functools.lru_cache
def cached(a):
    return [a]
"""
CHANGES = (
    "NUMBERS.append(3)",
    "NUMBERS[0] = 2",
    "TABLE['a']['b'].append(1)",
    "TABLE['a']['c'] = 1",
    "SEEN.add(1)",
    "C.made.append(1)",
    "C.other = 1",
    "ONE.parts['x'] = 2",
    "ONE.more = 1",
    "C.first.fget(ONE).append(1)",
    "f(1)",
    "f.note = 1",
    "f.__defaults__[0]['z'] = 1",
    "keep()",
    "count()",
    "f.__code__ = outer.__code__",
    "C.first.fget.__code__ = f.__code__",
    "f.__defaults__ = ({},)",
    "f.__kwdefaults__ = {}",
    "keep.__closure__[0].cell_contents = []",
    "del keep.__closure__[0].cell_contents",
    "NEW = 1",
    "f = None",
    "params[0].append(1)",
)


def _noted() -> tuple[dict[str, Any], Reach]:
    space: dict[str, Any] = {"__name__": "made", "params": [deque([1])]}
    exec(SOURCE, space)
    return space, Reach([space], [space["params"]], frozenset({"made"}))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str) -> None:
    space, noted = _noted()
    assert noted.whole
    assert noted.intact()
    exec(change, space)
    assert not noted.intact()


def test_what_is_only_read_is_no_change() -> None:
    space, noted = _noted()
    exec("x = 0", space)
    del space["x"]
    assert (space["NUMBERS"][0], space["ONE"].first) == (1, [])
    assert noted.intact()


def test_remembered_results_are_forgotten() -> None:
    space, noted = _noted()
    cached = space["cached"]
    assert isinstance(cached, functools._lru_cache_wrapper)
    first = cached(1)
    assert cached(1) is first
    noted.clear()
    assert cached(1) is not first


def test_too_much_to_compare_is_said() -> None:
    assert not Reach([{"x": [[one] for one in range(30_000)]}], [], frozenset()).whole
