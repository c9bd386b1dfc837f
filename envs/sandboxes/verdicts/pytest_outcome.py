"""From the events of a pytest run to an outcome."""

from __future__ import annotations

import re
import signal
from typing import Any

from hrmgym.envs.sandboxes.inside import selection, values
from hrmgym.envs.task import Outcome, PytestTests, Status

MESSAGE_WIDTH = 300
CONFIGS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_OUT_OF_CPU = (-signal.SIGXCPU, 128 + signal.SIGXCPU, -signal.SIGPROF)
_ENDS = {Status.OUT_OF_MEMORY: "ran out of memory", Status.TIMEOUT: "timed out"}
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b\d+\.\d+ ?(?:s|ms|secs?|seconds)\b")


def steady(text: str) -> str:
    """`text` without addresses and durations."""
    return _VARYING.sub("...", text)


def is_timeout(status: int | None) -> bool:
    """Whether a process that ended like this had run out of time."""
    return status is None or status in _OUT_OF_CPU


class Book:
    """Keeps the statuses of tests while events come in."""

    def __init__(self, tests: PytestTests) -> None:
        self._tests = tests
        self._status: dict[str, Status] = {}
        self._running = ""
        self._selected: dict[str, list[str]] = {}
        self._near: dict[str, str] = {}
        self._failures: dict[str, tuple[str, str, int]] = {}
        self._broken: dict[str, tuple[str, str, int]] = {}

    def note(self, event: dict[str, Any]) -> None:
        """Take one event, as far as it makes sense."""
        match event:
            case {"broken": str(node)}:
                self._broken[node] = _where(event)
            case {"selected": str(name), "tests": list(tests)} if name in self._tests.ids:
                self._selected[name] = [test for test in tests if isinstance(test, str)]
                near = event.get("near")
                if isinstance(near, list) and near:
                    self._near[name] = str(near[0])
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
            if _where(event)[0].partition(":")[0] == MemoryError.__name__:
                bad = Status.OUT_OF_MEMORY
            self._status.setdefault(name, bad)
            if self._status[name] is Status.PASSED:
                self._status[name] = bad
            self._failures.setdefault(name, _where(event))
        elif outcome == "skipped":
            self._status.setdefault(name, Status.SKIPPED)
        elif outcome == "passed" and phase == "call":
            self._status.setdefault(name, Status.PASSED)

    def close(
        self,
        status: int | None,
        *,
        output: str = "",
        why: str = "",
        full: bool = False,
        cpu_s: float,
        wall_s: float,
    ) -> Outcome:
        """The outcome, once the process has ended.

        Args:
            status: Exit code of the process; None where it ran out of time.
            output: What it has printed; its last line says why no test was reported.
            why: What became of the test that ran last, where that is known.
            full: Whether it was killed for want of the memory that its limits give.
            cpu_s: CPU seconds of the run.
            wall_s: Seconds of the run.
        """
        late = is_timeout(status)
        if full and not self._running:
            self._running = next((n for n in self._tests.ids if n not in self._status), "")
        if self._running:
            end = Status.OUT_OF_MEMORY if full else Status.TIMEOUT if late else Status.ERROR
            self._status[self._running] = end
            how = why or _ENDS.get(end, "ended the process")
            self._failures[self._running] = (how, "", 0)
        statuses = {name: self._final(name, late=late) for name in self._tests.ids}
        bad = next((n for n, s in statuses.items() if s not in (Status.PASSED, Status.SKIPPED)), "")
        cause = self._cause_of(bad, late=late) if bad else ""
        message, path, line = self._failures.get(cause) or self._broken_for(cause) or ("", "", 0)
        if bad and not message:
            message = self._nothing_selected(bad) or _last_line(output) or "not reported"
            message = "timed out" if late else message
        return Outcome(
            tests=statuses,
            message=values.cut(f"{cause}: {message}", MESSAGE_WIDTH) if bad else "",
            path=path,
            line=line,
            cpu_s=cpu_s,
            wall_s=wall_s,
            killed=status == -signal.SIGKILL and not full,
        )

    def _final(self, name: str, *, late: bool) -> Status:
        """The status of an id: see `PytestTests.ids` for ids of several tests."""
        found = [self._of_test(test, late=late) for test in self._selected.get(name, [name])]
        if self._broken_for(name):  # a class that cannot be collected selects nothing
            found.insert(0, Status.ERROR)
        worst = [status for status in found if status not in (Status.PASSED, Status.SKIPPED)]
        if worst or not found:
            return worst[0] if worst else Status.TIMEOUT if late else Status.MISSING
        return Status.SKIPPED if Status.SKIPPED in found else Status.PASSED

    def _cause_of(self, name: str, *, late: bool) -> str:
        """The first test of an id that has not passed; the id where there is none such."""
        for test in self._selected.get(name, ()):
            if self._of_test(test, late=late) not in (Status.PASSED, Status.SKIPPED):
                return test
        return name

    def _nothing_selected(self, name: str) -> str:
        if self._selected.get(name, [name]):
            return ""
        near = f"; did you mean {self._near[name]!r}?" if name in self._near else ""
        return f"selects no test{near}"

    def _of_test(self, name: str, *, late: bool) -> Status:
        if name in self._status:
            return self._status[name]
        if self._broken_for(name):
            return Status.ERROR
        return Status.TIMEOUT if late else Status.MISSING

    def _broken_for(self, name: str) -> tuple[str, str, int] | None:
        """What is known of a file or class above or below an id that could not be collected."""
        if not self._broken:  # nearly always, and a run pays for every step
            return None
        inside = selection.normal(name) + "::"
        for node, where in self._broken.items():
            if inside.startswith(f"{node}::") or node.startswith(inside):
                return where
        return None


def _where(event: dict[str, Any]) -> tuple[str, str, int]:
    message, path, line = (event.get(key) for key in ("message", "path", "line"))
    text = steady(message) if isinstance(message, str) else ""
    where = path if isinstance(path, str) else ""
    return values.cut(text, MESSAGE_WIDTH), where, values.line_number(line)


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return steady(lines[-1]) if lines else ""
