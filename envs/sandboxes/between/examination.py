"""Runs pytest's items with the tested code in another process. Inside the sandbox of the tests.

Collection is pytest's own. A test that needs nothing of pytest but to be called is called so;
every other one goes through pytest's own protocol. pytest itself is imported where it is first
needed: the folder that it lies in is a sandbox's.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Mapping
from typing import Any

from hrmgym.envs.sandboxes.between import baseline, crossing, direct, excerpts, modules, proxies
from hrmgym.envs.sandboxes.between.examiner import Examiner
from hrmgym.envs.sandboxes.between.texts import dumps
from hrmgym.envs.sandboxes.inside import selection, sourcecode

#: Plugins of pytest's own that no test that runs apart can tell from their absence.
UNUSED = (
    *("cacheprovider", "doctest", "faulthandler", "junitxml", "legacypath", "pastebin"),
    *("setuponly", "setupplan", "stepwise", "threadexception", "unraisableexception"),
)
_PARTS = (
    *("_argcomplete", "assertion", "config", "helpconfig", "main", "python", "skipping"),
    *("tracemalloc", "unittest", "warnings"),
)
_WIDTH = 600


class Foreign:
    """A name in a test file or class that may be a test of the tested code's own.

    Args:
        node: The id that pytest would give it.
        name: The name.
        value: What it is, or stands for, while tests are collected.
        collector: pytest's file or class.
    """

    def __init__(self, node: str, name: str, value: Any, collector: Any) -> None:
        self.node, self.name = node, name
        self._value = None if type(value) is modules.Placeholder else value
        self._space = vars(collector.obj)
        self._as_function = collector.funcnamefilter(name)
        self._as_class = collector.classnamefilter(name)

    def is_test(self) -> bool:
        """Whether pytest would collect it, now that the tested code is there."""
        value = self._space.get(self.name) if self._value is None else self._value
        if isinstance(value, proxies.RemoteType):
            how = value._about.test
            return how == "always" or (how == "by name" and bool(self._as_class))
        kind = type(value)
        of_functions = kind is proxies.RemoteFunction or kind.__qualname__ == "partial"
        if not of_functions or not self._as_function:
            return False
        try:
            return bool(proxies.connection().attribute(value, "__test__"))
        except AttributeError:
            return True


class Course:
    """The collected tests of one task.

    Args:
        request: files, ids, args, config, and `plain`, whether no test uses what only pytest's own
            protocol gives.
        root: The folder that holds the files.
    """

    def __init__(self, request: Mapping[str, Any], root: str) -> None:
        self._request, self._root = request, root
        self.finder = modules.Finder()
        self.items: list[Any] = []
        self.broken: list[dict[str, Any]] = []
        self.selected: list[dict[str, Any]] = []
        self.foreign: list[Foreign] = []
        self.support: dict[str, tuple[str, str]] = {}
        self.own: set[str] = set()
        self._binding: modules.Binding | None = None
        self._known: dict[str, Any] | None = None
        self._direct: dict[int, Callable[[], Any]] = {}
        self._heard: list[dict[str, Any]] = []

    # --- before the tested code is there ---

    def prepare(self) -> None:
        """Have imports go the way that they go in the tests' workspace."""
        sys.meta_path.insert(0, self.finder)
        sys.path.insert(0, self._root)
        sys.argv = ["pytest"]

    def collect(self) -> None:
        """Have pytest import the test files and collect the items."""
        import _pytest.assertion
        import _pytest.config
        import pytest

        request = self._request
        config_file = request["config"] or "/dev/null"
        args = [
            *("-q", "--tb=no", "--capture=no", "--continue-on-collection-errors"),
            *(word for name in UNUSED for word in ("-p", f"no:{name}")),
            *("-c", config_file),
            *(f"--rootdir={self._root}", f"--confcutdir={self._root}"),
            # the dot, so that no name is taken for an option
            *(*request["args"], *(f"./{path}" for path in request["targets"])),
        ]
        config = _pytest.config._prepareconfig(args, plugins=[_plugin(self)])
        config._do_configure()
        session = pytest.Session.from_config(config)
        config.hook.pytest_sessionstart(session=session)
        with contextlib.suppress(session.Interrupted):
            config.hook.pytest_collection(session=session)
        self.items = session.items
        spaces = self._spaces()
        if self.finder.lazy:
            self._binding = modules.Binding(self.finder, spaces)
            self.finder.used |= self.finder.elsewhere(list(spaces.values()))
            # an error may come of a placeholder, in a way that none notices
            self.finder.used |= bool(self.broken and self.finder.asked)
        warnings = config.getini("filterwarnings") or config.known_args_namespace.pythonwarnings
        if (
            request["plain"]
            and not warnings
            and not any(direct.has_hooks(plugin) for plugin in config.pluginmanager.get_plugins())
        ):
            for i, item in enumerate(self.items):
                call = direct.direct_call(item)
                if call is not None:
                    self._direct[i] = call
        if self.items:
            # explanations of failed asserts, for all tests that are called directly
            self._explaining = _pytest.assertion.pytest_runtest_protocol(self.items[0])
            next(self._explaining)

    def _spaces(self) -> dict[str, dict[str, Any]]:
        """Path of a file of the tests -> globals of its module; notes whose modules these are."""
        spaces = {}
        files = self._request["files"]
        tests = set(map(selection.path_of, self._request["ids"]))
        for name, module in list(sys.modules.items()):
            file = vars(module).get("__file__") if module is not None else None
            if not isinstance(file, str) or not file.startswith(self._root + "/"):
                continue
            path = file[len(self._root) + 1 :]
            if path not in files:
                continue
            spaces[path] = vars(module)
            self.own.add(name)
            if path not in tests and path.rpartition("/")[2] != "conftest.py":
                self.support[name] = path, excerpts.classes(files[path])
        return spaces

    def baseline(self) -> baseline.Baseline | None:
        """What to compare with after each run, where one process can make many; else None."""
        if (
            (self._binding is None and self._known is None)
            or self._request["seeds"]
            or self.broken
            or not self.items
            or len(self._direct) < len(self.items)
        ):
            return None
        params = [vars(i.callspec)["params"] for i in self.items if hasattr(i, "callspec")]
        try:
            return baseline.Baseline(self._spaces().values(), params, self.finder)
        except baseline.Unclear:
            return None

    # --- with the tested code ---

    def run(self, link: Examiner, note: Callable[..., None]) -> None:
        """Run the tests; `note` takes the events."""
        try:
            lacking = self._meet(link)
        except crossing.Lost:
            lacking = {}
        if link.lost:
            note({"lost": "", "message": link.fault})
            return
        tests = {item.nodeid.partition("::")[0] for item in self.items}
        if any(path not in tests for path in lacking):  # a conftest, or a module of several files
            lacking = {path: next(iter(lacking.values())) for path in tests} | lacking
        note(
            *self.selected, *self.broken, *({"broken": p, **about} for p, about in lacking.items())
        )
        for one in self.foreign:
            if one.is_test():
                what = f"pytest takes {one.name}, which is the tested code's, for a test"
                why = {"message": what, "blamed": "code"}
                note({"test": one.node, "phase": "apart", "outcome": "failed", **why})
        order = [
            i for i, item in enumerate(self.items) if item.nodeid.partition("::")[0] not in lacking
        ]
        others = [i for i in order if i not in self._direct]
        done: list[dict[str, Any]] = []
        for i in order:
            item = self.items[i]
            link.next_test()
            note(*done, {"start": item.nodeid})
            if i in self._direct:
                events = [self._call(self._direct[i])]
            else:
                others.pop(0)
                events = self._through_pytest(item, self.items[others[0]] if others else None)
            if link.lost:
                note({"lost": item.nodeid, "message": link.fault})
                return
            if link.fault:
                why = {"message": link.fault, "blamed": link.blamed}
                events.insert(0, {"phase": "apart", "outcome": "failed", **why})
            elif link.failed is not None and all(e["outcome"] == "passed" for e in events):
                events = [{"phase": "call", "outcome": "failed", **self.describe(link.failed)}]
            done = [{"test": item.nodeid, **event} for event in events] + [{"end": item.nodeid}]
        note(*done)

    def connect(self, link: Examiner) -> None:
        """Have the tested code answer over this connection."""
        proxies.connect(link)
        if self._known is not None:
            link.resume(self._known)

    def collect_with(self, link: Examiner) -> None:
        """Collect what cannot be collected without the tested code.

        Raises:
            crossing.Lost: The tested code has gone; `run` tells.
        """
        self.finder.lazy = False
        self.connect(link)
        if self._request["seeds"]:
            _seed_both()
        self.collect()
        link.support.update(self.support)
        link.own.update(self.own, self.support)
        self._known = link.state()

    def _meet(self, link: Examiner) -> dict[str, dict[str, Any]]:
        """Have the tested code imported; what to say of each file that lacks something."""
        if self._binding is None:
            return {}
        if self._request["seeds"]:
            _seed_both()
        broken = self._binding.bind()
        return {path: self._lack(path, *what) for path, what in broken.items()}

    def _call(self, test: Callable[[], Any]) -> dict[str, Any]:
        import unittest

        import pytest

        try:
            test()
        except (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest):
            return {"phase": "call", "outcome": "skipped"}
        except BaseException as error:
            return {"phase": "call", "outcome": "failed", **self.describe(error)}
        return {"phase": "call", "outcome": "passed"}

    def _through_pytest(self, item: Any, following: Any) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        self._heard = events
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return events

    def _lack(self, path: str, error: BaseException, module: str, name: str) -> dict[str, Any]:
        """Message and place of a file that cannot be imported, as an import would have them."""
        about = self.describe(error)
        if not about["path"]:
            line = _import_line(self._request["files"][path], module, name)
            about |= {"path": path, "line": line}
        return about

    def describe(self, error: BaseException) -> dict[str, Any]:
        """First line of an exception, and the innermost place in the workspace."""
        import traceback

        text = "".join(traceback.format_exception_only(type(error), error))
        lines = [line for line in text.splitlines() if line.strip()]
        message = lines[0] if lines else type(error).__name__
        path, line, trace = "", 0, error.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if file.startswith(self._root + "/"):
                path, line = file[len(self._root) + 1 :], trace.tb_lineno
            trace = trace.tb_next
        where = vars(error).get("_hrmgym_where") if hasattr(error, "__dict__") else None
        if where is not None and where[0]:
            path, line = where
        if isinstance(error, SyntaxError):
            file = str(error.filename)
            if where is not None and where[0]:
                message = f"SyntaxError: {error.msg}"
            elif file.startswith(self._root + "/"):
                path, line = file[len(self._root) + 1 :], error.lineno or 0
                message = f"SyntaxError: {error.msg}"
        return {"message": message[:_WIDTH], "path": path[:_WIDTH], "line": line}


def load() -> None:
    """Import what every course needs, once: pytest too imports some of it when it needs it."""
    import importlib

    for name in ("traceback", "unittest", "pytest", "pdb"):
        importlib.import_module(name)
    for name in ("readline", *(f"_pytest.{part}" for part in _PARTS)):
        with contextlib.suppress(ImportError):  # not in every Python, nor in every pytest
            importlib.import_module(name)


def _plugin(course: Course) -> object:
    """The plugin that tells a course what pytest does."""
    import pytest

    class Plugin:
        def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
            """Keep the tests that were asked for, in the order of the question."""
            nodes = [item.nodeid for item in items]
            selected = selection.choose(course._request["ids"], nodes)
            course.selected = selection.events(selected, nodes)
            asked = (node for tests in selected.values() for node in tests)
            wanted = {node: i for i, node in enumerate(dict.fromkeys(asked))}
            items[:] = [item for item in items if item.nodeid in wanted]
            items.sort(key=lambda item: wanted[item.nodeid])

        @pytest.hookimpl(tryfirst=True)
        def pytest_pycollect_makeitem(self, collector: Any, name: str, obj: Any) -> Any:
            """Collect nothing of the tested code, and note what pytest would have collected."""
            if type(obj) in (staticmethod, classmethod):  # `isinstance` would use a placeholder
                obj = obj.__func__
            if not modules.is_of_tested_code(obj):
                return None
            node = f"{collector.nodeid}::{name}"
            if any(selection.concerns(one, node) for one in course._request["ids"]):
                course.foreign.append(Foreign(node, name, obj, collector))
            return []

        @pytest.hookimpl(wrapper=True)
        def pytest_make_collect_report(self, collector: Any) -> Generator[None, Any, Any]:
            report = yield
            call = getattr(report, "call", None)
            if report.failed and call is not None and call.excinfo is not None:
                error = call.excinfo.value
                about = course.describe(error.__cause__ or error)
                blamed = "" if course.finder.lazy else proxies.connection().blamed
                course.broken.append({"broken": collector.nodeid, **about, "blamed": blamed})
            return report

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(self, item: Any, call: Any) -> Generator[None, Any, Any]:
            report = yield
            event = {"phase": report.when, "outcome": report.outcome}
            if report.failed and call.excinfo is not None:
                event |= course.describe(call.excinfo.value)
            elif report.failed:
                event |= {"message": str(report.longrepr).splitlines()[0], "path": "", "line": 0}
            course._heard.append(event)
            return report

    return Plugin()


def _import_line(source: str, module: str, name: str) -> int:
    """Line of the statement that imports a name of a module."""
    import ast

    for node in ast.walk(ast.parse(sourcecode.data_of(source))):
        if isinstance(node, ast.Import) and not name:
            if any(alias.name == module for alias in node.names):
                return node.lineno
        elif (
            isinstance(node, ast.ImportFrom)
            and node.module == module
            and (not name or any(alias.name == name for alias in node.names))
        ):
            return node.lineno
    return 0


def _seed_both() -> None:
    """Have a test that seeds the random numbers seed those of the tested code, too."""
    import random

    ours = random.seed

    def seed(*args: Any) -> None:
        ours(*args)
        proxies.connection().ask_for("seed", *(args or (None,)))

    random.seed = seed  # type: ignore[assignment]


def events_to(fd: int) -> Callable[..., None]:
    """Writes events, all that are given at once as one line of JSON."""

    def note(*events: dict[str, Any]) -> None:
        os.write(fd, dumps(events).encode() + b"\n")

    return note
