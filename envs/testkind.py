"""Kinds of tests: an open list, one module a kind.

A kind of your own is a subclass of `TestSpec` (the data of a task) whose `kind` is its name, a
subclass of `TestKind` (what is done with it), and one line:

    register_test_kind("mine", "my_package.kinds:MyKind")

Put that line into the module that holds your benchmark, so that worker processes come by it too; or
let `kind` be `"my_package.kinds:MyKind"` itself, which needs no registration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hrmgym.envs.entrypoints import Registry
from hrmgym.envs.testkinds.base import Mode, TestKind

if TYPE_CHECKING:
    from hrmgym.envs.testspecs import TestSpec

__all__ = [
    "SHIPPED",
    "Mode",
    "TestKind",
    "kind_named",
    "kind_names",
    "kind_of",
    "register_test_kind",
]

_KINDS: Registry[TestKind[Any]] = Registry("kind of tests", TestKind)  # type: ignore[type-abstract]


def register_test_kind(name: str, entry_point: str) -> None:
    """Adds a kind of tests; see `Registry.register`."""
    _KINDS.register(name, entry_point)


def kind_names() -> tuple[str, ...]:
    """Names of all registered kinds."""
    return _KINDS.names


def kind_named(name: str) -> TestKind[Any]:
    """The kind of that name, or of that `module:Class`; see `Registry.get`."""
    return _KINDS.get(name)


def kind_of(tests: TestSpec) -> TestKind[Any]:
    """The kind of these tests.

    Raises:
        TypeError: Their class has none, so that nothing can be done with them.
        UnknownNameError: It is not registered.
    """
    if not tests.kind:
        raise TypeError(f"cannot run tests of type {type(tests).__name__}: it says no kind")
    return _KINDS.get(tests.kind)


#: Names of the kinds that ship.
SHIPPED = ("calls", "stdio", "pytest", "command", "harness")
for _name in SHIPPED:
    register_test_kind(_name, f"hrmgym.envs.testkinds.{_name}:{_name.title()}")
