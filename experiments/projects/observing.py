"""What a project's tests say before anything is changed: see `observer.py`, which runs inside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.showing import showable
from hrmgym.envs.workspace import Files

_SIDE = ".hrmgym"
USAGE_ERROR = 4
"""Exit status of pytest where it does not understand its arguments or settings."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of one test."""

    status: str
    """`passed`, `failed` or `skipped`; empty where it ended the process."""
    seconds: float = 0.0
    message: str = ""
    """The exception, in one line."""
    path: str = ""
    """The innermost of the project's files that the exception came through."""
    late: bool = False
    """Whether it was stopped because it took too long."""
    ran: frozenset[tuple[str, str]] = frozenset()
    """File and name of each of the project's functions that it ran, where that was asked."""
    called: str = ""
    """The file of the project's function that the test itself called last."""

    @property
    def failed(self) -> bool:
        """Whether it ran, and did not pass."""
        return self.status in ("failed", "")


@dataclass(frozen=True, slots=True)
class Observation:
    """What one run of pytest came to."""

    tests: Mapping[str, Observed]
    """Node id -> what became of it, in their order."""
    broken: Mapping[str, str]
    """Node id of what could not be collected -> why."""
    exit: int | None
    """Exit status of pytest; None where the process ended before."""
    cpu_s: float
    """CPU seconds of it all; 0 where it ended before."""
    output: str
    """What it printed."""

    @property
    def failing(self) -> list[str]:
        """Tests that ran and did not pass."""
        return [name for name, one in self.tests.items() if one.failed]

    @property
    def passing(self) -> list[str]:
        """Tests that passed."""
        return [name for name, one in self.tests.items() if one.status == "passed"]

    @property
    def busy_s(self) -> float:
        """Seconds of the tests that came to their end."""
        return sum(one.seconds for one in self.tests.values() if not one.late)


def observe(
    sandbox: Sandbox,
    files: Mapping[str, str],
    args: Sequence[str],
    *,
    test_s: float,
    wall_s: float,
    traced: bool = False,
) -> Observation:
    """Runs tests of a copy of a project.

    Args:
        sandbox: Where.
        files: The copy.
        args: Arguments of pytest, tests included.
        test_s: Seconds that one test may take.
        wall_s: Seconds that all may take; what has been observed until then is kept.
        traced: Whether to tell which functions each test runs, which takes time.

    Raises:
        SandboxError: the sandbox failed.
    """
    job = {"args": list(args), "test_s": test_s, "traced": traced}
    laid = Files.of(files).with_text(f"{_SIDE}/job.json", json.dumps(job))
    driver = Path(__file__).with_name("observer.py").read_text("utf-8")
    laid = laid.with_text(f"{_SIDE}/observer.py", driver)
    events = f"{_SIDE}/events.jsonl"
    command = (
        f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python3 -B {_SIDE}/observer.py {_SIDE}/job.json {events}"
    )
    done = sandbox.change(laid, command, wall_s)
    return _read(done.files.get(events, ""), done.output)


def _read(text: str, output: str) -> Observation:
    tests: dict[str, Observed] = {}
    broken: dict[str, str] = {}
    status, cpu_s = None, 0.0
    for event in _events(text):
        match event:
            case {"broken": str(name), "message": str(message)}:
                broken[name] = showable(message)
            case {"start": str(name)}:
                tests[name] = Observed("", message="ended the process, or never ended")
            case {"test": str(name)}:
                tests[name] = _observed(event)
            case {"exit": int(number), "cpu_s": float(seconds)}:
                status, cpu_s = number, seconds
    return Observation(tests, broken, status, cpu_s, showable(output))


def _events(text: str) -> Iterator[dict[str, Any]]:
    """The events up to the first line that is none: tested code may have written there, too."""
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        yield event


def _observed(event: Mapping[str, Any]) -> Observed:
    ran = event.get("ran", [])
    return Observed(
        status=str(event.get("status", "")),
        seconds=float(event.get("seconds", 0.0)),
        message=showable(str(event.get("message", ""))),
        path=str(event.get("path", "")),
        late=bool(event.get("late")),
        ran=frozenset((str(path), str(name)) for path, name in ran),
        called=str(event.get("called", "")),
    )
