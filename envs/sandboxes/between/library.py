"""Values of the standard library's classes that cross over as plain parts.

They are data: what is made of the parts decides for itself what it equals, so foreign code may send
them too. A class counts only by identity, never by its name alone. Standard library only; a module
is imported where one of its values is.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from hrmgym.envs.sandboxes.between.plain import Unfit, integer

Parts = list[Any]
#: Modules whose enumerations may be made of a name that foreign code has sent.
_ENUMS = ("calendar", "enum", "http", "plistlib", "re", "signal", "socket", "uuid")
_VIEWS: dict[type, str] = {
    type({}.keys()): "keys",
    type({}.values()): "values",
    type({}.items()): "items",
    MappingProxyType: "proxy",
}


#: Of these, foreign code may say that it means the same function or class: they are pure, and make
#: nothing but data.
_PURE = {
    "builtins": "abs all any ascii bin chr divmod hex len max min oct ord pow round sorted sum",
    "operator": (
        "abs add and_ concat contains eq floordiv ge gt index inv invert le lshift lt matmul mod "
        "mul ne neg not_ or_ pos pow rshift sub truediv truth xor"
    ),
    "math": "*",
    "collections": "Counter OrderedDict defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "ipaddress": "IPv4Address IPv6Address IPv4Network IPv6Network IPv4Interface IPv6Interface",
    "pathlib": "PurePath PurePosixPath PureWindowsPath",
    "types": "NoneType EllipsisType SimpleNamespace MappingProxyType",
    "uuid": "UUID",
}


def shared_name(value: Any) -> list[str] | None:
    """Module and name of a function or class that foreign code may name: both sides have it."""
    name = getattr(value, "__name__", None)
    module = getattr(value, "__module__", None)
    if type(name) is not str or type(module) is not str:
        return None
    module = "operator" if module == "_operator" else module.partition(".")[0]
    if module == "builtins" and (value is type(None) or value is type(...)):
        module = "types"
    found = vars(sys.modules.get(module, object)).get(name)
    return [module, name] if found is value and _is_pure(module, name) else None


def _is_pure(module: str, name: str) -> bool:
    names = _PURE.get(module, "")
    return name[:1] != "_" if names == "*" else name in names.split()


def shared(module: Any, name: Any) -> Any:
    """What `shared_name` names.

    Raises:
        Unfit: Foreign code may not name it, or there is no such thing.
    """
    if type(module) is not str or type(name) is not str or not _is_pure(module, name):
        raise Unfit("not a name that both sides have")
    found = vars(importlib.import_module(module)).get(name)
    if not callable(found):
        raise Unfit("not a name that both sides have")
    return found


def parts(value: Any, kind: type) -> Parts | None:
    """A tag and the parts, which may have to cross over in turn; None for other values."""
    if kind in _VIEWS:
        held = dict.fromkeys(value) if _VIEWS[kind] == "keys" else value
        held = dict(enumerate(value)) if _VIEWS[kind] == "values" else dict(held)
        return [_VIEWS[kind], held]
    module, name = kind.__module__.partition(".")[0], kind.__qualname__
    if (module, name) in _SPLIT and _is_of(kind, module, name):
        return [f"{module}.{name}", *_SPLIT[module, name](value)]
    if module in _ENUMS and hasattr(kind, "_member_map_") and _is_of(kind, module, name):
        return ["enum", module, name, value.value]
    return None


def _is_of(kind: type, module: str, name: str) -> bool:
    """Whether a class is the standard library's of that name."""
    return vars(sys.modules.get(module, object)).get(name) is kind


def make(tag: str, given: Parts) -> Any:
    """The value of a tag and its parts.

    Raises:
        Unfit: They are none.
    """
    try:
        return _make(tag, given)
    except Unfit:
        raise
    except Exception as error:  # of re, zoneinfo and others, each has its own
        raise Unfit(f"value {tag[:40]}: {error}") from None


def _make(tag: str, given: Parts) -> Any:
    if tag == "enum":
        return _member(*given)
    if tag in _VIEWS.values():
        (held,) = given
        if type(held) is not dict:
            raise Unfit("not a dict")
        return MappingProxyType(held) if tag == "proxy" else getattr(held, tag)()
    module, _, name = tag.partition(".")
    if (module, name) not in _SPLIT:
        raise Unfit(f"unknown value {tag[:20]!r}")
    kind = getattr(importlib.import_module(module), name)
    return _JOIN.get(module, _of_text)(kind, *given)


def _member(module: Any, name: Any, value: Any) -> Any:
    import enum

    if module not in _ENUMS or type(name) is not str or type(value) not in (int, str):
        raise Unfit("no member of an enumeration")
    kind = vars(importlib.import_module(module)).get(name)
    if not isinstance(kind, enum.EnumType):
        raise Unfit("no enumeration")
    return kind(value)


def _of_text(kind: Any, text: Any) -> Any:
    return kind(_text(text))


def _text(text: Any) -> str:
    if type(text) is not str:
        raise Unfit("not a text")
    return text


def _pattern(kind: Any, pattern: Any, flags: Any) -> Any:
    import re

    if type(pattern) not in (str, bytes):
        raise Unfit("not a pattern")
    return re.compile(pattern, integer(flags))


def _zone(kind: Any, *given: Any) -> Any:
    from datetime import timedelta

    if type(given[0]) is not timedelta:
        raise Unfit("not a difference of times")
    return kind(given[0], *map(_text, given[1:]))


def _moment(kind: Any, *given: Any) -> Any:
    """A time zone, or a time in one."""
    import datetime

    if kind is datetime.timezone:
        return _zone(kind, *given)
    text, fold, zone = given
    if type(zone).__name__ not in ("ZoneInfo", "timezone"):
        raise Unfit("not a time zone")
    return kind.fromisoformat(_text(text)).replace(tzinfo=zone, fold=1 if fold == 1 else 0)


def _struct_time(kind: Any, fields: Any) -> Any:
    if type(fields) is not tuple or not all(type(field) in (int, str) for field in fields):
        raise Unfit("not the fields of a time")
    return kind(fields)


def _split_zone(value: Any) -> Parts:
    return list(value.__getinitargs__())


def _split_moment(value: Any) -> Parts:
    return [value.replace(tzinfo=None).isoformat(), value.fold, value.tzinfo]


def _split_text(value: Any) -> Parts:
    return [str(value)]


_SPLIT: dict[tuple[str, str], Callable[[Any], Parts]] = {
    ("datetime", "timezone"): _split_zone,
    ("datetime", "datetime"): _split_moment,
    ("datetime", "time"): _split_moment,
    ("re", "Pattern"): lambda value: [value.pattern, value.flags],
    ("time", "struct_time"): lambda value: [tuple(value)],
    ("uuid", "UUID"): lambda value: [value.hex],
    ("zoneinfo", "ZoneInfo"): lambda value: [value.key],
}
for _name in ("PosixPath", "PurePosixPath", "PureWindowsPath"):
    _SPLIT["pathlib", _name] = _split_text
for _number in (4, 6):
    for _name in ("Address", "Network", "Interface"):
        _SPLIT["ipaddress", f"IPv{_number}{_name}"] = _split_text
_JOIN: dict[str, Any] = {
    "datetime": _moment,
    "re": _pattern,
    "time": _struct_time,
}
