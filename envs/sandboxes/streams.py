"""Reading pipes of foreign programs: bounded, and without blocking the event loop."""

from __future__ import annotations

import asyncio
import os


class Pipe:
    """Collects what arrives at a pipe: its beginning and its end, at most `keep` bytes.

    What lies between is read, counted and dropped, so that no writer blocks.
    """

    def __init__(self, fd: int, keep: int) -> None:
        self._fd, self._half = fd, max(1, keep // 2)
        self._head, self._tail = bytearray(), bytearray()
        self._dropped = 0
        self.ended = asyncio.Event()
        self.news = asyncio.Event()
        os.set_blocking(fd, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._ready)

    def _ready(self) -> None:
        """Take one piece; the loop calls again while there is more."""
        try:
            data = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return
        self.news.set()
        if not data:
            self.close()
            return
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        extra = len(self._tail) - self._half
        if extra > self._half:  # twice the size before it is cut: each byte moves once
            self._dropped += extra
            del self._tail[:extra]

    def drain(self) -> None:
        """Take what is there now; at most as much as a pipe holds, for a writer may go on."""
        for _ in range(32):
            if self._fd < 0:
                return
            size = len(self._head) + len(self._tail) + self._dropped
            self._ready()
            if len(self._head) + len(self._tail) + self._dropped == size:
                return

    def take(self) -> bytes:
        """What has arrived since the last call."""
        extra = len(self._tail) - self._half
        if extra > 0:
            self._dropped += extra
            del self._tail[:extra]
        middle = b""
        if self._dropped:
            middle = b"\n[%d bytes left out]\n" % self._dropped
        data = bytes(self._head) + middle + bytes(self._tail)
        self._head.clear()
        self._tail.clear()
        self._dropped = 0
        self.news.clear()
        return data

    def close(self) -> None:
        """Stop reading."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
            self.ended.set()


def text_of(data: bytes) -> str:
    """Output as text; bytes that are no UTF-8 become escapes."""
    return data.decode(errors="backslashreplace")
