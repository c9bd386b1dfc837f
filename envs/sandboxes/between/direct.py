"""Which of pytest's items need nothing of pytest but to be called. Inside the sandbox of the tests.

pytest is imported where it is first needed: the folder that it lies in is a sandbox's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_HARMLESS_HOOKS = (
    "pytest_addoption",
    "pytest_configure",
    "pytest_unconfigure",
    "pytest_collection",
    "pytest_generate_tests",
    "pytest_make_parametrize_id",
    "pytest_plugins",
    "pytest_sessionstart",
    "pytest_report_header",
)
_SIMPLE_MARKS = {"parametrize"}
#: Of unittest.TestCase: what runs a test, what surrounds a class, what a test wishes.
_RUNNING = ("run", "__call__", "debug")
_OF_CLASS = {"setUpClass", "tearDownClass"}
_WISHES = ("skip", "expecting_failure")


def has_hooks(plugin: object) -> bool:
    """Whether a conftest.py takes part in running tests."""
    file = getattr(plugin, "__file__", None)
    if not isinstance(file, str) or file.rpartition("/")[2] != "conftest.py":
        return False
    return any(
        name.startswith("pytest_") and not name.startswith(_HARMLESS_HOOKS) for name in vars(plugin)
    )


def direct_call(item: Any) -> Callable[[], Any] | None:
    """How to call a test that needs nothing of pytest; None where it does."""
    import inspect
    import unittest

    import pytest
    from _pytest.python import get_direct_param_fixture_func
    from _pytest.unittest import TestCaseFunction

    if not isinstance(item, pytest.Function):
        return None
    for mark in item.iter_markers():
        if mark.name not in _SIMPLE_MARKS:
            return None
    function = item.function
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return None
    if isinstance(item, TestCaseFunction):
        kind: Any = item.cls
        plain = unittest.TestCase
        # The fixture of `setUpClass` asks for `request`, which does nothing by itself.
        names = [name for name in item.fixturenames if not name.startswith("_unittest_setUpClass")]
        if (
            set(names) - {"request"}
            or any(getattr(kind, name) is not getattr(plain, name) for name in _RUNNING)
            or any(vars(one).keys() & _OF_CLASS for one in kind.__mro__ if one is not plain)
            or any(hasattr(function, f"__unittest_{what}__") for what in _WISHES)
            or hasattr(kind, "__unittest_skip__")
            or any(one.__name__ == "IsolatedAsyncioTestCase" for one in kind.__mro__)
        ):
            return None
        return _unittest_call(kind, item.name)
    if type(item) is not pytest.Function or inspect.isgeneratorfunction(function):
        return None
    params = item.callspec.params if hasattr(item, "callspec") else {}
    wanted = item._fixtureinfo.argnames
    if set(item.fixturenames) - set(params) - {"request"} or set(wanted) - set(params):
        return None
    for name in params:
        known = item._fixtureinfo.name2fixturedefs.get(name)
        if not known or known[-1].func is not get_direct_param_fixture_func:
            return None
    return lambda: item.obj(**{name: params[name] for name in wanted})


def _unittest_call(kind: Any, name: str) -> Callable[[], Any]:
    def call() -> None:
        case = kind(name)
        errors: list[BaseException] = []

        def attempt(step: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
            try:
                step(*args, **kwargs)
            except BaseException as error:
                errors.append(error)
                return False
            return True

        if attempt(case.setUp):
            attempt(getattr(case, name))
            attempt(case.tearDown)
        while case._cleanups:
            step, args, kwargs = case._cleanups.pop()
            attempt(step, *args, **kwargs)
        if errors:
            raise errors[0]

    return call
