"""Conversations that are had again: between two ends in one process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hrmgym.envs.sandboxes.between import crossing, tapes

Answers = Callable[[bytes], bytes]


@pytest.fixture
def connect() -> Iterator[Callable[[Answers], crossing.Exchange]]:
    """Makes an end whose other end gives these answers."""
    sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def make(answers: Answers) -> crossing.Exchange:
        ours, theirs = socket.socketpair()
        sockets.extend((ours, theirs))
        there = crossing.Exchange(theirs, 1)

        def serve() -> None:
            try:
                while True:
                    there.put(answers(there.get()))
            except crossing.Lost:
                theirs.close()

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()
        return crossing.Exchange(ours, 0)

    yield make
    for sock in sockets:
        if sock.fileno() >= 0:
            sock.close()
    for thread in threads:
        thread.join(5)


def ask(link: crossing.Exchange, *questions: bytes) -> list[bytes]:
    answers = []
    for question in questions:
        link.put(question)
        answers.append(link.get())
    return answers


def recorded(link: crossing.Exchange, *questions: bytes, ahead: Any = ()) -> tapes.Tape:
    tape = tapes.Tape(ahead)
    tape.record(link)
    try:
        ask(link, *questions)
    except crossing.Lost:
        assert tape.diverged
    finally:
        tape.stop(link)
    return tape


def upper(data: bytes) -> bytes:
    return data.upper()


def test_the_same_answers(connect: Any) -> None:
    tape = recorded(connect(upper), b"a", b"b")
    assert tape.messages == [(True, b"a"), (False, b"A"), (True, b"b"), (False, b"B")]
    assert tape.replay(connect(upper), []) is None
    assert not tape.diverged


def test_another_answer_is_handed_on(connect: Any) -> None:
    tape = recorded(connect(upper), b"a", b"b", b"c")
    link = connect(lambda data: data.upper() if data == b"a" else b"?")
    said = tape.replay(link, [])
    assert said == [(True, b"a"), (False, b"A"), (True, b"b"), (False, b"?")]
    assert tape.replay(link, said) == said
    # another process goes on from there, with the same connection
    other = recorded(link, b"a", b"b", b"d", ahead=tapes.unpacked(tapes.packed(said)))
    assert other.messages == [*said, (True, b"d"), (False, b"?")]
    assert not other.diverged
    assert other.replay(connect(lambda data: data.upper() if data == b"a" else b"?"), []) is None


@pytest.mark.parametrize("questions", [(b"x",), (b"a", b"x"), (b"a",)])
def test_other_questions_are_noticed(connect: Any, questions: tuple[bytes, ...]) -> None:
    ahead = [(True, b"a"), (False, b"A"), (True, b"b"), (False, b"B")]
    assert recorded(connect(upper), *questions, ahead=ahead).diverged


def test_an_end_is_an_end(connect: Any) -> None:
    tape = recorded(connect(upper), b"a")

    def leave(data: bytes) -> bytes:
        raise crossing.Lost

    with pytest.raises(crossing.Lost):
        tape.replay(connect(leave), [])


def test_messages_as_bytes() -> None:
    messages = [(True, b""), (False, b"\0\xff" * 1000), (True, b"x")]
    assert tapes.unpacked(tapes.packed(messages)) == messages
    assert tapes.unpacked(b"") == []
