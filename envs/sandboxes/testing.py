"""Runs the tests of a task in any SWE-ReX runtime."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrmgym.envs.sandboxes import calltests, stdiotests, values
from hrmgym.envs.sandboxes.bench import Bench, Ran
from hrmgym.envs.task import (
    CallTests,
    CommandTests,
    Limits,
    Outcome,
    PytestTests,
    Status,
    StdioTests,
    TestSpec,
)

MESSAGE_WIDTH = 300
_OUT_OF_CPU = (-signal.SIGXCPU, 128 + signal.SIGXCPU)
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b\d+\.\d+ ?(?:s|ms|secs?|seconds)\b")
_CONFIGS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_PLUGIN = "pytest_report"


async def run_tests(
    bench: Bench, files: Mapping[str, str], tests: TestSpec, limits: Limits
) -> Outcome:
    """The outcome of `tests` on a workspace that holds `files` and nothing else.

    Raises:
        TypeError: No way is known to run that kind of tests.
    """
    match tests:
        case CallTests():
            reply = await bench.run_calls(calltests.request(files, tests, limits), limits)
            return calltests.judge(tests, reply, limits)
        case StdioTests():
            reply = await bench.run_calls(stdiotests.request(files, tests, limits), limits)
            return stdiotests.judge(tests, reply, limits)
        case PytestTests():
            return await _run_pytest(bench, files, tests, limits)
        case CommandTests():
            await bench.renew({**files, **tests.files}, limits)
            return _judge_command(bench, tests, await bench.run(tests.command, limits))
    raise TypeError(f"cannot run tests of type {type(tests).__name__}")


# --- one command ---------------------------------------------------------------------------------


def _judge_command(bench: Bench, tests: CommandTests, ran: Ran) -> Outcome:
    (name,) = tests.test_ids
    if ran.status == 0:
        return Outcome(tests={name: Status.PASSED}, cpu_s=ran.cpu_s, wall_s=ran.wall_s)
    if _is_timeout(ran):
        message = f"{tests.command[0]} timed out"
        return Outcome(
            tests={name: Status.TIMEOUT}, message=message, cpu_s=ran.cpu_s, wall_s=ran.wall_s
        )
    text = ran.output.replace(bench.root + "/", "")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|fail|expected", line, re.IGNORECASE)]
    said = (telling or lines[-1:] or [f"exit code {ran.status}"])[0]
    place = re.search(r"(?m)^\s*(?:-->|at)?\s*([\w./-]+\.\w+):(\d+)", text)
    return Outcome(
        tests={name: Status.FAILED},
        message=values.cut(_VARYING.sub("...", said), MESSAGE_WIDTH),
        path=place[1] if place else "",
        line=int(place[2]) if place else 0,
        cpu_s=ran.cpu_s,
        wall_s=ran.wall_s,
    )


def _is_timeout(ran: Ran) -> bool:
    return ran.status is None or ran.status in _OUT_OF_CPU


# --- pytest --------------------------------------------------------------------------------------


async def _run_pytest(
    bench: Bench, files: Mapping[str, str], tests: PytestTests, limits: Limits
) -> Outcome:
    plugin = Path(__file__).with_name(f"{_PLUGIN}.py").read_text()
    side = ".hrmgym"
    laid_out = {**files, **tests.files}
    ours = {f"{side}/{_PLUGIN}.py": plugin, f"{side}/tests.json": json.dumps(tests.ids)}
    await bench.renew({**laid_out, **ours}, limits)
    config = next((name for name in _CONFIGS if name in tests.files), "/dev/null")
    named = dict.fromkeys(name.partition("::")[0] for name in tests.ids)
    targets = [path for path in named if path in laid_out]  # one that is missing would stop all
    argv = [
        *("python3", "-B", "-m", "pytest", "-q", "--tb=no"),
        *("--continue-on-collection-errors", "-p", "no:cacheprovider"),
        *("-p", _PLUGIN, "-c", config, f"--rootdir={bench.root}", *tests.args, *targets),
    ]
    folder = f"{bench.root}/{side}"
    env = {
        "PYTHONPATH": f"{folder}:{bench.libraries}".rstrip(":"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HRMGYM_REPORT": f"{folder}/report",
        "HRMGYM_TESTS": f"{folder}/tests.json",
    }
    ran = await bench.run(argv, limits, env)
    return judge_pytest(tests, await bench.read(f"{folder}/report"), ran)


def judge_pytest(tests: PytestTests, report: str, ran: Ran) -> Outcome:
    """The outcome from the plugin's report, which foreign code could have written too."""
    book = _Book(tests)
    for line in report.splitlines():
        try:
            event = values.parse(line)
        except values.Unfit:
            break
        if not isinstance(event, dict):
            break
        book.note(event)
    return book.close(ran)


class _Book:
    """Keeps the statuses of tests while events come in."""

    def __init__(self, tests: PytestTests) -> None:
        self._tests = tests
        self._status: dict[str, Status] = {}
        self._running = ""
        self._failures: dict[str, tuple[str, str, int]] = {}
        self._broken: dict[str, tuple[str, str, int]] = {}

    def note(self, event: dict[str, Any]) -> None:
        match event:
            case {"broken": str(node)}:
                self._broken[node] = _where(event)
            case {"start": str(name)}:
                self._running = name
            case {"end": str(name)} if name == self._running:
                self._running = ""
                self._status.setdefault(name, Status.MISSING)
            case {"test": str(name), "phase": str(phase), "outcome": str(outcome)}:
                self._note_phase(name, phase, outcome, event)

    def _note_phase(self, name: str, phase: str, outcome: str, event: dict[str, Any]) -> None:
        if outcome == "failed":
            bad = Status.FAILED if phase == "call" else Status.ERROR
            self._status.setdefault(name, bad)
            if self._status[name] is Status.PASSED:
                self._status[name] = bad
            self._failures.setdefault(name, _where(event))
        elif outcome == "skipped":
            self._status.setdefault(name, Status.SKIPPED)
        elif outcome == "passed" and phase == "call":
            self._status.setdefault(name, Status.PASSED)

    def close(self, ran: Ran) -> Outcome:
        """The outcome, once the process has ended."""
        late = _is_timeout(ran)
        if self._running:
            self._status[self._running] = Status.TIMEOUT if late else Status.ERROR
            how = "timed out" if late else "ended the process"
            self._failures[self._running] = (how, "", 0)
        statuses = {name: self._final(name, late=late) for name in self._tests.ids}
        bad = next((n for n, s in statuses.items() if s not in (Status.PASSED, Status.SKIPPED)), "")
        message, path, line = self._failures.get(bad) or self._broken_for(bad) or ("", "", 0)
        if bad and not message:
            message = "timed out" if late else _last_line(ran) or "not reported"
        return Outcome(
            tests=statuses,
            message=values.cut(f"{bad}: {message}", MESSAGE_WIDTH) if bad else "",
            path=path,
            line=line,
            cpu_s=ran.cpu_s,
            wall_s=ran.wall_s,
        )

    def _final(self, name: str, *, late: bool) -> Status:
        if name in self._status:
            return self._status[name]
        if self._broken_for(name):
            return Status.ERROR
        return Status.TIMEOUT if late else Status.MISSING

    def _broken_for(self, name: str) -> tuple[str, str, int] | None:
        return self._broken.get(name.partition("::")[0])


def _where(event: dict[str, Any]) -> tuple[str, str, int]:
    message, path, line = (event.get(key) for key in ("message", "path", "line"))
    text = _VARYING.sub("...", message) if isinstance(message, str) else ""
    where = path if isinstance(path, str) else ""
    return values.cut(text, MESSAGE_WIDTH), where, line if isinstance(line, int) else 0


def _last_line(ran: Ran) -> str:
    lines = [line.strip() for line in ran.output.splitlines() if line.strip()]
    return _VARYING.sub("...", lines[-1]) if lines else ""
