"""What goes wrong with files: mutations of bytes, of the data in them, and of what is at a path.

A case is its seed: the same seed always gives the same file.
"""

from __future__ import annotations

import copy
import json
import math
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

#: Pieces that are put into a file: what parsers of JSON, YAML and numbers stumble over.
_PIECES: tuple[bytes, ...] = (
    *(b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3\x28", b"\r", b"\r\n", b"\n"),
    *(b"\t", b"\x1b[31m", b"\x7f", "\u2028\x85\u0130".encode(), b"NaN", b"-Infinity", b".nan"),
    *(b"1e999", b"9" * 5000, b"0x" + b"f" * 5000, b"-0", b"010", b"1_000", b"[" * 3000, b"{" * 300),
    *(
        b"{a: " * 2000,
        b'{"a":' * 2000,
        b"- " * 2000,
        b"]",
        b"}",
        b'"',
        b"'",
        b":",
        b": ",
        b",",
        b"#",
    ),
    *(b"\\ud800", b"\\u0000", b"&a [*a]", b"*a", b"<<: {a: 1}", b"!!python/object:os.system x"),
    *(b"!!int x", b"!!timestamp 2001-01-01", b"? [a]", b"---\n", b"...\n", b"%YAML 9.9\n", b"@"),
    *(
        b"null",
        b"true",
        b"~",
        b"2001-01-01",
        b"12:30:45",
        b"|\n",
        b">-\n",
        b"/",
        b"../",
        b"=",
        b".",
    ),
)

#: What takes the place of a value.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -(10**30), 0.5, -0.0, 1e308, math.nan),
    *(
        math.inf,
        -math.inf,
        "",
        " ",
        "x",
        "\0",
        "a\nb",
        "\ud800",
        "../../etc",
        "/dev/null",
        "é" * 300,
    ),
    *(
        "[red]",
        "nan",
        "1",
        [],
        {},
        [[]],
        [None],
        {"": 1},
        {"kind": 1},
        ["x", "x"],
        [1, [2, {"a": 3}]],
    ),
)


class Twin(str):
    """A key that stands twice in one object."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def bytes_of(data: bytes, rng: random.Random) -> bytes:
    """The file with one to three faults in its bytes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, end = sorted(rng.randint(0, len(data)) for _ in range(2))
        near = min(at + rng.randint(1, 12), len(data))
        match rng.randrange(9):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[near:]
            case 2:
                data = data[:at] + data[at:end] + data[at:]
            case 3 | 4 | 5:
                data = data[:at] + rng.choice(_PIECES) + data[near if rng.random() < 0.5 else at :]
            case 6:
                flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in data[at:near])
                data = data[:at] + flipped + data[near:]
            case 7:
                lines = data.split(b"\n")
                one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
                lines[one] = rng.choice((lines[other], b"", b"  " + lines[one], lines[one].strip()))
                data = b"\n".join(lines)
            case 8:
                data = rng.choice((b"", data[:at] * 2, rng.randbytes(64), b"\n", data[::-1]))
    return data


def value_of(data: Any, rng: random.Random) -> Any:
    """The data with one to three faults in it; what it was given stays as it is."""
    data = copy.deepcopy(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = _one_fault(data, rng)
    if rng.random() < 0.03:  # last, since what is as deep as that cannot be copied
        places = list(_places(data))
        if places:
            holder, key = rng.choice(places)
            holder[key] = _nested(holder[key], 400, rng)
    return data


def _nested(value: Any, depth: int, rng: random.Random) -> Any:
    for _ in range(depth):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def _one_fault(data: Any, rng: random.Random) -> Any:
    places = list(_places(data))
    if not places or rng.random() < 0.02:
        return copy.deepcopy(rng.choice(VALUES))  # not itself: faults are made in place
    holder, key = rng.choice(places)
    if isinstance(holder, dict) and rng.random() < 0.5:
        value = holder[key]
        match rng.randrange(4):
            case 0:
                del holder[key]
            case 1:
                holder[Twin(key)] = copy.deepcopy(value)
            case 2:
                del holder[key]
                name = rng.choice((key + "s", key[1:], key.upper(), "\ud800", "", "a.b", "[/x]"))
                holder[name] = value
            case 3:
                other = rng.choice(places)
                holder[key] = copy.deepcopy(other[0][other[1]])
    elif isinstance(holder, list) and rng.random() < 0.3:
        if rng.random() < 0.5:
            del holder[key]
        else:
            holder.insert(key, copy.deepcopy(holder[key]))
    elif rng.random() < 0.1:
        holder[key] = _nested(holder[key], rng.choice((3, 90)), rng)
    elif isinstance(holder[key], str) and rng.random() < 0.4:
        text = holder[key].encode("utf-8", "surrogatepass")
        holder[key] = bytes_of(text, rng).decode("utf-8", "surrogateescape")
    elif type(holder[key]) in (int, float) and rng.random() < 0.4:
        holder[key] = _times(rng.choice((-1, 0, 0.5, 2, 1000, 1e300)), holder[key])
    else:
        holder[key] = copy.deepcopy(rng.choice(VALUES))
    return data


def _times(factor: float, number: float) -> float:
    try:
        return factor * number
    except OverflowError:  # a whole number beyond what a float holds
        return math.inf


def _places(data: Any) -> Any:
    """(object or list, key) of every value."""
    keys = (
        list(data) if isinstance(data, dict) else range(len(data) if isinstance(data, list) else 0)
    )
    for key in keys:
        yield data, key
        yield from _places(data[key])


# --- formats -------------------------------------------------------------------------------------


def json_file(data: bytes, rng: random.Random) -> bytes:
    """Of one JSON value."""
    if rng.random() < 0.4:
        return bytes_of(data, rng)
    return json.dumps(value_of(json.loads(data), rng), indent=rng.choice((None, 1))).encode()


def json_lines(data: bytes, rng: random.Random) -> bytes:
    """Of one JSON value a line."""
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    if rng.random() < 0.4:
        return bytes_of(data, rng)
    lines[at] = json.dumps(value_of(json.loads(lines[at]), rng)).encode()
    return b"\n".join(lines)


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(Twin, lambda dumper, text: dumper.represent_str(str(text)))


def yaml_file(data: bytes, rng: random.Random) -> bytes:
    """Of one YAML document; aliases are written where a value stands twice."""
    if rng.random() < 0.5:
        return bytes_of(data, rng)
    made = value_of(yaml.safe_load(data), rng)
    try:
        return yaml.dump(made, Dumper=_Dumper, sort_keys=False, allow_unicode=True).encode()
    except (UnicodeError, RecursionError, ValueError):  # JSON is YAML, too
        return json.dumps(made, indent=1).encode()


def safetensors(data: bytes, rng: random.Random) -> bytes:
    """The header (JSON after its length), the tensors, or both."""
    size = struct.unpack("<Q", data[:8])[0]
    if rng.random() < 0.5:
        return bytes_of(data, rng)
    header = json.dumps(value_of(json.loads(data[8 : 8 + size]), rng)).encode()
    told = rng.choice((len(header), len(header), len(header), 0, 2**63, len(header) + 1))
    return struct.pack("<Q", told) + header + data[8 + size :]


# --- paths ---------------------------------------------------------------------------------------


def _folder(path: Path) -> None:
    path.mkdir()


def _broken_link(path: Path) -> None:
    path.symlink_to(path.with_name("nothing-there"))


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _unreadable(path: Path) -> None:
    path.write_text("{}")
    path.chmod(0)


#: What may be at a path in a file's place.
PLACES: dict[str, Callable[[Path], None]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b"") and None,
    "a folder": _folder,
    "a broken link": _broken_link,
    "a link to itself": _loop,
}
if os.geteuid() != 0:
    PLACES["unreadable"] = _unreadable
