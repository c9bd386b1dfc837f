"""What foreign code could change of the process that it runs in, noted and compared.

Where something has changed the process is of no more use: what runs there next could come out
otherwise than in a new one. Standard library only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH109, PTH116
from __future__ import annotations

import _signal
import _thread
import gc
import os
import sys
import warnings
from types import ModuleType
from typing import Any

_STDLIB = frozenset(sys.stdlib_module_names)
_SIGNALS = range(1, 32)


class Pristine:
    """How a process is before any foreign code has run in it.

    Args:
        paths: Folders in which nothing may appear or vanish, and files that may not change.
        own: Names of modules that every run makes anew.
    """

    def __init__(self, paths: tuple[str, ...], own: frozenset[str]) -> None:
        self._paths, self._own = paths, own
        self._modules: dict[str, ModuleType] = {}
        self._parts: list[tuple[Any, dict[str, Any]]] = []
        self._classes: set[type] = set()
        self._note(sys.modules)
        lists: list[Any] = [sys.path, sys.meta_path, sys.path_hooks, gc.callbacks]
        self._contents = [(one, list(one)) for one in lists]
        self._settings = self._look()
        self._environment = dict(os.environ)

    def _note(self, modules: dict[str, ModuleType]) -> None:
        for name, module in list(modules.items()):
            if name in self._own or name in self._modules or name == "__main__":
                continue
            self._modules[name] = module
            if type(module) is not ModuleType or module is modules.get("__main__"):
                continue
            held = vars(module)
            self._parts.append((held, dict(held)))
            for one in list(held.values()):
                # Classes that are made by Python code can be changed; those of C cannot.
                if isinstance(one, type) and one not in self._classes and one.__flags__ & 1 << 9:
                    self._classes.add(one)
                    self._parts.append((one.__dict__, dict(one.__dict__)))

    def _look(self) -> tuple[object, ...]:
        spare = os.dup(0)  # the lowest number that is free: the next one, if nothing is left open
        os.close(spare)
        mask = os.umask(0o022)
        os.umask(mask)
        return (
            spare,
            mask,
            os.getcwd(),
            sys.getrecursionlimit(),
            sys.getswitchinterval(),
            sys.gettrace(),
            sys.getprofile(),
            gc.isenabled(),
            gc.get_threshold(),
            list(warnings.filters),
            _thread._count(),
            [_signal.getsignal(number) for number in _SIGNALS],
            [stamp(path) for path in self._paths],
        )

    def intact(self) -> bool:
        """Whether all is as it was; modules of the standard library may have come."""
        try:
            return self._is_intact()
        except Exception:  # what is compared may be foreign
            return False

    def _is_intact(self) -> bool:
        if self._look() != self._settings or dict(os.environ) != self._environment:
            return False
        if any(one != before for one, before in self._contents):
            return False
        for held, before in self._parts:
            if held != before and not _only_submodules(held, before):
                return False
        loaded = sys.modules
        for name, module in self._modules.items():
            if loaded.get(name) is not module:
                return False
        new = {n: m for n, m in loaded.items() if n not in self._modules and n not in self._own}
        new.pop("__main__", None)
        if any(name.partition(".")[0] not in _STDLIB for name in new):
            return False
        self._note(new)
        return not _has_children()


def _only_submodules(held: Any, before: dict[str, Any]) -> bool:
    """Whether a package has got nothing but modules of it that were imported; they are noted."""
    package = before.get("__name__")
    for name, value in dict(held).items():
        if name not in before and sys.modules.get(f"{package}.{name}") is value:
            before[name] = value
    return bool(held == before)


def stamp(path: str) -> tuple[int, ...]:
    """What changes when a file does, or when something in a folder appears or vanishes."""
    try:
        seen = os.stat(path)
    except OSError:
        return (0,)
    return seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_nlink


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True
