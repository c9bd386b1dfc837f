"""What tests and tested code have said to each other while the tests were collected.

Collecting some tests needs the tested code: `from solution import *`, cases that it lists. To all
that it answers, foreign code answers the same as long as those parts of it do not change: then a
process that has collected the tests before is just as good as one that collects them anew, and far
cheaper. So the messages are kept; the next run has them answered again and compares every byte.
Inside the sandbox of the tests only. Standard library only.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.between import crossing

#: Whether the tests have said it, and what.
Message = tuple[bool, bytes]
_HEAD = struct.Struct(">?I")
#: Bytes of the longest conversation that is worth keeping.
MOST_BYTES = 4 << 20


class Tape:
    """Messages in their order, which `record` has an exchange add to.

    Args:
        ahead: Messages that have been exchanged with the other side already: they are not sent or
            awaited again.
    """

    def __init__(self, ahead: Iterable[Message] = ()) -> None:
        self._ahead = deque(ahead)
        self.messages: list[Message] = []
        self.diverged = False
        """Whether the tests did not ask what they had asked before: tests that draw lots."""

    def record(self, link: crossing.Exchange) -> None:
        """Keep what goes over a connection, until `stop`."""
        there: Any = link
        put, get = link.put, link.get

        def recording_put(data: bytes) -> None:
            if not self._ahead:
                put(data)
            elif self._ahead.popleft() != (True, data):
                self._diverge()
            self.messages.append((True, data))

        def recording_get() -> bytes:
            if not self._ahead:
                data = get()
            else:
                ours, data = self._ahead.popleft()
                if ours:
                    self._diverge()
            self.messages.append((False, data))
            return data

        there.put, there.get = recording_put, recording_get

    def stop(self, link: crossing.Exchange) -> None:
        """Keep no more of what goes over a connection."""
        vars(link).pop("put", None)
        vars(link).pop("get", None)
        self.diverged = self.diverged or bool(self._ahead)

    def _diverge(self) -> NoReturn:
        self.diverged = True
        raise crossing.Lost

    def replay(self, link: crossing.Exchange, ahead: list[Message]) -> list[Message] | None:
        """Say it all again, but for what was exchanged already.

        Returns:
            None where the answers are the same; else all that was exchanged, the first answer that
            differs included.

        Raises:
            Lost: The other side has closed the connection.
            Unfit: It has answered what is no message.
        """
        if ahead != self.messages[: len(ahead)]:
            return ahead
        said = list(ahead)
        for ours, data in self.messages[len(ahead) :]:
            if ours:
                link.put(data)
                said.append((True, data))
            else:
                said.append((False, link.get()))
                if said[-1][1] != data:
                    return said
        return None


def packed(messages: Iterable[Message]) -> bytes:
    """Messages as bytes."""
    return b"".join(_HEAD.pack(ours, len(data)) + data for ours, data in messages)


def unpacked(data: bytes) -> list[Message]:
    """The messages of such bytes."""
    messages, start = [], 0
    while start < len(data):
        ours, size = _HEAD.unpack_from(data, start)
        start += _HEAD.size + size
        messages.append((ours, data[start - size : start]))
    return messages
