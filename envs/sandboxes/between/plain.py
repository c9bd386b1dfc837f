"""Immutable plain values as JSON, beyond what JSON has: see crossing.py.

The text may come from foreign code, so only what is known here is read. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

_WIDE = 1 << 63  # larger integers travel in hexadecimal: decimal is quadratic


class Unfit(ValueError):
    """A message that is none, or past a limit."""


#: Classes of other plain values, by module; imported only by who has loaded that module anyway.
_RARE = {
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "datetime": ("date", "time", "datetime", "timedelta"),
}


def to_json(value: Any, kind: type) -> Any:
    """JSON for a value of a class; None where it is none of these."""
    if kind is int:
        return value if -_WIDE < value < _WIDE else ["i", hex(value)]
    if kind is float:
        return value if math.isfinite(value) else ["f", repr(value)]
    if kind is bytes:
        return ["b", value.hex()]
    if kind is complex:
        return ["j", repr(value.real), repr(value.imag)]
    if value is NotImplemented:
        return ["N"]
    if value is ...:
        return ["E"]
    if kind.__module__ in _RARE and kind.__name__ in _RARE[kind.__module__]:
        return _rare_to_json(value, kind)
    return None


def are_flat(items: list[Any]) -> bool:
    """Whether each of them is its own JSON."""
    kinds = set(map(type, items))
    if kinds == {int}:
        return bool(min(items) > -_WIDE and max(items) < _WIDE)
    return kinds <= {str, bool, type(None)}


def integer(value: Any) -> int:
    if type(value) is not int:
        raise Unfit("not an integer")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Unfit("not a text")
    return value


def _rare_to_json(value: Any, kind: type) -> list[Any] | None:
    name = kind.__name__
    if name == "Decimal":
        return ["D", str(value)]
    if name == "Fraction":
        return ["Q", hex(value.numerator), hex(value.denominator)]
    if name == "timedelta":
        return ["td", value.days, value.seconds, value.microseconds]
    if name == "date":
        return ["date", value.isoformat()]
    zone = value.tzinfo
    if zone is None or zone is type(zone).__dict__.get("utc"):
        return [name, value.isoformat(), value.fold]
    return None


def _rare(module: str, name: str) -> Any:
    import importlib

    return getattr(importlib.import_module(module), name)


def _moment(name: str, text: str, fold: int) -> Any:
    moment = _rare("datetime", name).fromisoformat(_text(text))
    return moment.replace(fold=1) if fold == 1 else moment


def _special_float(text: str) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise Unfit("not a float")
    return float(text)


#: Tag -> what makes the value of the rest.
FROM_JSON: dict[str, Callable[..., Any]] = {
    "i": lambda text: int(_text(text), 16),
    "f": _special_float,
    "b": lambda text: bytes.fromhex(_text(text)),
    "j": lambda real, imag: complex(float(_text(real)), float(_text(imag))),
    "N": lambda: NotImplemented,
    "E": lambda: ...,
    "D": lambda text: _rare("decimal", "Decimal")(_text(text)),
    "Q": lambda up, down: _rare("fractions", "Fraction")(int(_text(up), 16), int(_text(down), 16)),
    "td": lambda *parts: _rare("datetime", "timedelta")(*map(integer, parts)),
    "date": lambda text: _rare("datetime", "date").fromisoformat(_text(text)),
    "time": lambda *parts: _moment("time", *parts),
    "datetime": lambda *parts: _moment("datetime", *parts),
}
