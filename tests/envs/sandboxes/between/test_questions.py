"""What the tests ask, and what becomes of answers that are none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from hrmgym.envs.sandboxes.between import crossing
from hrmgym.envs.sandboxes.between.questions import Aborted, NotApart, Questions


class Asker(Questions):
    """Keeps what the tests got by name."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.got: list[Any] = []

    def note_named(self, value: Any) -> None:
        self.got.append(value)


class Pair:
    """The asking end, and one that has its answers ready before it is asked."""

    def __init__(self) -> None:
        here, self.there = socket.socketpair()
        self.asker, self.peer = Asker(here), crossing.Exchange(self.there, 1)
        self.sockets = here, self.there

    def answers(self, kind: str, value: Any) -> None:
        self.peer.send([kind, self.peer.pack(value)])

    def asked(self) -> list[Any]:
        head, _ = self.peer.receive()
        return [head[0], *map(self.peer.unpack, head[1:])]


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    for sock in made.sockets:
        sock.close()


def test_a_question_brings_its_answer(pair: Pair) -> None:
    pair.answers("ok", 5)
    assert pair.asker.operate("x", "__add__", (2,)) == 5
    assert pair.asked() == ["op", "x", "__add__", (2,)]
    pair.answers("ok", (1, "a"))
    assert pair.asker.call_method("x", "pop", (0,), {"key": 1}) == (1, "a")
    assert pair.asked() == ["method", "x", "pop", (0,), (("key", 1),)]
    pair.answers("ok", 1)
    assert pair.asker.compare("x", "y") is False  # not what equal objects say
    pair.answers("ok", "v")
    assert pair.asker.named_attribute("module", "name") == "v"
    assert pair.asker.got == ["v"]


def test_an_iterator_ends_with_its_value(pair: Pair) -> None:
    pair.answers("ok", 1)
    pair.answers("stop", 7)
    assert pair.asker.following("it") == 1
    with pytest.raises(StopIteration) as ended:
        pair.asker.following("it")
    assert ended.value.value == 7


def test_an_error_that_is_none_stops_no_tests(pair: Pair) -> None:
    pair.answers("err", "nothing that can be raised")
    with pytest.raises(Aborted):
        pair.asker.ask_for("attr", "x", "y")
    assert not pair.asker.lost


def test_who_has_gone_is_asked_no_more(pair: Pair) -> None:
    pair.there.close()
    for _ in range(2):
        with pytest.raises(crossing.Lost):
            pair.asker.attribute("x", "y")
    assert pair.asker.lost
    assert not pair.asker.broken
    assert pair.asker.fault == ""


def test_an_answer_that_cannot_be_read_is_the_last(pair: Pair) -> None:
    pair.there.sendall(b"\0\0\0\x02{}")
    with pytest.raises(crossing.Lost):
        pair.asker.attribute("x", "y")
    assert pair.asker.broken
    assert "cannot be read" in pair.asker.fault
    with pytest.raises(crossing.Lost):
        pair.asker.attribute("x", "y")


def test_the_first_refusal_counts(pair: Pair) -> None:
    with pytest.raises(NotApart, match="the test does this, which cannot be done"):
        pair.asker.refuse("does this", "code")
    with pytest.raises(NotApart, match="does this"):
        pair.asker.refuse("does that")
    assert pair.asker.blamed == "code"


STEPS: list[tuple[str, tuple[str, ...]]] = [("one", ()), ("two", ("a", "b"))]
MODULE = (("ok", "m"),)


def test_names_are_bound_together(pair: Pair) -> None:
    found = (MODULE, (("ok", "n"), ("ok", 1), ("ok", 2)))
    pair.answers("ok", found)
    assert pair.asker.bind(STEPS) == list(found)
    assert pair.asked() == ["bind", tuple(STEPS)]
    assert pair.asker.got == [1, 2]  # modules are known by name anyway


@pytest.mark.parametrize(
    "found",
    [
        None,
        (MODULE,),  # too few
        (MODULE, (("ok", "n"), ("ok", 1))),  # a name left out
        (MODULE, (("ok", "n"), ("ok", 1), ("maybe", 2))),
        (MODULE, (("ok", "n"), ("ok", 1), ("err", "no exception"))),
        (MODULE, "text"),
    ],
)
def test_imports_that_are_none_end_it(found: Any, pair: Pair) -> None:
    pair.answers("ok", found)
    with pytest.raises(crossing.Lost):
        pair.asker.bind(STEPS)
    assert pair.asker.lost
    assert "no imports" in pair.asker.fault
