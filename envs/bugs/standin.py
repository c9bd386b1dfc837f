"""Stands in for the build backend of any source archive, so that pip runs nothing of it.

Pip asks a source archive's backend for its metadata, even where it shall only save the archive. In
a folder on PYTHONPATH, under the name `sitecustomize.py`, this file answers in the place of every
backend, with what the archive's PKG-INFO says. It is copied there; standard library only.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


def install() -> None:
    """Has imports of the backend, which pip names in the environment, find a stand-in."""
    # Older versions of pip name it PEP517_BUILD_BACKEND, newer _PYPROJECT_HOOKS_BUILD_BACKEND.
    for key in [key for key in os.environ if key.endswith("BUILD_BACKEND")]:
        path, _, inner = os.environ[key].partition(":")
        parts = path.split(".")
        modules = {".".join(parts[: end + 1]) for end in range(len(parts))}
        sys.meta_path.insert(0, _Finder(modules, [one for one in inner.split(".") if one]))
        for other in [other for other in os.environ if other.endswith("BACKEND_PATH")]:
            del os.environ[other]  # a backend in the archive itself


class _Finder:
    """Makes modules of these names that have the one hook that pip asks here."""

    def __init__(self, modules: set[str], inner: list[str]) -> None:
        self.modules, self.inner = modules, inner

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A stand-in's spec, for the backend and the packages around it."""
        if name in self.modules:
            return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual module."""

    def exec_module(self, module: ModuleType) -> None:
        """Gives the module its hook; an object in it, by any name, is the module itself."""
        for name in self.inner:
            setattr(module, name, module)
        setattr(module, metadata.__name__, metadata)


def prepare_metadata_for_build_wheel(directory: str, config_settings: Any = None) -> str:
    """Writes the archive's PKG-INFO as a wheel's METADATA; returns the folder's name."""
    text = Path("PKG-INFO").read_text("utf-8", "surrogateescape")
    head = text.partition("\n\n")[0].splitlines()
    fields = dict(line.split(": ", 1) for line in reversed(head) if ": " in line)
    name = f"{fields['Name'].replace('-', '_')}-{fields['Version']}.dist-info"
    folder = Path(directory, name)
    folder.mkdir()
    folder.joinpath("METADATA").write_text(text, "utf-8", "surrogateescape")
    return name


metadata = prepare_metadata_for_build_wheel

if __name__ == "sitecustomize":
    install()
