"""How the tests' process was before a run, so that the next run can find it so. Inside the sandbox
of the tests only.

A fork for every run costs several times what a small run itself does. Where nothing that tests
hold between runs can have changed unseen, one process makes run after run: the globals of the
tests' modules are put back, and all data in their reach is compared. Standard library only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH109
from __future__ import annotations

import os
import re
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from hrmgym.envs.sandboxes.between import modules, proxies

_ATOMS = (type(None), bool, int, float, complex, str, bytes, range, type(...), type(NotImplemented))
_SEQUENCES = (list, tuple, deque, bytearray)
_SETS = (set, frozenset)
_MAPPINGS = (dict, OrderedDict, defaultdict, Counter)
_SIZED = {*_SEQUENCES, *_SETS, *_MAPPINGS}
#: Immutable, or looked at by identity alone. What stands for something of the tested code holds
#: nothing but its number.
_FIXED = (
    *(ModuleType, BuiltinFunctionType, re.Pattern, property, modules.Placeholder),
    *(proxies.RemoteFunction, proxies.RemoteMethod, proxies.RemoteObject),
)
_FIXED_MODULES = {"typing", "decimal", "fractions", "datetime", "_pytest.mark.structures", "enum"}
_environ = os.environ
_MOST = 20_000  # parts of the data; more is slower to compare than to fork


class Unclear(Exception):
    """Data whose changes cannot be seen."""


class Baseline:
    """What is there before the first run.

    Args:
        spaces: Globals of the tests' modules.
        others: More objects that runs use: arguments of parametrized tests.
        finder: What imports the tested code's modules.

    Raises:
        Unclear: Some of it may change unseen, an iterator for example.
    """

    def __init__(
        self, spaces: Iterable[dict[str, Any]], others: Iterable[Any], finder: modules.Finder
    ) -> None:
        self._finder, self._lazy = finder, finder.lazy
        self._globals = [(space, dict(space)) for space in spaces]
        self._others = list(others)
        self._own = {space.get("__name__") for space, _ in self._globals}
        self._modules = dict(sys.modules)
        self._surroundings = self._look_around()
        self._data = self._look()

    def restore(self) -> bool:
        """Put globals and imports back; whether everything else is as it was."""
        for space, before in self._globals:
            space.clear()
            space.update(before)
        before = self._modules
        changed = [name for name, held in sys.modules.items() if held is not before.get(name)]
        for name in changed:
            if name in before:
                sys.modules[name] = before[name]
            elif name.partition(".")[0] not in sys.stdlib_module_names:
                del sys.modules[name]
        self._finder.lazy = self._lazy
        try:
            return self._look_around() == self._surroundings and self._look() == self._data
        except Unclear:
            return False

    def _look_around(self) -> tuple[Any, ...]:
        variables = vars(_environ)["_data"].copy()  # undecoded: else it is most of the work
        same = os.environ is _environ
        return os.getcwd(), same, variables, tuple(sys.path), sys.getrecursionlimit()

    def _look(self) -> list[Any]:
        seen: dict[int, int] = {}
        found: list[Any] = []
        for _, before in self._globals:
            for name, value in before.items():
                if name[:2] != "__":
                    self._note(value, found, seen)
        for value in self._others:
            self._note(value, found, seen)
        return found

    def _note(self, value: Any, found: list[Any], seen: dict[int, int]) -> None:
        """Append what describes a value, with all that it holds."""
        kind = type(value)
        if kind in _ATOMS:
            found.append(value)
            found.append(kind)  # 1 == True == 1.0
            return
        found.append(seen.setdefault(id(value), len(seen)))
        if found[-1] != len(seen) - 1:
            return  # met before
        if len(found) > _MOST:
            raise Unclear
        found.append(id(value))
        if kind in _SIZED and len(found) + len(value) > _MOST:
            raise Unclear  # before it is gone through: what this makes of it takes more memory
        if kind in _MAPPINGS:
            self._note_pairs(value, found, seen)
        elif kind in _SEQUENCES:
            found.append(len(value))
            for item in value:
                self._note(item, found, seen)
        elif kind in _SETS:
            found.append(frozenset(value))
        elif kind is FunctionType:
            self._note(value.__defaults__, found, seen)
            self._note(value.__kwdefaults__, found, seen)
            if value.__module__ in self._own:
                self._note_pairs(vars(value), found, seen)
                for cell in value.__closure__ or ():
                    self._note(cell.cell_contents, found, seen)
        elif kind in (staticmethod, classmethod, MethodType):
            self._note(value.__func__, found, seen)
        elif issubclass(kind, type):
            if value.__module__ in self._own:
                fields = {k: v for k, v in vars(value).items() if k not in _OF_CLASSES}
                self._note_pairs(fields, found, seen)
        elif kind is partial:
            self._note((value.func, value.args, value.keywords, vars(value)), found, seen)
        elif not issubclass(kind, _FIXED) and kind.__module__ not in _FIXED_MODULES:
            if kind.__module__ not in self._own or not hasattr(value, "__dict__"):
                raise Unclear(kind.__name__)
            self._note_pairs(vars(value), found, seen)

    def _note_pairs(self, pairs: Mapping[Any, Any], found: list[Any], seen: dict[int, int]) -> None:
        found.append(len(pairs))
        for key, item in pairs.items():
            self._note(key, found, seen)
            self._note(item, found, seen)


#: Of a class: what the interpreter itself keeps there.
_OF_CLASSES = {"__dict__", "__weakref__", "__doc__", "__abstractmethods__", "_abc_impl"}
