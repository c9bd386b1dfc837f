"""Messages between the host and the program inside a sandbox: JSON and raw bytes, with lengths.

A message is two 4-byte lengths, a JSON object and a blob. File descriptors ride along with its
first byte. The guest imports this file too: standard library only.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

HEAD = struct.Struct(">II")
MAX_FDS = 8
#: Largest message, in bytes. Foreign code never writes one, so a larger one is a broken guest.
MAX_MESSAGE = 1 << 30


class Broken(ConnectionError):
    """The other side has gone, or sent what is no message."""


def pack(header: dict[str, Any], blob: bytes = b"") -> bytes:
    """One message as bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
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
    """
    data, fds, _, _ = socket.recv_fds(sock, 65536, MAX_FDS)
    buffer = bytearray(data)
    while len(buffer) < HEAD.size:
        _more(sock, buffer, HEAD.size)
    text, blob = lengths(bytes(buffer[: HEAD.size]))
    end = HEAD.size + text + blob
    while len(buffer) < end:
        _more(sock, buffer, end)
    body = HEAD.size + text
    return json.loads(buffer[HEAD.size : body]), bytes(buffer[body:end]), fds


def _more(sock: socket.socket, buffer: bytearray, end: int) -> None:
    data = sock.recv(min(end - len(buffer), 1 << 20))
    if not data:
        raise Broken("the other side has closed the connection")
    buffer += data
