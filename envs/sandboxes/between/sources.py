"""Imports the modules of a workspace from the texts at hand. Inside the sandbox only.

The import system would look for each of them in every folder of the path, on the disk: a good part
of the time that a short run takes. Standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from hrmgym.envs.sandboxes.inside import sourcecode


class Sources:
    """Finder and loader of a workspace's modules, in front of the others on `sys.meta_path`.

    Args:
        root: The workspace.
        folders: Folders below it that are on the path of imports, "" for the workspace itself; the
            first one wins.
        files: Path -> text.
    """

    def __init__(self, root: str, folders: Sequence[str], files: Mapping[str, str]) -> None:
        self._root, self._files = root, files
        self._paths: dict[str, str] = {}
        self._folders: dict[str, str] = {}
        for folder in folders:
            start = f"{folder}/" if folder else ""
            for path in files:
                if path.startswith(start) and path.endswith(".py"):
                    self._add(path, path[len(start) : -3].split("/"), folder)

    def _add(self, path: str, parts: list[str], folder: str) -> None:
        for end in range(1, len(parts)):
            below = "/".join(parts[:end])
            self._folders.setdefault(".".join(parts[:end]), f"{folder}/{below}".lstrip("/"))
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts:
            self._paths.setdefault(".".join(parts), path)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A module of the workspace, or a folder of it; None for any other."""
        source, folder = self._paths.get(name), self._folders.get(name)
        if source is None and folder is None:
            return None
        loader: Any = self if source is not None else None
        is_package = source is None or source.endswith("/__init__.py")
        origin = f"{self._root}/{source}" if source is not None else None
        spec = ModuleSpec(name, loader, origin=origin, is_package=is_package)
        spec.has_location = source is not None
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(f"{self._root}/{folder}")
        return spec

    def load(self, name: str) -> ModuleType | None:
        """Import a module that lies in no package, as an import would, in a third of the time.

        Returns:
            None for any other module, and for one that is loaded.
        """
        if name in sys.modules or name not in self._paths or "." in name or name in self._folders:
            return None
        module: Any = ModuleType(name)
        spec: Any = self.find_spec(name)
        folder, _, file = self._paths[name].rpartition("/")
        start = f"{self._root}/{folder}" if folder else self._root
        module.__spec__, module.__loader__, module.__package__ = spec, self, ""
        module.__file__ = spec.origin
        module.__cached__ = f"{start}/__pycache__/{file[:-3]}.{sys.implementation.cache_tag}.pyc"
        sys.modules[name] = module
        spec._initializing = True  # errors say so where modules import each other
        try:
            self.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        finally:
            spec._initializing = False
        return sys.modules[name]  # it may have put something else there

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """None: the usual kind of module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's code."""
        path = self._paths[module.__name__]
        exec(sourcecode.compiled(self._files[path], f"{self._root}/{path}"), module.__dict__)

    def get_source(self, name: str) -> str:
        """Its text, for tracebacks."""
        return sourcecode.decoded(self._files[self._paths[name]])

    def install(self) -> None:
        """Have imports ask here first."""
        finder: Any = self
        sys.meta_path.insert(0, finder)
