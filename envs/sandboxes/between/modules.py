"""Imports of tested code in the process of the tests. Runs inside the sandbox of the tests.

What the tests have not brought along is the tested code's. While test files are collected ahead of
time nobody is there to ask: names are then placeholders, which each run replaces. Standard library
only.
"""

from __future__ import annotations

import opcode
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import FrameType, ModuleType
from typing import Any

from hrmgym.envs.sandboxes.between import exports, proxies

_OURS = {"_pytest", "py", "pytest", "pluggy", "iniconfig", "packaging", "pygments", "__main__"}

#: Packages that look at every name of a test file, for marks and the like.
_ONLOOKERS = {"_pytest", "pluggy", "inspect"}


def _asker(depth: int) -> FrameType:
    """The frame that uses a placeholder or a module, `depth` frames above."""
    return sys._getframe(depth + 1)


def _looks_on(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _ONLOOKERS


#: Instructions that take a name of a module as `from m import x` and `m.x` do.
_TAKING: frozenset[int] = frozenset(
    opcode.opmap[name]
    for name in ("IMPORT_NAME", "IMPORT_FROM", "LOAD_ATTR", "LOAD_METHOD")
    if name in opcode.opmap
)


def _takes(frame: FrameType) -> bool:
    """Whether code takes a name, and does not ask whether it is there, as `hasattr` does."""
    by_import = frame.f_code.co_filename.startswith("<frozen importlib")
    return by_import or _looks_on(frame) or frame.f_code.co_code[frame.f_lasti] in _TAKING


class Placeholder:
    """A name of tested code that nobody has looked up yet. Any use of it is noted."""

    __slots__ = ("_finder", "module", "name")

    def __init__(self, finder: Finder, module: str, name: str) -> None:
        self._finder, self.module, self.name = finder, module, name

    def _used(self, *args: Any, **kwargs: Any) -> Any:
        self._finder.used = True
        raise TypeError(f"{self.module}.{self.name} is used before the tests run")

    def __getattr__(self, name: str) -> Any:
        if not _looks_on(_asker(1)):
            self._finder.used = True
        raise AttributeError(name)

    def _kind(self) -> type:
        if not _looks_on(_asker(1)):
            self._finder.used = True
        return Placeholder

    __class__: Any = property(_kind)  # `isinstance` asks

    def __eq__(self, other: object) -> bool:
        return self is other or self._used()

    __hash__ = __ne__ = _used


def _notice_every_use() -> None:
    names = exports.FORWARDED | {f"__{name}__" for name in _MORE.split()}
    for name in names - vars(Placeholder).keys():
        setattr(Placeholder, name, Placeholder._used)


_MORE = "mro_entries format fspath instancecheck subclasscheck class_getitem await aiter aenter"
_notice_every_use()


def is_of_tested_code(value: Any) -> bool:
    """Whether a name of a test file stands for something of the tested code."""
    return type(value) is Placeholder or proxies.is_remote(value)


class LazyModule(ModuleType):
    """A module of tested code that nobody has imported yet."""

    def __init__(self, finder: Finder, name: str) -> None:
        super().__init__(name)
        self.__dict__["_finder"] = finder

    def __getattr__(self, name: str) -> Any:
        finder: Finder = self.__dict__["_finder"]
        if name == "__all__":
            finder.used = True
        if name[:2] == "__":
            raise AttributeError(name)
        if not finder.lazy:  # kept from before, and used by a test
            return getattr(finder.live(self.__name__), name)
        frame = _asker(1)
        if not (
            _looks_on(frame) or _takes(frame) or frame.f_code.co_filename.startswith("<frozen")
        ):
            finder.used = True
        return finder.placeholder(self.__name__, name)


class Finder:
    """Finds modules of tested code; goes first in `sys.meta_path`."""

    def __init__(self) -> None:
        self.lazy = True
        """Whether nobody is there to ask."""
        self.used = False
        """Whether a placeholder was used for more than being there."""
        self.asked: list[tuple[str, str]] = []
        """Module and name ("" for the module), in the order in which they were asked for."""
        self._placeholders: dict[tuple[str, str], Placeholder] = {}

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """The import system's question."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in _OURS:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None and spec.origin is not None:
            return None  # the tests' own
        found = ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        if spec is not None and spec.submodule_search_locations is not None:
            # a folder of the tests that may be a package of the tested code as well
            found.submodule_search_locations = list(spec.submodule_search_locations)
        return found

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself."""
        if self.lazy:
            self.asked.append((spec.name, ""))
            return LazyModule(self, spec.name)
        try:
            return self.live(spec.name)
        except ModuleNotFoundError:
            if spec.submodule_search_locations:  # a folder of the tests alone
                return ModuleType(spec.name)
            raise

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it runs elsewhere."""

    def live(self, name: str) -> ModuleType:
        """The stand-in of a module, imported by the tested code's process.

        Raises:
            BaseException: What importing it has raised there.
        """
        (steps,) = proxies.connection().bind([(name, ())])
        kind, value = steps[0]
        if kind == "err":
            if isinstance(value, ModuleNotFoundError):
                value.name = name
            raise value
        if not isinstance(value, ModuleType):
            raise ImportError(f"{name} is no module", name=name)
        return value

    def placeholder(self, module: str, name: str) -> Placeholder:
        """The one that stands for a name."""
        known = self._placeholders.get((module, name))
        if known is None:
            known = self._placeholders[module, name] = Placeholder(self, module, name)
            self.asked.append((module, name))
        return known

    def elsewhere(self, spaces: list[dict[str, Any]]) -> bool:
        """Whether placeholders are referred to from other places than these modules' globals."""
        seen: dict[int, int] = {}
        for space in spaces:
            for value in space.values():
                if type(value) is Placeholder:
                    seen[id(value)] = seen.get(id(value), 0) + 1
        value = None
        for one in self._placeholders.values():
            # the table, `one`, and the call's own
            if sys.getrefcount(one) != seen.get(id(one), 0) + 3:
                return True
        return False


class Binding:
    """Replaces placeholders in the globals of test modules.

    Args:
        finder: The one that has given them out.
        spaces: Path of a file -> globals of its module.
    """

    def __init__(self, finder: Finder, spaces: dict[str, dict[str, Any]]) -> None:
        self._finder = finder
        names: dict[str, list[str]] = {}
        for module, name in finder.asked:
            listed = names.setdefault(module, [])
            if name:
                listed.append(name)
        self._steps = [(module, tuple(listed)) for module, listed in names.items()]
        self._needs: dict[str, list[tuple[str, str, str]]] = {}
        self._spaces = spaces
        order = {asked: i for i, asked in enumerate(finder.asked)}
        for path, space in spaces.items():
            needs = []
            for key, value in space.items():
                if type(value) is Placeholder:
                    needs.append((key, value.module, value.name))
                elif type(value) is LazyModule:
                    needs.append((key, value.__name__, ""))
            needs.sort(key=lambda need: order.get(need[1:], -1))
            self._needs[path] = needs

    def bind(self) -> dict[str, tuple[BaseException, str, str]]:
        """Import everything and put it in place.

        Returns:
            File that lacks something -> the exception, and module and name that it lacks.
        """
        self._finder.lazy = False
        found: dict[tuple[str, str], tuple[str, Any]] = {}
        for (module, names), got in zip(
            self._steps, proxies.connection().bind(self._steps), strict=True
        ):
            found[module, ""] = got[0]
            if got[0][0] == "ok":
                sys.modules[module] = got[0][1]
                found.update({(module, n): one for n, one in zip(names, got[1:], strict=True)})
            else:
                sys.modules.pop(module, None)
                found.update({(module, name): got[0] for name in names})
        broken: dict[str, tuple[BaseException, str, str]] = {}
        for path, needs in self._needs.items():
            space = self._spaces[path]
            for key, module, name in needs:
                kind, value = found[module, name]
                if kind == "err":
                    broken.setdefault(path, (value, module, name))
                else:
                    space[key] = value
        return broken
