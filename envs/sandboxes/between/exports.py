"""What tests in another process are told of the tested code's objects. Inside a sandbox only.

Standard library only.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from types import FunctionType
from typing import Any

#: Special methods that the other side forwards to objects of here.
_NAMES = (
    "eq ne lt le gt ge hash bool len iter next reversed contains getitem setitem delitem call "
    "enter exit str repr format int float index complex round trunc floor ceil abs neg pos "
    "invert add radd iadd sub rsub isub mul rmul imul matmul rmatmul imatmul truediv rtruediv "
    "itruediv floordiv rfloordiv ifloordiv mod rmod imod divmod rdivmod pow rpow ipow lshift "
    "rlshift rshift rrshift and rand iand or ror ior xor rxor ixor missing length_hint"
)
FORWARDED = frozenset(f"__{name}__" for name in _NAMES.split())
#: Those that it forwards to classes of here.
META = frozenset(
    f"__{name}__"
    for name in (
        *("iter", "len", "getitem", "reversed", "contains"),
        *("instancecheck", "subclasscheck"),
    )
)
#: Those that tested code may use of an object of the tests' own. Where the class lacks one of
#: `BINARY`, Python tries something else; those of `DEFAULTS` mean something without one, too.
_BINARY = (
    "add radd iadd sub rsub isub mul rmul imul matmul rmatmul imatmul truediv rtruediv itruediv "
    "floordiv rfloordiv ifloordiv mod rmod imod divmod rdivmod pow rpow ipow lshift rlshift "
    "ilshift rshift rrshift irshift and rand iand or ror ior xor rxor ixor lt le gt ge"
)
_OTHERS = "setitem delitem abs neg pos invert int float complex index round trunc floor ceil"
BINARY = frozenset(f"__{name}__" for name in _BINARY.split())
DEFAULTS = frozenset(("__bool__", "__eq__", "__ne__", "__hash__", "__contains__"))
OPERATORS = BINARY | DEFAULTS | {f"__{name}__" for name in _OTHERS.split()}
PLAIN_BASES = (int, str, float, tuple, bytes, frozenset, complex)
OPEN_BASES = (list, dict, set)
BUILTINS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and not name.startswith("_")
}
BUILTIN_NAMES = {kind: name for name, kind in reversed(BUILTINS.items())}
_MOST_PRINTED = 1 << 20  # characters in one message


class Callback:
    """Something of the other side: a function, an iterator, an object with public attributes."""

    __slots__ = ("__name__", "_ask", "_handle")

    def __init__(self, ask: Any, handle: int, name: str) -> None:
        self._ask, self._handle, self.__name__ = ask, handle, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("call", self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{self.__name__!r} has no attribute {name!r} here")
        return self._ask("attr", self, name)

    def __iter__(self) -> Any:
        return self._ask("iter", self)

    def __next__(self) -> Any:
        return self._ask("next", self)

    def __len__(self) -> Any:
        return self._ask("len", self)

    def __bool__(self) -> bool:
        return self._ask("operate", self, "__bool__", ()) is True

    def __eq__(self, other: object) -> Any:
        return self is other or self._ask("operate", self, "__eq__", (other,))

    def __ne__(self, other: object) -> Any:
        return self is not other and self._ask("operate", self, "__ne__", (other,))

    def __hash__(self) -> int:
        found = self._ask("operate", self, "__hash__", ())
        return object.__hash__(self) if found is NotImplemented else int(found)

    def __contains__(self, item: object) -> bool:
        found = self._ask("operate", self, "__contains__", (item,))
        return any(one is item or one == item for one in self) if found is NotImplemented else found

    def __getitem__(self, key: Any) -> Any:
        return self._ask("item", self, key)


def _forwarded(name: str) -> Any:
    def method(self: Callback, *args: Any) -> Any:
        return self._ask("operate", self, name, args)

    return method


for _name in OPERATORS - DEFAULTS:
    setattr(Callback, _name, _forwarded(_name))


def base_of(value: Any, base: Any) -> Any:
    """The plain value within an instance of a subclass, whatever the subclass overrides."""
    if base in (tuple, list, frozenset, set):
        return base(base.__iter__(value))
    if base is dict:
        return {key: dict.__getitem__(value, key) for key in dict.__iter__(value)}
    if base is int:
        return int.__int__(value)
    if base is float:
        return float.__float__(value)
    if base is str:
        return str.__add__("", value)
    if base is bytes:
        return bytes.__add__(b"", value)
    return complex(complex.__complex__(value))


def has_own(kind: type, name: str, end: type) -> bool:
    """Whether a class, or one before `end` among its bases that is none of Python's, has `name`."""
    for one in kind.__mro__:
        if one is end:
            break
        if name in vars(one):
            return one.__module__ != "builtins"
    return False


def about(kind: type) -> dict[str, Any]:
    """What the other side has to know of a class."""
    plain = next((base for base in PLAIN_BASES if issubclass(kind, base)), None)
    mro = [one for one in kind.__mro__ if one is not object and one is not plain]
    special, methods = _special_of(kind, mro), set()
    for one in mro:
        for name, item in vars(one).items():
            if type(item) is FunctionType and not name.startswith("__"):
                methods.add(name)
    equal = 0
    if "__eq__" in special:
        equal = 2 if hasattr(kind, "__dataclass_fields__") and "__eq__" in vars(kind) else 1
    return {
        "name": kind.__qualname__[:100],
        "module": str(kind.__module__)[:100],
        "special": sorted(special),
        "methods": sorted(methods)[:500],
        "equal": equal,
        "plain": plain.__name__ if plain else "",
        "open": next((base.__name__ for base in OPEN_BASES if issubclass(kind, base)), ""),
        "meta": sorted(_special_of_meta(kind)),
        "test": _collected(mro),
    }


def _special_of(kind: type, mro: list[type]) -> set[str]:
    """Special methods that count for objects of a class.

    A stand-in for plain data or for an exception has those of Python's own classes by itself, so
    what comes behind these in the order of the classes does not count.
    """
    sealed = issubclass(kind, (BaseException, *PLAIN_BASES))
    first: dict[str, tuple[type, Any]] = {}
    for one in kind.__mro__ if sealed else mro:
        for name, item in vars(one).items():
            first.setdefault(name, (one, item))
    return {
        name
        for name, (one, item) in first.items()
        if name in FORWARDED
        and item is not None
        and one is not object
        and not (sealed and one.__module__ == "builtins")
    }


def _collected(mro: list[type]) -> str:
    """Whether pytest takes the class for tests: always, by its name, or never ("")."""
    spaces = [vars(one) for one in mro]
    if not next((space["__test__"] for space in spaces if "__test__" in space), True):
        return ""
    if any(one.__module__ == "unittest.case" and one.__name__ == "TestCase" for one in mro):
        return "always"
    made = any("__init__" in space or "__new__" in space for space in spaces)
    return "" if made else "by name"


def _special_of_meta(kind: type) -> set[str]:
    """Special methods of the class itself, as classes of enumerations have."""
    found: set[str] = set()
    meta: Any = type(kind)
    for one in meta.__mro__:
        if one is type:
            break
        found.update(vars(one))
    return found & (FORWARDED | META) - {"__call__"}


class Printer:
    """Takes the place of standard output."""

    encoding, errors = "utf-8", "strict"

    def __init__(self, printed: list[tuple[int, str]], stream: int) -> None:
        self._printed, self._stream = printed, stream

    def write(self, text: str) -> int:
        if len(self._printed) < 10_000:
            self._printed.append((self._stream, str(text)[:_MOST_PRINTED]))
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing waits here."""

    def isatty(self) -> bool:
        return False
