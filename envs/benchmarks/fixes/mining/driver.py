"""Runs a release's tests many times in one sandbox: pytest is imported once, each run is a fork.

It is copied next to the release's files and run there as `python3 driver.py JOB RESULTS`. A job is
a JSON object with `root`, a folder, and `runs`; a run has an `id`, and may have

- `files`: path -> text, laid over the root while it runs (null: not there);
- `targets`: test files; `only`: the ids that run (null: all); `profile`: whether to tell which
  functions each test runs; `test_s`, `wall_s`: limits of a test and of the run.

The results are lines, each a JSON object with the `id` of its run, `whole` (whether pytest came to
its end) and `tests`: id -> [status, seconds, exception's name, its text, functions that it ran as
"path::name"].
Standard library and pytest only.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

_OUTPUT = os.open(os.devnull, os.O_WRONLY)


class _Watch:
    """Collects what becomes of each test, and stops those that take too long."""

    def __init__(self, run: dict[str, Any], root: Path, pipe: int) -> None:
        self.only = None if run.get("only") is None else set(run["only"])
        self.profile = run.get("profile", False)
        self.test_s = run.get("test_s", 5.0)
        self.root, self.pipe = f"{root}{os.sep}", pipe
        self.told: list[Any] = []

    def send(self, *event: Any) -> None:
        data = pickle.dumps(event)
        os.write(self.pipe, len(data).to_bytes(4, "big") + data)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.only is not None:
            items[:] = [item for item in items if item.nodeid in self.only]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        seen: set[CodeType] = set()
        self.told = [item.nodeid, "", 0.0, "", ""]
        self.send("start", item.nodeid)
        signal.signal(signal.SIGALRM, self.late)
        signal.setitimer(signal.ITIMER_REAL, self.test_s)
        if self.profile:
            add = seen.add
            sys.setprofile(lambda frame, event, _: add(frame.f_code) if event == "call" else None)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.send("end", *self.told, [self.name(code) for code in seen if self.ours(code)])

    def late(self, *_: object) -> None:
        pytest.fail("takes too long")

    def ours(self, code: CodeType) -> bool:
        return code.co_filename.startswith(self.root) and "<" not in code.co_qualname

    def name(self, code: CodeType) -> str:
        return f"{code.co_filename[len(self.root) :]}::{code.co_qualname}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        report: Any = yield
        _, status, spent, name, text = self.told
        spent += report.duration
        if report.failed:
            status = "failed" if report.when == "call" else "error"
            if call.excinfo is not None:
                name = call.excinfo.typename
                with contextlib.suppress(Exception):
                    text = str(call.excinfo.value)[:300]
        elif status not in ("failed", "error"):
            if report.skipped or (report.when == "call" and hasattr(report, "wasxfail")):
                status = "skipped"
            elif report.when == "call":
                status = "passed"
        self.told[1:] = status, spent, name, text
        return report  # type: ignore[no-any-return]


def _child(run: dict[str, Any], root: Path, pipe: int) -> None:
    os.setsid()
    os.chdir(root)
    os.dup2(_OUTPUT, 1)
    os.dup2(_OUTPUT, 2)
    sys.path[:] = [str(root), *sys.path[1:]]
    sys.argv = ["pytest"]
    sys.dont_write_bytecode = not run.get("profile", False)
    targets = ["./" + path for path in run["targets"]]
    argv = ["-q", "--tb=no", "--continue-on-collection-errors", "-p", "no:cacheprovider"]
    argv += ["-p", "no:faulthandler", "-c", "pytest.ini", f"--rootdir={root}"]
    argv += [f"--confcutdir={root}", *targets]
    watch = _Watch(run, root, pipe)
    status = pytest.main(argv, plugins=[watch])
    watch.send("whole", int(status))


def _run(run: dict[str, Any], root: Path) -> dict[str, Any]:
    """One run in a fork; what has come of it until it ended, or its time was up."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            _child(run, root, write)
        finally:
            os._exit(0)
    os.close(write)
    data, until = b"", time.monotonic() + run.get("wall_s", 60.0)
    while (left := until - time.monotonic()) > 0:
        if not select.select([read], [], [], left)[0]:
            break
        if not (part := os.read(read, 1 << 16)):
            break
        data += part
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(read)
    tests: dict[str, list[Any]] = {}
    running, whole = "", False
    while len(data) >= 4:
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            break
        kind, *event = pickle.loads(data[4 : 4 + size])
        data = data[4 + size :]
        if kind == "start":
            running = event[0]
        elif kind == "end":
            tests[event[0]], running = event[1:], ""
        else:
            whole = event[0] in (0, 1, 2)
    if running:
        tests[running] = ["failed", 0.0, "Killed", "ended, or never ended", []]
    return {"id": run["id"], "whole": whole, "tests": tests}


def _write(path: Path, text: str | None) -> None:
    """Writes a file, or removes it, with what Python has kept of it."""
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for kept in path.parent.glob(f"__pycache__/{path.stem}.*"):
        kept.unlink()


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


def main(job_path: str, results_path: str) -> None:
    """Makes the runs of a job, one after the other, and puts back what each changed."""
    job = json.loads(Path(job_path).read_text("utf-8"))
    root = Path(job["root"]).resolve()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    until = time.monotonic() + job["wall_s"]
    gc.freeze()
    with Path(results_path).open("w", encoding="utf-8") as results:
        for run in job["runs"]:
            if time.monotonic() > until:
                break
            before = {path: _read(root / path) for path in run["files"]}
            for path, text in run["files"].items():
                _write(root / path, text)
            results.write(json.dumps(_run(run, root)) + "\n")
            results.flush()
            for path, text in before.items():
                _write(root / path, text)


if __name__ == "__main__":
    main(*sys.argv[1:])
