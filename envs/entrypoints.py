"""Names that stand for classes of any package: `name -> "module:Class"`, imported on first use."""

from __future__ import annotations

import importlib
from typing import Any, Generic, TypeVar

from hrmgym.errors import ConfigError, UnknownNameError

T = TypeVar("T")


def load_class(entry_point: str, base: type[T], where: str) -> type[T]:
    """The class that `module:Class` leads to.

    Args:
        entry_point: Where it is.
        base: What it must be a subclass of.
        where: Who asks; it begins the messages.

    Raises:
        ConfigError: There is no such module, or no such class in it.
    """
    module_name, _, class_name = entry_point.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # that module's own import failed: not a misspelt entry point
        raise ConfigError(f"{where}: no module {module_name!r}") from error
    cls: Any = module
    for part in class_name.split("."):
        cls = getattr(cls, part, None)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ConfigError(f"{where}: {entry_point} is not a {base.__name__} class")
    return cls


class Registry(Generic[T]):
    """An open list of classes of one sort, each made once, without arguments.

    Args:
        sort: What they are, in messages.
        base: Their base class.
    """

    def __init__(self, sort: str, base: type[T]) -> None:
        self._sort, self._base = sort, base
        self._entries: dict[str, str] = {}
        self._made: dict[str, T] = {}

    def register(self, name: str, entry_point: str) -> None:
        """Adds one.

        Args:
            name: What it is called in task files and by its users.
            entry_point: `module:Class`; not imported before it is used.

        Raises:
            ConfigError: The name stands for another one already, or is no name.
        """
        if not name or ":" in name:
            raise ConfigError(f"{self._sort} {name!r}: a name is not empty, and has no colon")
        if ":" not in entry_point:
            raise ConfigError(f"{self._sort} {name!r}: {entry_point!r} is not 'module:Class'")
        known = self._entries.setdefault(name, entry_point)
        if known != entry_point:
            raise ConfigError(f"{self._sort} {name!r} is registered already, as {known}")

    @property
    def names(self) -> tuple[str, ...]:
        """Registered names, in the order of their registration."""
        return tuple(self._entries)

    def get(self, name: str) -> T:
        """The one of that name, or of that `module:Class`.

        Raises:
            UnknownNameError: No such name; the message holds the nearest.
            ConfigError: The entry point does not lead to such a class.
        """
        made = self._made.get(name)
        if made is None:
            entry_point = name if ":" in name else self._entries.get(name)
            if entry_point is None:
                raise UnknownNameError(self._sort, name, self._entries)
            made = load_class(entry_point, self._base, f"{self._sort} {name!r}")()
            self._made[name] = made
        return made
