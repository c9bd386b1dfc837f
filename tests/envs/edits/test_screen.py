"""Edited texts tried in one process say what ordinary runs of them say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.edits.screen import Screen, Screened, screen
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallCase, CallTests, CommandTests, Limits, Task, TestSpec, Workspace
from hrmgym.tests.inmemory import calling, sandbox_of

BUGGY = "def double(x):\n    return x - 1\n"
RIGHT = "def double(x):\n    return x * 2\n"
LOOPS = "def double(x):\n    while True:\n        pass\n"


class Doubling(Benchmark):
    """A benchmark of tasks that are made in tests."""

    name = "doubling"
    version = "0"
    splits = ("test",)

    def tasks(self, split: str) -> Sequence[Task]:
        return ()


def calls(*pairs: tuple[object, object], **more: object) -> CallTests:
    """Calls of `double`."""
    cases = tuple(
        CallCase(id=f"case-{number}", args=(arg,), expected=expected, **more)  # type: ignore[arg-type]
        for number, (arg, expected) in enumerate(pairs)
    )
    return CallTests(path="solution.py", function="double", cases=cases)


DOUBLES = calls((2, 4), (3, 6))


def task_of(tests: TestSpec, text: str = BUGGY, **files: str) -> Task:
    """A task with these visible tests."""
    others = {f"{name}.py": content for name, content in files.items()}
    return Task(
        id="double",
        benchmark="doubling",
        language="python",
        split="test",
        prompt="",
        workspace=Workspace(files={"solution.py": text, **others}),
        editable=("solution.py",),
        visible_tests=tests,
        hidden_tests=calls((50, 100)),
        limits=Limits(cpu_s=0.5, wall_s=2.0),
    )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def screened(sandbox: Sandbox, task: Task, texts: Sequence[str], **more: object) -> list[Screened]:
    """What texts come to, each of them hot."""
    made = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox)
    assert made.why == ""
    return list(made.run(texts, **more))  # type: ignore[arg-type]


def test_the_fix_passes_and_all_else_fails(sandbox: Sandbox) -> None:
    texts = [BUGGY, "def double(x:\n", RIGHT, "def other(x):\n    return x * 2\n", RIGHT]
    found = screened(sandbox, task_of(DOUBLES), texts)
    assert [one.passed for one in found] == [False, False, True, False, True]
    assert all(one.hot and one.runs == 1 for one in found)
    assert [one.tests for one in found] == [1, 1, 2, 1, 2]  # the first that fails ends it


def test_an_endless_loop_is_cut_and_costs_no_other_text_anything(sandbox: Sandbox) -> None:
    texts = [LOOPS, RIGHT, LOOPS, LOOPS, BUGGY, RIGHT]
    found = screened(sandbox, task_of(DOUBLES), texts, cpu_s=0.05)
    assert [one.passed for one in found] == [False, True, False, False, False, True]
    assert [one.cut for one in found] == [True, False, True, True, False, False]


def test_a_kind_without_screens_has_ordinary_runs_and_says_so(sandbox: Sandbox) -> None:
    tests = CommandTests(
        command=("python3", "-c", "import solution; assert solution.double(2) == 4")
    )
    task = task_of(tests)
    made = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox)
    assert "command" in made.why
    found = list(made.run([BUGGY, RIGHT]))
    assert [one.passed for one in found] == [False, True]
    assert not any(one.hot for one in found)


def test_a_sandbox_without_screens_has_ordinary_runs_and_says_so() -> None:
    task = task_of(DOUBLES)
    with sandbox_of(calling) as sandbox:
        found = list(
            screen(Doubling(), task, task.workspace.start, "solution.py", [BUGGY, RIGHT], sandbox)
        )
    assert [(one.passed, one.hot) for one in found] == [(False, False), (True, False)]
