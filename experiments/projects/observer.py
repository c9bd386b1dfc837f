"""Runs a project's tests once, inside a sandbox, and says what became of each.

It is laid beside a copy of the project and run there as `python3 observer.py JOB EVENTS`. A job is
a JSON object: `args` of pytest, `test_s` (seconds that a test may take) and `traced` (whether to
tell which functions each test runs). Events are lines, each a JSON object: see `Watch`.
Standard library and pytest only.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest


class Watch:
    """A plugin that writes what becomes of each test, and stops those that take too long."""

    def __init__(self, job: dict[str, Any], out: int) -> None:
        self.test_s, self.traced = job["test_s"], job["traced"]
        self.root = str(Path.cwd()) + os.sep
        self._out = out
        self._told: dict[str, Any] = {}

    def write(self, **event: Any) -> None:
        """One event; the tests may end the process at any time."""
        os.write(self._out, (json.dumps(event) + "\n").encode("utf-8", "surrogatepass"))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Notes what cannot be collected."""
        report = yield
        call = getattr(report, "call", None)
        if report.failed and call is not None and call.excinfo is not None:
            error = call.excinfo.value
            info = pytest.ExceptionInfo.from_exception(error.__cause__ or error)
            self.write(broken=collector.nodeid, **self._described(info))
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Has a test run under the limit, and tells of it."""
        self._told = {"status": "", "seconds": 0.0, "message": "", "path": "", "late": False}
        self.write(start=item.nodeid)
        ran: dict[CodeType, None] = {}
        called: list[CodeType] = []
        signal.signal(signal.SIGALRM, self._late)
        signal.setitimer(signal.ITIMER_REAL, self.test_s)
        if self.traced:
            sys.setprofile(self._profiler(str(item.path), ran, called))
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.write(
                test=item.nodeid,
                ran=[[self._inside(code), code.co_qualname] for code in ran],
                called=self._inside(called[0]) if called else "",
                **self._told,
            )

    def _profiler(self, test: str, ran: dict[CodeType, None], called: list[CodeType]) -> Any:
        def note(frame: FrameType, event: str, _: object) -> None:
            if event != "call" or not frame.f_code.co_filename.startswith(self.root):
                return
            ran[frame.f_code] = None
            above = frame.f_back
            if above is not None and above.f_code.co_filename == test:
                called[:] = [frame.f_code]

        return note

    def _late(self, *_: object) -> None:
        self._told["late"] = True
        pytest.fail(f"took longer than {self.test_s:g} s")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Notes what a phase of a test came to."""
        report: Any = yield
        told = self._told
        told["seconds"] += report.duration
        if report.failed:
            told["status"] = "failed"
            if call.excinfo is not None and not told["message"]:
                told |= self._described(call.excinfo)
            elif not told["message"]:
                told["message"] = str(report.longrepr).splitlines()[0]
        elif told["status"] != "failed":
            if report.skipped or hasattr(report, "wasxfail"):
                told["status"] = "skipped"
            elif report.when == "call":
                told["status"] = "passed"
        return report  # type: ignore[no-any-return]

    def _described(self, info: pytest.ExceptionInfo[BaseException]) -> dict[str, Any]:
        """Message of an exception, and the innermost of the project's files on its way."""
        lines = [line for line in info.exconly().splitlines() if line.strip()]
        path = ""
        for entry in info.traceback:
            if str(entry.path).startswith(self.root):
                path = str(entry.path)[len(self.root) :]
        error = info.value
        message = lines[0] if lines else info.typename
        if isinstance(error, SyntaxError):
            message = f"{info.typename}: {error.msg}, line {error.lineno}"
            if str(error.filename).startswith(self.root):
                path = str(error.filename)[len(self.root) :]
                message += f" of {path}"
        if info.typename == "FixtureLookupError":
            message = f"fixture {getattr(error, 'argname', None)!r} not found"
        with contextlib.suppress(Exception):
            if isinstance(error, pytest.Collector.CollectError):
                message = str(error)
        return {"message": message[:300], "path": path}

    def _inside(self, code: CodeType) -> str:
        return code.co_filename[len(self.root) :]


def main(job_path: str, events_path: str) -> None:
    """Runs pytest with a job's arguments."""
    job = json.loads(Path(job_path).read_text("utf-8"))
    out = os.open(events_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sys.path[0] = str(Path.cwd())
    sys.argv = ["pytest"]
    watch = Watch(job, out)
    status = int(pytest.main(job["args"], plugins=[watch]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    watch.write(exit=status, cpu_s=used.ru_utime + used.ru_stime)
    sys.stdout.flush()
    os._exit(0)  # whatever threads the tests have left


if __name__ == "__main__":
    main(*sys.argv[1:])
