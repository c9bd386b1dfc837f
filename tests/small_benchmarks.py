"""Small benchmarks in memory, with a task for each verdict that a check can give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hrmgym.envs import Benchmark
from hrmgym.envs.outcome import grade_of
from hrmgym.envs.sandboxes.executor import TestRunner
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    FailureCode,
    Limits,
    Marked,
    Outcome,
    PytestTests,
    Task,
    Workspace,
)
from hrmgym.errors import SandboxError

WRONG = "def f(x):\n    return 0\n"
RIGHT = "def f(x):\n    return 2 * x\n"
#: Agrees with itself in 64 calls by a chance of 2 ** -64.
RANDOM = "import os\n\ndef f(x):\n    return 2 * x * (os.urandom(1)[0] % 2)\n"
NETWORK = "import socket\nsocket.create_connection(('192.0.2.1', 80), 1)\n\n" + RIGHT
_LIMITS = Limits(cpu_s=2.0, wall_s=20.0)


def calls(*values: int) -> CallTests:
    """f(value) == 2 * value, for each."""
    cases = (CallCase(id=f"of-{value}", args=(value,), expected=2 * value) for value in values)
    return CallTests(path="f.py", function="f", cases=tuple(cases))


def pytest_tests(text: str, *names: str) -> PytestTests:
    return PytestTests(files={"test_f.py": text}, ids=tuple(f"test_f.py::{n}" for n in names))


def task(name: str, program: str = WRONG, reference: str = RIGHT, **fields: Any) -> Task:
    """A task; an empty reference means none."""
    files = {"f.py": program}
    defaults: dict[str, Any] = {
        "benchmark": "small",
        "language": "python",
        "split": "test",
        "prompt": "f(x) returns 2 * x.",
        "source": "tests",
        "workspace": Workspace(files=files),
        "editable": ("f.py",),
        "visible_tests": calls(1, 2),
        "hidden_tests": calls(3, 4),
        "limits": _LIMITS,
        "reference": {"f.py": reference} if reference else {},
    }
    return Task(id=name, **(defaults | fields))


MANY = calls(*range(1, 65))
SOUND = (
    task("sound"),
    task("sound/visible-pass-untouched", "def f(x):\n    return 2 * min(x, 2)\n"),
    task("sound/hidden-pass-untouched", "def f(x):\n    return 2 * max(x, 3)\n"),
    task("sound/endless", "def f(x):\n    while True: pass\n", limits=Limits(cpu_s=0.05)),
    task("sound/syntax-error", "def f(x:\n"),
    task(
        "sound/together",
        visible_tests=pytest_tests(
            "def test_one(monkeypatch):\n    import f\n    assert f.f(1) == 2\n", "test_one"
        ),
    ),
    task(
        "sound/command",
        hidden_tests=CommandTests(command=("python3", "-c", "import f; assert f.f(1) == 2")),
    ),
)
NO_REFERENCE = (task("no-reference", reference=""),)
MARKED = (
    task(
        "marked/passes",
        RIGHT,
        marked=Marked(what="untouched_passes", reason="the bug shows on Windows alone"),
    ),
    task(
        "marked/passes-no-reference",
        RIGHT,
        "",
        marked=Marked(what="untouched_passes", reason="so it was published"),
    ),
    task(
        "marked/network",
        reference=NETWORK,
        marked=Marked(what="reference_cannot_run", reason="it needs a network"),
    ),
)
#: Task and what its message must hold.
UNSOUND = (
    (task("untouched-passes", RIGHT), "untouched: all tests pass"),
    (task("untouched-passes/no-reference", RIGHT, ""), "untouched: all tests pass"),
    (
        task("reference-fails", reference=WRONG),
        "reference: 0 of 4 tests pass, hidden/of-3 failed: f(3) returned 0, expected 6",
    ),
    (
        task("reference-fails/hidden", reference="def f(x):\n    return 2 * min(x, 2)\n"),
        "reference: 2 of 4 tests pass, hidden/of-3 failed: f(3) returned 4, expected 6",
    ),
    (
        task("reference-fails/visible", reference="def f(x):\n    return 2 * max(x, 3)\n"),
        "reference: 2 of 4 tests pass, visible/of-1 failed: f(1) returned 6, expected 2",
    ),
    (task("reference-fails/crash", reference="import os\nos._exit(0)\n"), "reference: 0 of 4"),
    (
        task("flaky/untouched", RANDOM, visible_tests=MANY),
        "untouched: runs disagree: ",
    ),
    (
        task("flaky/reference", reference=RANDOM, hidden_tests=MANY),
        "reference: runs disagree: ",
    ),
    (
        task("flaky/no-reference", RANDOM, "", hidden_tests=MANY),
        "untouched: runs disagree: ",
    ),
    (
        task(
            "not-editable",
            workspace=Workspace(files={"f.py": WRONG, "g.py": ""}),
            editable=("g.py",),
        ),
        "the reference changes 'f.py', which is not editable",
    ),
    (
        task(
            "mark/untouched-fails",
            marked=Marked(what="untouched_passes", reason="a mistake"),
        ),
        "untouched: marked untouched_passes, but 0 of 4 tests pass",
    ),
    (
        task(
            "mark/reference-passes",
            marked=Marked(what="reference_cannot_run", reason="it needs a network"),
        ),
        "reference: marked reference_cannot_run, but all tests pass",
    ),
    (
        task(
            "mark/untouched-passes-too",
            RIGHT,
            NETWORK,
            marked=Marked(what="reference_cannot_run", reason="it needs a network"),
        ),
        "untouched: all tests pass",
    ),
    (
        task(
            "mark/no-reference",
            reference="",
            marked=Marked(what="reference_cannot_run", reason="it needs a network"),
        ),
        "marked reference_cannot_run, but it has no reference",
    ),
    (
        task(
            "mark/flaky",
            RANDOM,
            hidden_tests=MANY,
            marked=Marked(what="untouched_passes", reason="a mistake"),
        ),
        "untouched: runs disagree",
    ),
)


#: Tasks whose sandbox fails, and how.
BROKEN = {
    "broken": (FailureCode.SANDBOX_START, "bash does not start"),
    "descriptors": (FailureCode.INTERNAL, "Too many open files"),
    "lost": (FailureCode.LOST_CONNECTION, "it answers no more"),
}


class Small(Benchmark):
    """One split for each verdict."""

    name, version = "small", "1"
    splits = ("sound", "no-reference", "marked", "unsound", "broken", "mixed", "empty")

    def tasks(self, split: str) -> Sequence[Task]:
        """Those that ought to have the verdict that the split is called by."""
        self.check_split(split)
        found = {
            "sound": SOUND,
            "no-reference": NO_REFERENCE,
            "marked": MARKED,
            "unsound": tuple(task for task, _ in UNSOUND),
            "broken": tuple(task(name) for name in BROKEN),
            "mixed": (SOUND[0], UNSOUND[0][0], task("lost"), MARKED[0], NO_REFERENCE[0]),
        }
        return [replace(task, split=split) for task in found.get(split, ())]

    def grade(self, task: Task, files: Mapping[str, str], sandbox: TestRunner) -> Outcome:
        """As ever, where the sandbox does not fail."""
        outcome = super().grade(task, files, sandbox)
        match task.id:
            case "broken":
                raise SandboxError("bash does not start", FailureCode.SANDBOX_START)
            case "descriptors":
                raise OSError(24, "Too many open files")
            case "lost":
                return replace(
                    outcome, failure=FailureCode.LOST_CONNECTION, message="it answers no more"
                )
        return outcome


class Raising(Small):
    """Its own grading is broken."""

    def grade(self, task: Task, files: Mapping[str, str], sandbox: TestRunner) -> Outcome:
        """Raises."""
        raise KeyError("cases")


class Short(Small):
    """Its grade is that of the hidden tests alone."""

    def grade(self, task: Task, files: Mapping[str, str], sandbox: TestRunner) -> Outcome:
        """Leaves the visible tests out."""
        hidden = self.run_tests(task, task.hidden_tests, files, sandbox, fresh=True)
        return grade_of(visible=None, hidden=hidden)


class Patient(Small):
    """Its grades have more time than an agent's own runs."""

    def grade(self, task: Task, files: Mapping[str, str], sandbox: TestRunner) -> Outcome:
        """With a limit that nothing here reaches."""
        return super().grade(replace(task, limits=Limits(cpu_s=30.0)), files, sandbox)
