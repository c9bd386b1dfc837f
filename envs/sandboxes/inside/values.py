"""Plain Python values as JSON that keeps their exact types.

JSON's own `null`, booleans, strings, arrays and numbers stand for None, bool, str, list, int and
float; every other kind is an object with one key, its tag. A class travels by its name. The text
may come from foreign code, so `decode` accepts nothing else. The program inside a sandbox imports
this file too: standard library only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

MAX_DEPTH = 64
_MOST_LINES = 1 << 31
_WIDE = 1 << 63  # larger integers travel in hexadecimal: decimal is quadratic, and capped by Python


class Opaque:
    """Stands for a value that is not plain. It equals nothing, itself included."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Named:
    """A class or function by its module and its name there, for example `builtins` and `int`.

    Nothing is imported outside a sandbox: there, such a value equals the class of that name, and
    its like.
    """

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, type):
            other = _named(other)
        if not isinstance(other, Named):
            return NotImplemented
        return (self.module, self.name) == (other.module, other.name)

    def __hash__(self) -> int:
        return hash((self.module, self.name))

    def __repr__(self) -> str:
        return self.name if self.module == "builtins" else f"{self.module}.{self.name}"


class Unfit(ValueError):
    """Text that is no encoded value, or a value past a limit."""


def plain(text: str, most: int = 1 << 30) -> str:
    """The first characters of a text as a real `str`: a subclass may do anything when it is cut."""
    return str.__getitem__(text, slice(most))


def name_of(kind: type) -> str:
    """The name of a class as the interpreter has it, whatever its metaclass says."""
    return plain(type.__dict__["__name__"].__get__(kind), 60)


def line_number(value: Any) -> int:
    """`value` where it can be the number of a line; else 0."""
    return value if type(value) is int and 0 < value < _MOST_LINES else 0


def _named(cls: type) -> Named | Opaque:
    """A class by the names that the interpreter has for it."""
    module = type.__dict__["__module__"].__get__(cls)
    if type(module) is not str:  # foreign code may put anything there
        return Opaque("type")
    return Named(module, plain(type.__dict__["__qualname__"].__get__(cls), 1000))


def lineage(cls: type) -> list[str]:
    """The class and its bases, in the order of their lookup, each as `module:name`."""
    found = (_named(one) for one in type.__dict__["__mro__"].__get__(cls))
    return [f"{one.module}:{one.name}" for one in found if isinstance(one, Named)]


def encode(value: Any, budget: int = 1 << 30, depth: int = MAX_DEPTH) -> Any:
    """The JSON form of `value`; anything whose type is not exactly a plain one becomes opaque.

    Raises:
        Unfit: It has more than `budget` parts and characters, or is nested deeper than `depth`.
    """
    return _encode(value, [budget], depth)


def _encode(value: Any, left: list[int], depth: int) -> Any:
    kind = type(value)
    _spend(left, 1)
    if value is None or kind is bool:
        return value
    if kind is int:
        if -_WIDE < value < _WIDE:
            return value
        _spend(left, value.bit_length() >> 2)
        return {"i": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"f": repr(value)}
    if kind is str:
        _spend(left, len(value))
        return value
    if kind is bytes:
        _spend(left, 2 * len(value))
        return {"b": value.hex()}
    if kind not in (list, tuple, set, frozenset, dict):
        if kind is Named or issubclass(kind, type):
            one = value if kind is Named else _named(value)
            if type(one) is Named:
                return {"n": f"{one.module}:{one.name}"}
        return {"o": name_of(kind)}
    if depth == 0:
        raise Unfit("nested too deeply")
    if kind is dict:
        pairs = []
        for key, item in value.items():
            pairs.append([_encode(key, left, depth - 1), _encode(item, left, depth - 1)])
        return {"d": pairs}
    items = [_encode(item, left, depth - 1) for item in value]
    if kind is list:
        return items
    if kind is tuple:
        return {"t": items}
    items.sort(key=json.dumps)  # the same text for equal sets
    return {"s" if kind is set else "z": items}


def _spend(left: list[int], size: int) -> None:
    left[0] -= size
    if left[0] < 0:
        raise Unfit("too large")


def is_plain(encoded: Any) -> bool:
    """Whether an encoded value holds nothing opaque, so that decoding gives an equal one."""
    if isinstance(encoded, list):
        return all(map(is_plain, encoded))
    if isinstance(encoded, dict):
        ((tag, body),) = encoded.items()
        return tag != "o" and is_plain(body)
    return True


def decode(data: Any, depth: int = MAX_DEPTH, find: Callable[[str, str], Any] = Named) -> Any:
    """The value that `data`, parsed JSON, stands for.

    Args:
        data: Parsed JSON.
        depth: How many values may lie in each other.
        find: What stands for a class or function of a module of that name.

    Raises:
        Unfit: It stands for none.
    """
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    if depth < 0:
        raise Unfit("nested too deeply")
    if isinstance(data, list):
        return [decode(item, depth - 1, find) for item in data]
    if not isinstance(data, dict) or len(data) != 1:
        raise Unfit("not an encoded value")
    ((tag, body),) = data.items()
    try:
        if tag in ("t", "s", "z") and isinstance(body, list):
            items = [decode(item, depth - 1, find) for item in body]
            return tuple(items) if tag == "t" else set(items) if tag == "s" else frozenset(items)
        if tag == "d" and isinstance(body, list):
            less = depth - 1
            return {decode(k, less, find): decode(v, less, find) for k, v in body}
        if isinstance(body, str) and tag != "n":
            return _decode_text(tag, body)
    except (TypeError, ValueError) as error:  # an unhashable key, a pair of three, bad hexadecimal
        raise Unfit(str(error)) from None
    if tag == "n" and isinstance(body, str):
        module, _, name = body.partition(":")
        return find(module, name)
    raise Unfit(f"unknown tag {tag[:20]!r}")


def _decode_text(tag: str, body: str) -> Any:
    if tag == "i":
        return int(body, 16)
    if tag == "f" and body in ("nan", "inf", "-inf"):
        return float(body)
    if tag == "b":
        return bytes.fromhex(body)
    if tag == "o":
        return Opaque(body[:60])
    raise Unfit(f"unknown tag {tag[:20]!r}")


def _no_constant(text: str) -> NoReturn:
    raise Unfit(f"{text} is not JSON")


_parse = json.JSONDecoder(parse_constant=_no_constant).decode  # json.loads would make one each time


def parse(text: str | bytes) -> Any:
    """JSON text from foreign code as Python data.

    Raises:
        Unfit: It is not JSON.
    """
    try:
        return _parse(text if isinstance(text, str) else text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise Unfit(str(error)) from None


def same(value: Any, expected: Any, tolerance: float | None = None) -> bool:
    """Whether `value == expected`; with a tolerance, whether the numbers in them are that near.

    Unlike in Python, where nothing equals it, a NaN is what a NaN in `expected` asks for.
    """
    if tolerance is None and value == expected:
        return True
    if isinstance(expected, (list, tuple)):
        return (
            type(value) is type(expected)
            and len(value) == len(expected)
            and all(same(a, b, tolerance) for a, b in zip(value, expected, strict=True))
        )
    if isinstance(expected, dict):
        return (
            type(value) is dict
            and value.keys() == expected.keys()
            and all(same(value[key], item, tolerance) for key, item in expected.items())
        )
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(value, float) and math.isnan(value)
    if tolerance is None:
        return False
    if isinstance(expected, (int, float)) and isinstance(value, (int, float)):
        try:
            return value == expected or abs(value - expected) <= tolerance
        except OverflowError:  # an integer that no float can hold
            return False
    return bool(value == expected)


def show(value: Any, width: int = 120) -> str:
    """`repr(value)`, cut to `width` characters, with the members of sets in a fixed order."""
    return cut(_show(value, width), width)


def cut(text: str, width: int) -> str:
    """`text`, or its beginning and an ellipsis, at most `width` characters."""
    return text if len(text) <= width else text[: width - 3] + "..."


def _show(value: Any, width: int) -> str:
    if isinstance(value, int) and abs(value) >= 1 << 1000:
        return hex(value)
    if isinstance(value, (str, bytes)):
        return repr(value[: width + 1])
    if isinstance(value, dict):
        pairs = [f"{_show(k, width)}: {_show(v, width)}" for k, v in _first(value.items(), width)]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (set, frozenset)):
        parts = sorted(_show(item, width) for item in value)
        text = "{" + ", ".join(parts) + "}" if parts else ""
        if isinstance(value, frozenset):
            return f"frozenset({text})"
        return text or "set()"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(_show(item, width) for item in _first(value, width))
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def _first(items: Any, most: int) -> list[Any]:
    return [item for item, _ in zip(items, range(most), strict=False)]
