"""Values on the way between two processes: here between two ends in one."""

from __future__ import annotations

import json
import math
import socket
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrmgym.envs.sandboxes.between import crossing
from hrmgym.envs.sandboxes.between.plain import Unfit


class Node:
    """A class that both ends know."""

    def __init__(self, value: Any, following: Any = None) -> None:
        self.value, self.following = value, following


class End(crossing.Exchange):
    """One end, which knows Node and nothing else that is not plain."""

    def support_name(self, kind: type) -> list[str] | None:
        return ["here", "Node"] if kind is Node else None

    def support_class(self, module: str, name: str) -> type:
        if (module, name) != ("here", "Node"):
            raise Unfit("no class")
        return Node

    def pack_other(self, value: Any, depth: int) -> Any:
        raise TypeError(f"{type(value).__name__} does not cross")

    def unpack_other(self, tag: str, body: list[Any], depth: int) -> Any:
        raise Unfit(f"unknown tag {tag}")


class Way:
    """Both ends."""

    def __init__(self) -> None:
        a, b = socket.socketpair()
        self.sockets = a, b
        self.here, self.there = End(a, 0), End(b, 1)

    def over(self, value: Any, *, back: bool = False, sweep: bool = False) -> Any:
        """The value as the other end gets it."""
        source, target = (self.there, self.here) if back else (self.here, self.there)
        packed = source.pack(value)
        del value
        source.send(["ok", packed], sweep=sweep)
        head, gone = target.receive()
        found = target.unpack(head[1])
        target.forget(gone)
        return found

    def raw(self, message: Any) -> None:
        """Have `there` receive what no end of ours sends."""
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.sockets[0].sendall(struct.pack(">I", len(data)) + data)
        head, _ = self.there.receive()
        self.there.unpack(head[1])


@pytest.fixture
def way() -> Iterator[Way]:
    made = Way()
    yield made
    for sock in made.sockets:
        sock.close()


PLAIN = [
    *(None, True, 0, -(2**63), 2**63, 10**4000, 1.5, -0.0, math.inf, "", "\ud800\0é", b"\0\xff"),
    *((), (1, (2, "x")), frozenset({1, "a"}), 1.5 - 2j, range(1, 9, 2), slice(1, None), ...),
    *(NotImplemented, [], [1, True, None, "x"], [2**70], [1.5], {}, {(1, 2): [3]}, {1, "a"}),
    *(bytearray(b"ab"), deque([1, 2], 2), OrderedDict(b=1, a=2), Counter("aab")),
    *(Decimal("1.50"), Fraction(-1, 3)),
    *(date(2020, 2, 3), datetime(2020, 2, 3, 4, tzinfo=UTC), timedelta(1, 2, 3)),
    datetime(2020, 2, 3, fold=1).time(),
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_keep_their_types(way: Way, value: Any) -> None:
    found = way.over(value)
    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value) or isinstance(value, (set, frozenset))


def test_nan(way: Way) -> None:
    assert math.isnan(way.over(math.nan))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_any_plain_value(value: Any) -> None:
    way = Way()
    found = way.over(value)
    assert found == value
    assert repr(found) == repr(value)
    for sock in way.sockets:
        sock.close()


def test_aliases_and_cycles(way: Way) -> None:
    shared: list[Any] = [1]
    shared.append(shared)
    a, b, c = way.over((shared, {"x": shared}, [[]]))
    assert a[1] is a
    assert b["x"] is a
    assert c == [[]]


def test_long_chains_need_no_recursion(way: Way) -> None:
    chain = None
    for i in range(1500):
        chain = Node(i, chain)
    found, length = way.over(chain), 0
    while found is not None:
        found, length = found.following, length + 1
    assert length == 1500


def test_changes_in_place_reach_the_other_side(way: Way) -> None:
    xs, node = [3, 1], Node("a")
    node.following = node
    there = way.over((xs, node))
    there[0].append(there[1])
    there[1].value = {"new": [1]}
    assert way.over(there[0], back=True) is xs
    assert xs == [3, 1, node]
    assert node.value == {"new": [1]}
    xs[:] = []
    way.over(None)
    assert there[0] == []


def test_numbers_are_told_from_what_equals_them(way: Way) -> None:
    xs = [1, 0]
    there = way.over(xs)
    there[:] = [True, 0.0]
    way.over(None, back=True)
    assert [type(x) for x in xs] == [bool, float]


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([1, 2], lambda v: v.reverse()),
        ([1, 2], lambda v: v.__setitem__(0, True)),
        ([(1, [2])], lambda v: v[0][1].append(3)),
        ([1000.5], lambda v: v.__setitem__(0, "1000.5")),
        ({"a": 1}, lambda v: v.update(a=True)),
        ({"a": 1, "b": 2}, lambda v: v.update(a=v.pop("a"))),
        ({1: 2}, lambda v: v.__setitem__(max(v) + 1, v.pop(max(v)))),
        ({"a": {"b": {}}}, lambda v: v["a"]["b"].update(c=[])),
        ({1, 2}, lambda v: v.add(3)),
        (deque([1], 3), lambda v: v.appendleft(0)),
        (OrderedDict(a=1, b=2), lambda v: v.move_to_end("a")),
        (Counter("ab"), lambda v: v.update("a")),
        (bytearray(b"a"), lambda v: v.extend(b"b")),
        (defaultdict(None, {1: 2}), lambda v: v.update({1: 3})),
        ([Decimal(1)], lambda v: v.append(Decimal(2))),
        ([Node(1)], lambda v: setattr(v[0], "value", [v[0].value])),
    ],
)
def test_any_change_reaches_the_other_side(way: Way, value: Any, change: Any) -> None:
    there = way.over(value)
    assert str(show(there)) == str(show(value))
    for _ in range(2):
        change(there)
        way.over(None, back=True)
        assert str(show(there)) == str(show(value))
        change(value)
        way.over(None)
        assert str(show(there)) == str(show(value))


def show(value: Any) -> Any:
    """What tells one value from another, its classes and its order."""
    if isinstance(value, Node):
        return show(value.value)
    if isinstance(value, (list, tuple, deque)):
        return type(value), [show(item) for item in value]
    if isinstance(value, dict):
        return type(value), [(show(key), show(item)) for key, item in value.items()]
    return type(value), value


def test_what_has_not_changed_is_not_sent_again(way: Way) -> None:
    shared = {"a": [1, (2, "x")], "b": {"c": 1.5}}
    way.over(shared)
    assert not way.here._changed()
    assert not way.there._changed()
    shared["b"]["c"] = 2.5  # type: ignore[call-overload]
    assert [number for number, _ in way.here._changed()] == [4]


def test_what_nobody_else_holds_is_forgotten(way: Way) -> None:
    kept = way.over([1, [2]])
    way.over([5], back=True)
    way.over(None, back=True, sweep=True)
    assert [way.there._objects[n] for n in way.there._objects] == [kept, kept[1]]
    del kept
    way.over(None, back=True, sweep=True)
    way.over(None, back=True, sweep=True)
    assert not way.there._objects
    assert not way.here._objects


def test_default_factories(way: Way) -> None:
    with pytest.raises(TypeError, match="type does not cross"):
        way.over(defaultdict(list))
    assert way.over(defaultdict(None, {1: 2})) == {1: 2}


def test_what_cannot_cross_leaves_nothing_behind(way: Way) -> None:
    xs = [1]
    there = way.over(xs)
    xs[:] = [2]
    with pytest.raises(TypeError, match="object does not cross"):
        way.over([[], object()])
    with pytest.raises(TypeError, match="object does not cross"):
        way.here.packed([], object())
    way.over(None)
    assert there == [2]
    assert len(way.here._objects) == 1


def test_subclasses_are_not_plain(way: Way) -> None:
    class Text(str):
        pass

    for value in (Text("a"), object(), [Text("a")], print):
        with pytest.raises(TypeError, match="does not cross"):
            way.over(value)


def test_too_deep(way: Way) -> None:
    value: Any = ()
    for _ in range(200):
        value = (value,)
    with pytest.raises(RecursionError):
        way.over(value)


def test_an_end_that_has_gone(way: Way) -> None:
    way.sockets[1].close()
    with pytest.raises(crossing.Lost):
        way.over(1)
    with pytest.raises(crossing.Lost):
        way.here.receive()


BAD = [
    b"",
    b"{",
    b"\xff",
    b"NaN",
    b"[" * 100_000,
    [],
    [["ok", 1], [], []],
    [["ok", 1], {}, [], []],
    [[1, 1], [], [], []],
    [["ok", {"a": 1}], [], [], []],
    [["ok", []], [], [], []],
    [["ok", ["nosuch"]], [], [], []],
    [["ok", ["r", 0]], [], [], []],
    [["ok", ["r"]], [], [], []],
    [["ok", ["i", 5]], [], [], []],
    [["ok", ["i", "x"]], [], [], []],
    [["ok", ["f", "1e5"]], [], [], []],
    [["ok", ["b", "0"]], [], [], []],
    [["ok", ["g", 1, 2, 0]], [], [], []],
    [["ok", ["D", "x"]], [], [], []],
    [["ok", ["Q", "0x1", "0x0"]], [], [], []],
    [["ok", ["date", "2020-13-01"]], [], [], []],
    [["ok", ["z", ["r", 0]]], [[0, ["l"]]], [], []],
    [["ok", 1], [[1, ["l"]]], [], []],
    [["ok", 1], [[-2, ["l"]]], [], []],
    [["ok", 1], [["0", ["l"]]], [], []],
    [["ok", 1], [[True, ["l"]]], [], []],
    [["ok", 1], [[0, ["nosuch"]]], [], []],
    [["ok", 1], [[0, ["d", [1]]]], [], []],
    [["ok", 1], [[0, ["d", [1], []]]], [], []],
    [["ok", 1], [[0, ["d", [1], [1], [1]]]], [], []],
    [["ok", 1], [[0, ["d", 1, 1]]], [], []],
    [["ok", 1], [[0, ["d", "ab", "cd"]]], [], []],
    [["ok", 1], [[0, ["d", [["r", 0]], [1]]]], [], []],
    [["ok", 1], [[0, ["dd", [], []]]], [], []],
    [["ok", 1], [[0, ["dd"]]], [], []],
    [["ok", 1], [[0, ["l", {"a": 1}]]], [], []],
    [["ok", 1], [[0, []]], [], []],
    [["ok", 1], [[0, ["l"], 1]], [], []],
    [["ok", 1], [[0.0, ["l"]]], [], []],
    [["ok", 1], [[0, ["l"]], [0, ["s"]]], [], []],
    b'[["ok",1],[],[],[]] ',
    b'[["ok",1],[],[],[]]0',
    [["ok", 1], [[0, ["s", ["r", 0]]]], [], []],
    [["ok", 1], [[0, ["q", -1]]], [], []],
    [["ok", 1], [[0, ["I"]]], [], []],
    [["ok", 1], [[0, ["I", "os", "system"]]], [], []],
    [["ok", 1], [[0, ["I", "here", "Node", ["__class__", 1]]]], [], []],
    [["ok", 1], [[0, ["I", "here", "Node", ["a b", 1]]]], [], []],
    [["ok", ["t"] + [["t"]] * 3], [[0, ["l"]], [0, ["d"]]], [], []],
]


@pytest.mark.parametrize("message", BAD, ids=lambda message: str(message)[:40])
def test_messages_that_are_none(way: Way, message: Any) -> None:
    with pytest.raises(Unfit):
        way.raw(message)


def test_messages_that_are_too_long(way: Way) -> None:
    way.sockets[0].sendall(struct.pack(">I", crossing.MAX_MESSAGE + 1))
    with pytest.raises(Unfit, match="too long"):
        way.there.receive()


def test_nested_too_deeply_on_arrival(way: Way) -> None:
    value: list[Any] = ["t"]
    for _ in range(150):
        value = ["t", value]
    with pytest.raises(Unfit, match="deeply"):
        way.raw([["ok", value], [], [], []])
