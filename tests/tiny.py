"""A benchmark of three tasks that tests define in memory; small enough to be read at a glance."""

from __future__ import annotations

from collections.abc import Sequence

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import CallCase, CallTests, Limits, Task, Workspace
from hrmgym.envs.workspace import Files

DOUBLE = "def double(x):\n    return x + 2\n"
DOUBLE_FIXED = "def double(x):\n    return x * 2\n"
CLAMP = "def clamp(x, low, high):\n    return max(high, min(low, x))\n"
CLAMP_FIXED = "def clamp(x, low, high):\n    return min(high, max(low, x))\n"
LOOP = "def count(n):\n    i = 0\n    while i < n:\n        i += 0\n    return i\n"
LOOP_FIXED = "def count(n):\n    i = 0\n    while i < n:\n        i += 1\n    return i\n"


def calls(path: str, function: str, *cases: tuple[tuple[object, ...], object]) -> CallTests:
    """Call tests from (arguments, expected) pairs."""
    return CallTests(
        path=path,
        function=function,
        cases=tuple(
            CallCase(id=f"{function}-{args}", args=args, expected=expected)
            for args, expected in cases
        ),
    )


def task(name: str, buggy: str, fixed: str, visible: CallTests, hidden: CallTests) -> Task:
    """A Python task of one file."""
    return Task(
        id=name,
        benchmark="tiny",
        language="python",
        split="train",
        prompt=f"Repair {name}.",
        workspace=Workspace(files={f"{name}.py": buggy}),
        editable=(f"{name}.py",),
        visible_tests=visible,
        hidden_tests=hidden,
        limits=Limits(cpu_s=0.5, wall_s=5.0, memory_mb=256),
        reference={f"{name}.py": fixed},
        tags=("tiny",),
    )


def double_task() -> Task:
    """One wrong operator; the visible test (2 + 2) does not show that `x + x` would do, too."""
    return task(
        "double",
        DOUBLE,
        DOUBLE_FIXED,
        calls("double.py", "double", ((3,), 6), ((2,), 4)),
        calls("double.py", "double", ((5,), 10), ((0,), 0)),
    )


def clamp_task() -> Task:
    """Two names swapped with two others."""
    return task(
        "clamp",
        CLAMP,
        CLAMP_FIXED,
        calls("clamp.py", "clamp", ((5, 0, 3), 3), ((2, 0, 3), 2)),
        calls("clamp.py", "clamp", ((-1, 0, 3), 0), ((9, 0, 3), 3)),
    )


def count_task() -> Task:
    """An endless loop."""
    return task(
        "count",
        LOOP,
        LOOP_FIXED,
        calls("count.py", "count", ((0,), 0), ((2,), 2)),
        calls(
            "count.py",
            "count",
            ((4,), 4),
        ),
    )


class Tiny(Benchmark):
    """Three tasks to train on, one of them to test on."""

    name = "tiny"
    version = "1"
    splits = ("train", "test")

    def tasks(self, split: str) -> Sequence[Task]:
        """All three, or `double` alone."""
        if self.check_split(split) == "test":
            return (double_task(),)
        return (double_task(), clamp_task(), count_task())


class OneTask(Benchmark):
    """The one task that it is given."""

    name, version, splits = "one", "1", ("test",)

    def __init__(self, task: Task) -> None:
        self._task = task

    def tasks(self, split: str) -> Sequence[Task]:
        """That task."""
        return (self._task,)


def state_of(one: Task, **changes: object) -> State:
    """The state in which an episode of the task begins."""
    fields: dict[str, object] = {
        "task": one.public,
        "files": one.workspace.files,
        "cursor": Cursor(one.editable[0]),
        "max_steps": 8,
        "max_test_runs": 8,
    }
    fields |= changes
    fields["files"] = Files.of(fields["files"], one.workspace.base())  # type: ignore[arg-type]
    return State(**fields)  # type: ignore[arg-type]
