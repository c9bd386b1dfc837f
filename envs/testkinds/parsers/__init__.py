"""Parsers of test logs: an open list, one module a format.

A parser of your own is a subclass of `LogParser`, and one line:

    register_parser("mine", "my_package.parsers:MyParser")

or `parser="my_package.parsers:MyParser"` in the tests, which needs no registration.
"""

from __future__ import annotations

from functools import cache

from hrmgym.envs.testkinds.parsers.base import Log, LogParser, Told
from hrmgym.registry import Registry, a_class_of

__all__ = ["Log", "LogParser", "Told", "parser_named", "parser_names", "register_parser"]

_PARSERS: Registry[type[LogParser]] = Registry(
    "parser of test logs", "a LogParser class", a_class_of(LogParser)
)


def register_parser(name: str, entry_point: str) -> None:
    """Adds a parser; see `Registry.register`."""
    _PARSERS.register(name, entry_point)


def parser_names() -> tuple[str, ...]:
    """Names of all registered parsers."""
    return tuple(_PARSERS)


@cache
def parser_named(name: str) -> LogParser:
    """The parser of that name, or of that `module:Class`; see `Registry.load`."""
    return _PARSERS.load(name)()


for _name, _class in (
    ("pytest", "pytest_log:PytestLog"),
    ("unittest", "unittest_log:UnittestLog"),
    ("go", "go:GoTest"),
    ("cargo", "cargo:CargoTest"),
    ("jest", "jest:Jest"),
    ("junit", "junit:JUnit"),
    ("tap", "tap:Tap"),
    ("catch2", "catch2:Catch2"),
):
    register_parser(_name, f"hrmgym.envs.testkinds.parsers.{_class}")
