"""What runs of some modules' code can change of what they hold, noted and compared.

Standard library only.
"""

from __future__ import annotations

import functools
import operator
from collections import deque
from collections.abc import Iterable
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

_MOST = 20_000  # parts; more is slower to compare than to begin anew in a fork
_CACHED = type(functools.lru_cache(lambda: None))
_LINKS = frozenset(
    ("__builtins__", "__loader__", "__spec__", "@py_builtins", "@pytest_ar", "__warningregistry__")
)
#: Packages whose objects lead everywhere, and belong to no test.
_ELSEWHERE = frozenset(("logging", "_pytest", "pytest", "pluggy", "unittest", "importlib"))
_PLACES = (classmethod, staticmethod, property, functools.cached_property, functools.partial)


class Reach:
    """The contents of modules, down to the last list and dict.

    What is held by an object that shows nothing of itself, such as an iterator, is not seen.

    Args:
        spaces: Globals of the modules.
        others: More that runs may change.
        names: Names of the modules; classes and functions of others are not looked into.
    """

    def __init__(
        self, spaces: Iterable[dict[str, Any]], others: Iterable[Any], names: frozenset[str]
    ) -> None:
        self._names = names
        self._mappings: list[tuple[Any, dict[Any, Any]]] = []
        self._sequences: list[tuple[Any, list[Any]]] = []
        self._sets: list[tuple[Any, Any]] = []
        self._functions: list[tuple[FunctionType, tuple[Any, ...]]] = []
        self._cells: list[tuple[CellType, Any]] = []
        self._caches: list[Any] = []
        self._seen: set[int] = set()
        self._keep: list[Any] = []
        waiting: list[Any] = [*spaces, *others]
        while waiting and len(self._seen) < _MOST:
            waiting.extend(self._note(waiting.pop()))
        self.whole = not waiting
        """Whether all of it was seen."""

    def _note(self, one: Any) -> Iterable[Any]:
        kind = type(one)
        if kind in (str, int, float, bool, bytes, type(None), complex, ModuleType):
            return ()
        if id(one) in self._seen:
            return ()
        self._seen.add(id(one))
        self._keep.append(one)
        if isinstance(one, dict):
            self._mappings.append((one, dict(one)))
            return [value for name, value in one.items() if name not in _LINKS]
        if isinstance(one, (list, deque, bytearray)):
            self._sequences.append((one, list(one)))
            return list(one)
        if isinstance(one, (set, frozenset)):
            self._sets.append((one, frozenset(one)))
            return list(one)
        if isinstance(one, tuple):
            return one
        if kind is _CACHED:
            self._caches.append(one)
            return (one.__wrapped__,)
        if kind is MethodType:
            return (one.__func__, one.__self__)
        if isinstance(one, _PLACES):
            parts = ("fget", "fset", "__func__", "func", "args", "keywords")
            return [getattr(one, name) for name in parts if hasattr(one, name)]
        if isinstance(one, type):
            return self._of_class(one)
        if kind is FunctionType:
            return self._of_function(one)
        if kind.__module__.partition(".")[0] in _ELSEWHERE:
            return ()
        held = getattr(one, "__dict__", None)
        return (held,) if type(held) is dict else ()

    def _of_class(self, one: type) -> Iterable[Any]:
        if one.__module__ not in self._names:
            return ()
        self._mappings.append((one.__dict__, dict(one.__dict__)))
        return list(one.__dict__.values())

    def _of_function(self, one: FunctionType) -> Iterable[Any]:
        if one.__module__ not in self._names:
            return ()
        self._functions.append((one, _parts(one)))
        found: list[Any] = [one.__defaults__, one.__kwdefaults__, one.__dict__]
        for cell in one.__closure__ or ():
            held = _content(cell)
            self._cells.append((cell, held))
            found.append(held)
        return found

    def clear(self) -> None:
        """Empty what remembers results."""
        for one in self._caches:
            one.cache_clear()

    def intact(self) -> bool:
        """Whether all of it is as it was."""
        same = operator.is_
        for one, parts in self._functions:
            if not all(map(same, _parts(one), parts)):
                return False
        if any(_content(cell) is not before for cell, before in self._cells):
            return False
        for held, before in self._mappings:
            if len(held) != len(before) or not all(map(same, held.values(), before.values())):
                return False
        for items, listed in self._sequences:
            if len(items) != len(listed) or not all(map(same, items, listed)):
                return False
        return all(len(one) == len(before) and one == before for one, before in self._sets)


def _parts(one: FunctionType) -> tuple[Any, ...]:
    return one.__code__, one.__defaults__, one.__kwdefaults__


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None  # empty
