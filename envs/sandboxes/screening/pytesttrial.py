"""pytest's tests, collected once and run on many texts of one file; see `trying`.

Tests and tested code are in one process, whatever an ordinary run does. The process that collects
them runs no test: it forks one that does, and another when that one is of no more use. Standard
library and pytest only.
"""

from __future__ import annotations

import _signal
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from types import CodeType
from typing import Any, NoReturn

from hrmgym.envs.sandboxes.between import direct, examination
from hrmgym.envs.sandboxes.inside import calls, selection, sourcecode
from hrmgym.envs.sandboxes.screening import (
    behaviour,
    harmless,
    own,
    patching,
    pristine,
    reach,
    trying,
)

_MORE_FRAMES = 3


def act(request: Mapping[str, Any], root: str, out: int) -> NoReturn:
    """Collect the tests, then try texts in forks: see `trying.act`."""
    os.chdir(root)
    board: trying.Board = request["board"]
    _signal.setitimer(_signal.ITIMER_PROF, trying.PREPARE_S)
    gc.enable()
    try:
        trial = Pytest(request, root)
    except BaseException:
        trying.end(board, request["from"], trying.BROKEN)
    _signal.setitimer(_signal.ITIMER_PROF, 0)
    gc.freeze()
    bench = trying.Bench(request, root, trial)
    first = at = request["from"]
    before = pristine.stamp(root)
    while at < board.size:
        if at > first:
            bench.note()  # once for all that follow
        board.begin(at)
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                os.setpgid(0, 0)
                trying.try_texts({**request, "from": at}, bench)
            os._exit(70)
        _, code = os.waitpid(child, 0)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)  # whatever it has started
        at = trying.settle(board, at, os.waitstatus_to_exitcode(code), request)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if (
            used.ru_utime + used.ru_stime > request["slice_s"]
            or pristine.stamp(root) != before
            or (request["stop"] and board.status(at - 1) == trying.PASSED)
        ):
            break
    trying.end(board, at, trying.THROUGH)


class NotCollected(Exception):
    """Tests that are not to be had with the untouched code."""


class Pytest:
    """Collected tests, ready to be tried on texts: see `trying.Trial`."""

    def __init__(self, request: Mapping[str, Any], root: str) -> None:
        self._request, self._root = request, root
        self._told, self.said = request["told"], behaviour.NOTHING
        self.own = own.modules_of(request["files"]) | own.folders_of(request["files"])
        self._path = f"{root}/{request['edited']}"
        self._text = str(request["files"][request["edited"]])
        calls.forget(request["files"])
        sys.path.insert(0, root)
        sys.path.append(request["libraries"])
        sys.argv = ["pytest"]
        self._events: list[tuple[str, str]] = []
        run: set[CodeType] = set()
        with patching.noting(self._path, run):
            items = self._collected()
        spaces = self._spaces()
        plain = request["plain"] and not self._hooked
        #: Each test, and how it is called where it needs nothing of pytest.
        self._pairs = [(item, direct.direct_call(item) if plain else None) for item in items]
        self._first = first = frozenset(request["first"])
        self._turned = 0
        if all(call is not None for _, call in self._pairs):  # then their order is of no account
            self._pairs.sort(key=lambda pair: self._numbers[pair[0].nodeid] not in first)
        self._imports = harmless.imports_of(self._text)
        self._bodies = patching.Bodies(self._text, self._path, run)
        params = [item.callspec.params for item in items if hasattr(item, "callspec")]
        self._reach = reach.Reach(spaces.values(), params, frozenset(spaces))
        sys.setrecursionlimit(sys.getrecursionlimit() + _MORE_FRAMES)

    def _collected(self) -> list[Any]:
        import _pytest.config
        import pytest

        request = self._request
        args = [
            *("-q", "--tb=no", "--capture=no"),
            *(word for name in examination.UNUSED for word in ("-p", f"no:{name}")),
            *("-c", request["config"] or "/dev/null"),
            *(f"--rootdir={self._root}", f"--confcutdir={self._root}"),
            *(*request["args"], *(f"./{path}" for path in request["targets"])),
        ]
        config = _pytest.config._prepareconfig(args, plugins=[_plugin(self)])
        config._do_configure()
        session = pytest.Session.from_config(config)
        config.hook.pytest_sessionstart(session=session)
        config.hook.pytest_collection(session=session)
        warnings = config.getini("filterwarnings") or config.known_args_namespace.pythonwarnings
        plugins = config.pluginmanager.get_plugins()
        self._hooked = bool(warnings) or any(map(direct.has_hooks, plugins))
        self._session = session
        nodes = [item.nodeid for item in session.items]
        self._selected = selected = selection.choose(request["ids"], nodes)
        if not all(selected.values()):
            raise NotCollected
        wanted = list(dict.fromkeys(node for tests in selected.values() for node in tests))
        #: Node -> number of the test that it is of, or of the first.
        self._numbers: dict[str, int] = {}
        for number, name in enumerate(request["ids"]):
            for node in selected[name]:
                self._numbers.setdefault(node, number)
        by_node = {item.nodeid: item for item in session.items}
        return [by_node[node] for node in wanted]

    def _spaces(self) -> dict[str, dict[str, Any]]:
        """Name -> globals of each module of the workspace and of the tests."""
        return {
            name: vars(module)
            for name, module in list(sys.modules.items())
            if (getattr(module, "__file__", None) or "").startswith(self._root + "/")
        }

    def attempt(
        self, text: str, watch: Callable[[], None], more_time: Callable[[], None]
    ) -> tuple[int, int, bool]:
        """See `trying.Trial`."""
        try:
            found = self._bodies.edited(text)
        except (SyntaxError, ValueError, RecursionError):
            found = None
        if found is None:
            try:
                sourcecode.compiled(text, self._path)
            except (SyntaxError, ValueError, RecursionError):
                return trying.FAILED, 1, True
            return trying.UNSURE, 0, True
        self._reach.clear()
        quiet = harmless.is_harmless(found[0], self._imports)
        if not quiet:
            watch()
        with patching.patched(*found):
            status, ran = self._run(self._pairs)
        return status, ran, quiet and self.intact()

    def single(self, number: int) -> int:
        """See `trying.Trial`."""
        nodes = self._selected[self._request["ids"][number]]
        chosen = [pair for pair in self._pairs if pair[0].nodeid in nodes]
        return self._run(chosen)[0]

    def intact(self) -> bool:
        """See `trying.Trial`."""
        return self._reach.whole and self._reach.intact()

    def _run(self, pairs: list[tuple[Any, Callable[[], Any] | None]]) -> tuple[int, int]:
        skipped, last, self._turned = False, len(pairs) - 1, 0
        for number, (item, call) in enumerate(pairs):
            if item.cls is not None:  # an object of its own for each run
                for name in ("_obj", "_instance"):
                    vars(item).pop(name, None)
            following = pairs[number + 1][0] if number < last else None
            said = self._call(item, call) if call is not None else self._through(item, following)
            if said == "failed":
                if call is None:
                    with suppress(BaseException):
                        self._session._setupstate.teardown_exact(None)
                return trying.FAILED, number + 1
            self._turned += self._numbers[item.nodeid] in self._first
            skipped |= said == "skipped"
        return trying.UNSURE if skipped else trying.PASSED, len(pairs)

    def _call(self, item: Any, test: Callable[[], Any]) -> str:
        import unittest

        import pytest

        try:
            test()
        except MemoryError:
            raise
        except (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest):
            return "skipped"
        except BaseException as error:
            self.note_error(item, error)
            return "failed"
        return "passed"

    def _through(self, item: Any, following: Any) -> str:
        self._events.clear()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        outcomes = {outcome for _, outcome in self._events}
        if outcomes == {"passed"} and ("call", "passed") in self._events:
            return "passed"
        return "failed" if "failed" in outcomes or not outcomes else "skipped"

    def note(self, phase: str, outcome: str) -> None:
        """Take what pytest says of a phase of a test."""
        self._events.append((phase, outcome))

    def note_error(self, item: Any, error: BaseException) -> None:
        """Take what a test has raised; of several, the first."""
        if self._told and self.said == behaviour.NOTHING:
            number = self._numbers[item.nodeid]
            where = self._root, self._path, str(item.path)
            self.said = behaviour.of_error(number, self._turned, error, *where)


def _plugin(trial: Pytest) -> object:
    import pytest

    class Plugin:
        @pytest.hookimpl(wrapper=True)
        def pytest_make_collect_report(self, collector: Any) -> Generator[None, Any, Any]:
            report = yield
            if report.failed:
                raise NotCollected
            return report

        def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
            if call.excinfo is not None:
                trial.note_error(item, call.excinfo.value)

        def pytest_runtest_logreport(self, report: Any) -> None:
            trial.note(report.when, report.outcome)

    return Plugin()
