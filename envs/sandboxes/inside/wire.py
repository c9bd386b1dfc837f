"""Messages between the host and the program inside a sandbox: JSON and raw bytes, with lengths.

A message is two 4-byte lengths, a JSON object and a blob. File descriptors ride along with its
first byte. The guest imports this file too: standard library only.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from typing import Any

HEAD = struct.Struct(">II")
# json.dumps and json.loads would make one each time
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode
MAX_FDS = 8
_ROOM = socket.CMSG_LEN(MAX_FDS * struct.calcsize("i"))
#: Largest message, in bytes. Foreign code never writes one, so a larger one is a broken guest.
MAX_MESSAGE = 1 << 30


class Broken(ConnectionError):
    """The other side has gone, or sent what is no message."""


def pack(header: dict[str, Any], blob: bytes = b"") -> bytes:
    """One message as bytes."""
    text = _encode(header).encode()
    return HEAD.pack(len(text), len(blob)) + text + blob


def lengths(head: bytes) -> tuple[int, int]:
    """Lengths of the JSON object and of the blob, from a message's first 8 bytes."""
    text, blob = HEAD.unpack(head)
    if text + blob > MAX_MESSAGE:
        raise Broken("a message is too long")
    return text, blob


def receive(sock: socket.socket) -> tuple[dict[str, Any], bytes, list[int]]:
    """The next message of a blocking socket, with its file descriptors.

    Raises:
        Broken: The other side has closed the connection.
        OSError: Descriptors have come for which this process has no room.
    """
    data, more, flags, _ = sock.recvmsg(65536, _ROOM)
    if flags & socket.MSG_CTRUNC:  # a descriptor could not be made here
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    fds = [fd for _, _, numbers in more for fd in memoryview(numbers).cast("i")]
    if len(data) < HEAD.size:
        data = _more(sock, data, HEAD.size)
    text, blob = lengths(data[: HEAD.size])
    body = HEAD.size + text
    if len(data) < body + blob:
        data = _more(sock, data, body + blob)
    return _decode(data[HEAD.size : body].decode()), data[body : body + blob], fds


def _more(sock: socket.socket, data: bytes, end: int) -> bytes:
    buffer = bytearray(data)
    while len(buffer) < end:
        data = sock.recv(min(end - len(buffer), 1 << 20))
        if not data:
            raise Broken("the other side has closed the connection")
        buffer += data
    return bytes(buffer)
