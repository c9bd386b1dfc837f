"""The verdict on one task of a benchmark, from repeated runs of it: plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any, Literal

from hrmgym.envs.editable import may_edit
from hrmgym.envs.outcome import HIDDEN, VISIBLE, FailureCode, Status
from hrmgym.envs.sandboxes.verdicts.modes import Mode
from hrmgym.envs.task import Task

#: The files that a run is made on: the task as it is, or with its reference in place.
Side = Literal["untouched", "reference"]


class Verdict(StrEnum):
    """What a check says of a task."""

    SOUND = "sound"  # untouched it fails, the reference passes, repeated runs agree
    NO_REFERENCE = "no reference"  # the same, as far as a task without a reference can be checked
    MARKED = "marked"  # not sound in just the way that the benchmark declares: see `Marked`
    UNSOUND = "unsound"
    CANNOT_RUN = "cannot run here"  # the sandbox failed: nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of all tests of a task."""

    solved: bool
    """What the benchmark's grading rule says."""
    tests: Mapping[str, Status] = field(default_factory=dict)
    """Status of every test, by the id `visible/...` or `hidden/...`."""
    message: str = ""
    """The first failure."""
    failure: FailureCode | None = None
    """Why there is no verdict."""
    broken: str = ""
    """What the benchmark's own code raised."""
    how: tuple[Mode, str] | None = None
    """How the tests ran, and why: see `trial.task_apart`. None where that is not known."""
    ms: float = 0.0
    """Wall-clock milliseconds."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data, with the number of tests of each status."""
        statuses = list(self.tests.values())
        return {
            "solved": self.solved,
            "tests": {str(one): statuses.count(one) for one in Status if one in statuses},
            "message": self.message,
            "failure": self.failure,
            "ms": round(self.ms, 1),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A task, and what the check says of it."""

    task: str
    split: str
    verdict: Verdict
    message: str
    """Why it is not sound; of a marked task, the benchmark's reason."""
    failure: FailureCode | None
    """Why it cannot run here."""
    tests_apart: Mode | None
    """How its tests run: see `trial.task_apart`. None where no run says so."""
    tests_apart_why: str
    """Why the tests do not run apart from the code; empty where they do."""
    runs: Mapping[Side, Sequence[Run]]

    def ms(self, side: Side) -> float | None:
        """Median milliseconds of a run; None where there was none."""
        return median(run.ms for run in self.runs[side]) if self.runs.get(side) else None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "task": self.task,
            "split": self.split,
            "verdict": self.verdict,
            "message": self.message,
            "failure": self.failure,
            "tests_apart": self.tests_apart,
            "tests_apart_why": self.tests_apart_why,
            **{side: [run.to_dict() for run in runs] for side, runs in self.runs.items()},
        }


def judge(
    task: Task, runs: Mapping[Side, Sequence[Run]]
) -> tuple[Verdict, str, FailureCode | None]:
    """The verdict, why, and the code of what does not let the task run.

    A run that the sandbox failed proves nothing; what the others prove holds without it.
    """
    mark = task.marked
    marked = {"untouched_passes": "untouched", "reference_cannot_run": "reference"}
    faults = [
        f"the reference changes {path!r}, which is not editable"
        for path in task.reference
        if not may_edit(task.editable, path)
    ]
    if mark is not None and marked[mark.what] not in runs:
        faults.append(f"marked {mark.what}, but it has no reference")
    for side, made in runs.items():
        passes = side == "reference"
        if mark is not None and marked[mark.what] == side:
            passes = not passes
            fault = _fault(side, made, passes=passes, but=f"marked {mark.what}, but ")
        else:
            fault = _fault(side, made, passes=passes) or _left_out(side, made, task)
        if not fault and side == "untouched" and "reference" not in runs:
            fault = _selects_nothing(made)
        faults += [fault] if fault else []
    if faults:
        return Verdict.UNSOUND, "; ".join(faults), None
    for run in (run for made in runs.values() for run in made):
        if run.failure is not None:
            return Verdict.CANNOT_RUN, run.message, run.failure
    if mark is not None:
        return Verdict.MARKED, f"{mark.what}: {mark.reason}", None
    return (Verdict.SOUND if task.reference else Verdict.NO_REFERENCE), "", None


def _fault(side: Side, made: Sequence[Run], *, passes: bool, but: str = "") -> str:
    """What is wrong with the runs of one side; empty where nothing is."""
    broken = next((run.broken for run in made if run.broken), "")
    if broken:
        return f"{side}: grading raises {broken}"
    runs = [run for run in made if run.failure is None]
    for name in dict.fromkeys(name for run in runs for name in run.tests):
        seen = [run.tests.get(name, Status.MISSING) for run in runs]
        if len(set(seen)) > 1:
            return f"{side}: runs disagree: {name} {', '.join(seen)}"
    if len({run.solved for run in runs}) > 1:
        return f"{side}: runs disagree whether it is solved"
    if not runs or runs[0].solved == passes:
        return ""
    if runs[0].solved:
        return f"{side}: {but}all tests pass"
    return f"{side}: {but}{_failure(runs[0])}"


def _left_out(side: Side, made: Sequence[Run], task: Task) -> str:
    """A test that the benchmark's grading does not report; empty where there is none."""
    names = [VISIBLE + name for name in task.visible_tests.test_ids]
    names += [HIDDEN + name for name in task.hidden_tests.test_ids]
    for run in (run for run in made if run.failure is None):
        for name in names:
            if name not in run.tests:
                return f"{side}: its grade leaves {name} out"
    return ""


def _selects_nothing(untouched: Sequence[Run]) -> str:
    """An id that no test has, found without a reference; empty where nothing is certain.

    What comes after a crash, or after time was up, is not reported either; and parameters of a test
    may come from the code that is not written yet.
    """
    ran = {Status.PASSED, Status.FAILED, Status.SKIPPED, Status.MISSING}
    for run in (run for run in untouched if run.failure is None):
        for prefix in (VISIBLE, HIDDEN):
            tests = {name: status for name, status in run.tests.items() if name.startswith(prefix)}
            for name, status in tests.items():
                if status is Status.MISSING and "[" not in name and ran.issuperset(tests.values()):
                    return f"untouched: the id {name!r} selects no test"
    return ""


def _failure(run: Run) -> str:
    bad = [name for name, status in run.tests.items() if status is not Status.PASSED]
    bad.sort(key=lambda name: run.tests[name] is Status.SKIPPED)  # those may not count
    first = f", {bad[0]} {run.tests[bad[0]]}" if bad else ""
    count = f"{len(run.tests) - len(bad)} of {len(run.tests)} tests pass{first}"
    return f"{count}: {run.message}" if run.message else count
