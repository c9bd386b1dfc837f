"""Finds what must not be told, however it is written: as text, numbers, bytes, tokens, or packed.

`secrets_of` lists what a task must not tell; `leaks` looks for it in anything: observations, infos,
snapshots, with all that they hold. Texts are compared without white space.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import codecs
import dataclasses
import functools
import json
import lzma
import pickle
import re
import types
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from hrmgym.envs.blobs import Blob
from hrmgym.envs.task import CallCase, Task
from hrmgym.envs.tokens import load_tokens
from hrmgym.envs.workspace import Files

#: Characters, without white space, that a line has to be a secret; shorter ones are everywhere.
LEAST = 10
_MOST_TEXTS, _MOST_DEPTH = 20_000, 6
_UNPACK: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x78", lambda data: zlib.decompressobj().decompress(data)),
    (b"\x1f\x8b", lambda data: zlib.decompressobj(31).decompress(data)),
    (b"BZh", lambda data: bz2.BZ2Decompressor().decompress(data)),
    (b"\xfd7zXZ", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"\x80", lambda data: repr(list(_leaves(pickle.loads(data)))).encode()),
)
_DECODE: tuple[tuple[str, Callable[[str], bytes]], ...] = (
    (r"(?:[0-9a-fA-F]{2}[\s:,]?){8,}", lambda text: bytes.fromhex(re.sub(r"[\s:,]", "", text))),
    (r"[A-Za-z0-9+/]{11,}={0,2}", lambda text: _base64(text, b"+/")),
    (r"[A-Za-z0-9_-]{11,}={0,2}", lambda text: _base64(text, b"-_")),
    (r"[A-Z2-7]{16,}=*", lambda text: base64.b32decode(text + "=" * (-len(text) % 8))),
    (r"[!-~]{16,}", base64.b85decode),
    (r"[!-u]{16,}", base64.a85decode),
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[^xuU])", re.DOTALL)
_NUMBERS = re.compile(r"\d+(?:[^\w]{1,4}\d+){7,}")


def secrets_of(task: Task) -> dict[str, str]:
    """What a task must not tell: each secret, and what it is a part of.

    These are the lines of the reference and all that the hidden tests hold, as far as they are
    nowhere among what the agent is given: the prompt, the files and the visible tests. A line that
    is short is taken with its neighbours.
    """
    given = (task.prompt, task.workspace.start, task.visible_tests, task.id, task.tags, task.source)
    public = "\n".join(map(_squash, _told(given)))
    found: dict[str, str] = {}
    for what, data in (("the reference", task.reference), ("a hidden test", task.hidden_tests)):
        for text in _told(data):
            lines = list(map(_squash, text.splitlines()))
            triples = ("".join(lines[max(0, at - 1) : at + 2]) for at in range(len(lines)))
            for secret in (*lines, *triples):
                if len(secret) >= LEAST and secret not in public:
                    found.setdefault(secret, what)
    return found


def _told(data: Any) -> Iterator[str]:
    """All text in something, as it stands there, and calls of a function as Python has them."""
    yield from (leaf for leaf in _leaves(data) if isinstance(leaf, str))
    for part in data if isinstance(data, tuple) else (data,):
        for case in getattr(part, "cases", ()):
            if isinstance(case, CallCase):
                yield from (repr(case.args), repr(case.expected))


def in_plain_sight(task: Task) -> list[str]:
    """Where the files that the agent is given hold a whole solution, or a hidden test file."""
    start = task.workspace.start
    whole = {path: text for path, text in task.reference.items() if start.get(path) != text}
    shown = {path: _squash(text) for path, text in {**start, "the prompt": task.prompt}.items()}
    shared = getattr(task.visible_tests, "files", {}).values()
    hidden = getattr(task.hidden_tests, "files", {})
    whole |= {path: text for path, text in hidden.items() if text not in shared}
    return [
        f"{place} holds {path}"
        for path, text in whole.items()
        for place, seen in shown.items()
        if len(_squash(text)) >= 2 * LEAST and _squash(text) in seen
    ]


def leaks(data: Any, secrets: Mapping[str, str]) -> list[str]:
    """The secrets that something tells, in whatever form; each as `what: secret`."""
    if not secrets:
        return []
    found: dict[str, None] = {}
    for text in _texts(data):
        seen = _squash(text)
        for form in (seen, seen[::-1], codecs.encode(seen, "rot13")):
            found.update({f"{what}: {one}": None for one, what in secrets.items() if one in form})
    return list(found)


def _squash(text: str) -> str:
    return "".join(text.split())


def _texts(data: Any) -> Iterator[str]:
    """Every text in something, and every text that those can be read as."""
    pending = [(leaf, 0) for leaf in _leaves(data)]
    seen: set[Any] = set()
    while pending and len(seen) < _MOST_TEXTS:
        leaf, depth = pending.pop()
        if leaf in seen or not leaf:
            continue
        seen.add(leaf)
        if isinstance(leaf, str):
            yield leaf
        if depth < _MOST_DEPTH:
            pending += [(form, depth + 1) for form in _forms(leaf)]


def _forms(leaf: str | bytes | tuple[int, ...]) -> Iterator[Any]:
    """What a leaf can be read as, one step further."""
    if isinstance(leaf, tuple):
        yield from _readings(leaf)
    elif isinstance(leaf, bytes):
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "latin-1"):
            yield leaf.decode(encoding, "ignore")
        for mark, unpack in _UNPACK:
            for at in re.finditer(re.escape(mark), leaf):
                with suppress(Exception):
                    yield unpack(leaf[at.start() :])
        for kind in ("<i2", ">i2", "<i4", ">i4", "<i8", ">i8", "<f4", "<f8"):
            size = np.dtype(kind).itemsize
            if len(leaf) >= 8 * size and len(leaf) % size == 0:
                yield _whole_numbers(np.frombuffer(leaf, kind).tolist())
        with suppress(zlib.error):
            yield zlib.decompressobj(-15).decompress(leaf)
    else:
        yield from _forms_of_text(leaf)


def _forms_of_text(text: str) -> Iterator[Any]:
    if len(text) < LEAST:
        return
    if "\\" in text:
        yield _ESCAPE.sub(_unescape, text)
    for pattern, decode in _DECODE:
        for run in re.findall(pattern, text):
            with suppress(ValueError, binascii.Error):
                yield decode(run)
    if text.lstrip()[:1] in ("[", "{", '"'):
        with suppress(ValueError, RecursionError):
            yield from _leaves(json.loads(text))
    for run in _NUMBERS.findall(text):
        yield tuple(int(number[:9]) for number in re.findall(r"\d+", run))


def _unescape(found: re.Match[str]) -> str:
    """A character from its escape, as `repr`, JSON and C write it."""
    kind, body = found[1][0], found[1][1:]
    if kind in "xuU":
        return chr(min(int(body, 16), 0x10FFFF))
    return {"n": "\n", "t": "\t", "r": "\r"}.get(kind, found[1])


def _base64(text: str, more: bytes) -> bytes:
    """Decoded from where it may begin, for what stands before it may look like a part of it."""
    return base64.b64decode(text[: len(text.rstrip("=")) // 4 * 4], altchars=more)


def _readings(numbers: tuple[int, ...]) -> Iterator[Any]:
    """What a row of numbers can stand for: tokens, bytes, code points."""
    if len(numbers) < 3:
        return
    tokens = load_tokens()
    if all(0 <= number < tokens.size for number in numbers):
        text = b"".join(tokens.token_bytes(one) if one > tokens.SEP else b"\n" for one in numbers)
        yield text.decode("utf-8", "ignore")
    if all(0 <= number < 256 for number in numbers):
        yield bytes(numbers)
    if all(0 < number < 0xD800 for number in numbers):
        yield "".join(map(chr, numbers))


def _leaves(data: Any, seen: set[int] | None = None) -> Iterator[str | bytes | tuple[int, ...]]:
    """All texts, bytes and rows of whole numbers in something."""
    seen = set() if seen is None else seen
    if isinstance(data, str):
        yield data
    elif isinstance(data, (bytes, bytearray, memoryview)):
        yield bytes(data)
    elif isinstance(data, int) and abs(data) >= 1 << 64:
        yield abs(data).to_bytes(abs(data).bit_length() // 8 + 1, "big")
        yield abs(data).to_bytes(abs(data).bit_length() // 8 + 1, "little")
    elif data is None or isinstance(data, (int, float, complex, np.generic, type)):
        return
    elif id(data) not in seen:
        seen.add(id(data))
        if isinstance(data, np.ndarray):
            yield from _leaves_of_array(data, seen)
            return
        parts = list(_parts(data))
        for kind, join in ((str, "".join), (bytes, b"".join)):
            if parts and all(isinstance(part, kind) for part in parts):
                yield join(parts)
        if whole := _whole_numbers(parts):
            yield whole
        for part in parts:
            yield from _leaves(part, seen)


def _leaves_of_array(array: Any, seen: set[int]) -> Iterator[Any]:
    if array.dtype.kind not in "iufb":
        yield from _leaves(array.tolist(), seen)
        return
    for order in ("C", "F"):
        numbers = array.ravel(order=order).tolist()
        if whole := _whole_numbers(numbers):
            yield whole


def _whole_numbers(parts: Iterable[Any]) -> tuple[int, ...]:
    numbers = tuple(parts)
    if numbers and all(isinstance(one, (int, float, np.number)) for one in numbers):
        with suppress(ValueError, OverflowError):
            return tuple(int(one) for one in numbers)
    return ()


def _parts(data: Any) -> Iterator[Any]:
    """What something holds."""
    if isinstance(data, Files):
        yield from data.items()
    elif isinstance(data, Blob):
        yield data.data
    elif isinstance(data, Mapping):
        yield from data.keys()
        yield from data.values()
    elif isinstance(data, types.FunctionType):
        yield from (cell.cell_contents for cell in data.__closure__ or ())
        yield from data.__defaults__ or ()
    elif isinstance(data, functools.partial):
        yield from (data.func, data.args, data.keywords)
    elif dataclasses.is_dataclass(data):
        yield from (getattr(data, one.name) for one in dataclasses.fields(data))
    elif isinstance(data, Iterable):
        yield from data
    else:
        yield from getattr(data, "__dict__", {}).values()
        for name in getattr(type(data), "__slots__", ()):
            yield getattr(data, name, None)
