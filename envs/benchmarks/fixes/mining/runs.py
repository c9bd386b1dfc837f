"""Runs of a release's tests in a sandbox, many at a time: see `driver.py`, which runs inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hrmgym.envs.sandboxes.handle import Sandbox

_ROOT, _JOB, _RESULTS = "release", "job.json", "results.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of some tests."""

    id: str
    targets: Sequence[str]
    """Observed files."""
    files: Mapping[str, str | None] = field(default_factory=dict)
    """Path -> text, laid over the release's files while they run; None: not there."""
    only: Sequence[str] | None = None
    """Ids of the tests that run; None: all."""
    profile: bool = False
    """Whether to tell which functions each test runs."""
    test_s: float = 5.0
    wall_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of a test."""

    status: str
    """`passed`, `failed`, `error`, `skipped`, or empty."""
    seconds: float
    exception: str
    """Name of the exception's class, where there was one."""
    message: str
    ran: tuple[str, ...]
    """Functions of the release that it ran, as `path::Qualified.name`, where that was asked."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a run."""

    whole: bool
    """Whether pytest came to its end."""
    tests: Mapping[str, Observed]

    @property
    def passed(self) -> frozenset[str]:
        """Ids of those that passed."""
        return frozenset(name for name, test in self.tests.items() if test.status == "passed")


class Runs:
    """A release's files in a sandbox, and runs of tests on them."""

    def __init__(self, sandbox: Sandbox, files: Mapping[str, str]) -> None:
        self._sandbox = sandbox
        self._files: dict[str, str | bytes] = {
            f"{_ROOT}/{path}": text for path, text in files.items()
        }
        self._files["driver.py"] = Path(__file__).with_name("driver.py").read_text("utf-8")

    def make(self, runs: Sequence[Run], wall_s: float) -> dict[str, Result]:
        """Makes runs in their order, as many as there is time for; id -> result.

        Args:
            runs: What to run.
            wall_s: Seconds after which no other run begins.
        """
        if not runs:
            return {}
        job = {"root": _ROOT, "wall_s": wall_s, "runs": [_line(run) for run in runs]}
        longest = max(run.wall_s for run in runs)
        files = self._files | {_JOB: json.dumps(job)}
        command = f"python3 driver.py {_JOB} {_RESULTS}"
        self._sandbox.run_command_in(files, command, wall_s + longest + 60.0)
        said = self._sandbox.get_files().get(_RESULTS, b"").decode("utf-8", "replace")
        return dict(_result(line) for line in said.splitlines())


def _line(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in Run.__slots__}


def _result(line: str) -> tuple[str, Result]:
    data = json.loads(line)
    tests = {
        name: Observed(status, seconds, exception, message, tuple(ran))
        for name, (status, seconds, exception, message, ran) in data["tests"].items()
    }
    return data["id"], Result(data["whole"], tests)
