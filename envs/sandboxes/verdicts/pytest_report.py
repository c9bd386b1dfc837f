"""A pytest plugin that writes what became of each test, one JSON line per event.

It runs inside a sandbox, next to foreign code. The environment variable HRMGYM_REPORT names the
file to write, HRMGYM_TESTS a JSON file with the ids of the tests that are to run. selection.py lies
next to it there.
"""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

_OUT = os.environ.pop("HRMGYM_REPORT", "")
_TESTS = os.environ.pop("HRMGYM_TESTS", "")


def _write(**event: Any) -> None:
    with open(_OUT, "a", encoding="utf-8") as file:  # noqa: PTH123 (one write, then on the disk)
        file.write(json.dumps(event) + "\n")


def _describe(info: pytest.ExceptionInfo[BaseException], root: Path) -> dict[str, Any]:
    """Message of an exception, and its innermost frame below `root`."""
    lines = [line for line in info.exconly().splitlines() if line.strip()]
    where: dict[str, Any] = {"message": lines[0] if lines else info.typename, "path": "", "line": 0}
    for entry in info.traceback:
        path = Path(str(entry.path))
        if path.is_relative_to(root):
            where.update(path=str(path.relative_to(root)), line=entry.lineno + 1)
    error = info.value
    if isinstance(error, SyntaxError) and Path(str(error.filename)).is_relative_to(root):
        path = Path(str(error.filename)).relative_to(root)
        where.update(path=str(path), line=error.lineno or 0, message=f"SyntaxError: {error.msg}")
    return where


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that were asked for, in the order of the question."""
    selection = runpy.run_path(str(Path(__file__).with_name("selection.py")))
    nodes = [item.nodeid for item in items]
    selected = selection["choose"](json.loads(Path(_TESTS).read_text()), nodes)
    for event in selection["events"](selected, nodes):
        _write(**event)
    asked = (node for tests in selected.values() for node in tests)
    wanted = {node: i for i, node in enumerate(dict.fromkeys(asked))}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in wanted])
    items[:] = [item for item in items if item.nodeid in wanted]
    items.sort(key=lambda item: wanted[item.nodeid])


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note a file that cannot be imported."""
    report = yield
    call = getattr(report, "call", None)
    if report.failed and call is not None and call.excinfo is not None:
        error = call.excinfo.value
        info = pytest.ExceptionInfo.from_exception(error.__cause__ or error)
        _write(broken=collector.nodeid, **_describe(info, collector.config.rootpath))
    return report


def pytest_runtest_logstart(nodeid: str) -> None:
    """Note that a test begins."""
    _write(start=nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what a phase of a test came to."""
    report = yield
    event: dict[str, Any] = {"phase": report.when, "outcome": report.outcome}
    if report.failed and call.excinfo is not None:
        event |= _describe(call.excinfo, item.config.rootpath)
    elif report.failed:
        event |= {"message": str(report.longrepr).splitlines()[0], "path": "", "line": 0}
    _write(test=item.nodeid, **event)
    return report


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Note that all phases of a test are over."""
    _write(end=nodeid)
