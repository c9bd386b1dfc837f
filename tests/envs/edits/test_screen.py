"""Edited texts tried in one process say what ordinary runs of them say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.edits.screen import Screen, Screened, screen, spectrum
from hrmgym.envs.kinds import kind_of
from hrmgym.envs.sandboxes import executor as executors
from hrmgym.envs.sandboxes.failures import GuestDied
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts.screens import Plan, Record, Reply, Request, Tried
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    Limits,
    Outcome,
    PytestTests,
    StdioCase,
    StdioTests,
    Task,
    TestSpec,
    Workspace,
)
from hrmgym.tests.inmemory import InMemory, calling, config_of, sandbox_of

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


@pytest.mark.parametrize(
    "body",
    [
        "while True:\n        pass",
        "return [x for x in iter(int, 1)]",
        "return double(x - 1) + double(x - 2) if x > -60 else 0",
        "try:\n        while True:\n            pass\n    finally:\n        x = 1",
        "try:\n        while x:\n            pass\n    except BaseException:\n        return 2 * x",
        "return sorted(iter(lambda: x, -1))",
    ],
)
def test_what_is_cut_off_needs_no_process_of_its_own(sandbox: Sandbox, body: str) -> None:
    """Not even the right value, of code that swallows what interrupts it, is a pass.

    The second process is the first one that has noted how all was before.
    """
    task = task_of(DOUBLES)
    tests = task.visible_tests
    plan = kind_of(tests).screen(task.workspace.start, tests, "solution.py")
    assert isinstance(plan, Plan)
    limits = replace(task.limits, cpu_s=0.03)
    request = Request(plan, task.workspace.start, "solution.py", limits, stop=False)
    reply = sandbox.screen(request, [f"def double(x):\n    {body}\n", RIGHT] * 4)
    assert reply is not None
    assert [one.status for one in reply.records] == [Tried.CUT, Tried.PASSED] * 4
    assert reply.processes == 2


PYTEST = PytestTests(
    files={
        "test_solution.py": "from solution import double\n\n"
        "def test_two():\n    assert double(2) == 4\n\n"
        "def test_three():\n    assert double(3) == 6\n"
    },
    ids=("test_solution.py::test_two", "test_solution.py::test_three"),
)
STDIO = StdioTests(
    path="solution.py",
    cases=(
        StdioCase(id="two", stdin="2\n", expected="4\n"),
        StdioCase(id="three", stdin="3\n", expected="6\n"),
    ),
)
MAIN = "\n\nprint(double(int(input())))\n"
KINDS: dict[str, tuple[TestSpec, str]] = {
    "calls": (DOUBLES, ""),
    "pytest": (PYTEST, ""),
    "stdio": (STDIO, MAIN),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tests_is_screened(sandbox: Sandbox, kind: str) -> None:
    tests, main = KINDS[kind]
    texts = [BUGGY, LOOPS, RIGHT, "def double(x):\n    raise SystemExit\n", RIGHT, "def (\n"]
    task = task_of(tests, BUGGY + main)
    found = screened(sandbox, task, [text + main for text in texts], cpu_s=0.2)
    assert [one.passed for one in found] == [False, False, True, False, True, False]
    assert [one.cut for one in found] == [False, True, False, False, False, False]
    assert all(one.hot for one in found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_lines_of_each_test_are_told(sandbox: Sandbox, kind: str) -> None:
    tests, main = KINDS[kind]
    text = "def double(x):\n    if x == 2:\n        return 4\n    while x:\n        pass\n" + main
    task = task_of(tests, text)
    found = spectrum(Doubling(), task, task.workspace.start, "solution.py", sandbox)
    assert (found.why, found.runs) == ("", 1)
    two, three = found.tests.values()
    assert tuple(found.tests) == tests.test_ids
    assert two.passed
    assert {2, 3} <= two.lines
    assert 4 not in two.lines
    assert not three.passed  # it never ends
    assert {2, 4, 5} <= three.lines
    assert 3 not in three.lines


def test_what_pytest_cannot_have_put_in_place_has_an_ordinary_run(sandbox: Sandbox) -> None:
    before = "FACTOR = 1\n\n\ndef double(x):\n    return x * FACTOR\n"
    texts = [before.replace("= 1", "= 2"), before.replace("* FACTOR", "* 2")]
    found = screened(sandbox, task_of(PYTEST, before), texts)
    assert [(one.passed, one.hot) for one in found] == [(True, False), (True, True)]
    assert found[0].runs == 2


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


class Screening(InMemory):
    """An executor whose screens are lost again and again, unless it is told what they say."""

    def __init__(self, losses: int, reply: Reply | None = None) -> None:
        super().__init__(calling)
        self.lost, self.left, self.reply = 0, losses, reply
        self.sizes: list[int] = []

    def screen(self, request: Request, texts: Sequence[str]) -> Reply:
        if self.left:
            self.left -= 1
            self.lost += 1
            raise GuestDied("the sandbox has ended")
        assert self.reply is not None
        self.sizes.append(len(texts))
        return self.reply


def test_a_screen_that_is_lost_is_made_again() -> None:
    executor = Screening(1, Reply((Record(Tried.FAILED, 1, 0.0), Record(Tried.PASSED, 2, 0.0))))
    with Sandbox(config_of(executor)) as sandbox:
        found = screened(sandbox, task_of(DOUBLES), [BUGGY, RIGHT])
    assert [(one.passed, one.hot) for one in found] == [(False, True), (True, True)]
    assert executor.lost == 1


def test_a_screen_that_is_lost_again_and_again_is_no_verdict() -> None:
    executor = Screening(1000)
    with Sandbox(config_of(executor)) as sandbox:
        found = screened(sandbox, task_of(DOUBLES), [BUGGY, RIGHT])
    assert [(one.passed, one.hot) for one in found] == [(False, False), (True, False)]


def test_what_no_screen_can_tell_an_ordinary_run_does() -> None:
    executor = Screening(0, Reply((Record(Tried.UNSURE, 0, 0.0),)))
    with Sandbox(config_of(executor)) as sandbox:
        (found,) = screened(sandbox, task_of(DOUBLES), [RIGHT])
    assert (found.passed, found.hot, found.runs) == (True, False, 2)


def test_a_workspace_that_cannot_be_screened_has_ordinary_runs_and_says_so() -> None:
    executor = Screening(0, Reply((), unfit="nothing can be collected"))
    task = task_of(DOUBLES)
    with Sandbox(config_of(executor)) as sandbox:
        made = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox)
        found = list(made.run([BUGGY, RIGHT]))
        assert made.coverage().why == "nothing can be collected"
    assert [(one.passed, one.hot) for one in found] == [(False, False), (True, False)]
    assert made.why == "nothing can be collected"


@pytest.mark.parametrize(
    ("chars", "stop", "sizes"),
    [
        (0, True, [64, 256]),
        (0, False, [1024, 4096]),
        (1 << 14, False, [1021, 1021]),
        (1 << 24, False, [64, 64]),
    ],
)
def test_more_texts_go_at_once_but_never_too_much(chars: int, stop: bool, sizes: list[int]) -> None:
    executor = Screening(0, Reply((Record(Tried.FAILED, 1, 0.0),) * sizes[0]))
    task = task_of(DOUBLES, BUGGY + "#" * chars)
    with Sandbox(config_of(executor)) as sandbox:
        made = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox)
        found = made.run((RIGHT for _ in range(6000)), stop=stop)
        assert not any(next(found).passed for _ in range(sizes[0] + 1))
    assert executor.sizes == sizes


def test_texts_are_tried_ahead_once_a_pass_has_not_ended_the_search(sandbox: Sandbox) -> None:
    task = task_of(DOUBLES)
    made = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox)
    found = made.run([BUGGY, RIGHT] + 200 * [RIGHT, BUGGY])
    assert [next(found).passed for _ in range(2)] == [False, True]
    runs = sandbox.counts.runs
    assert [one.passed for one in found] == 200 * [True, False]
    assert sandbox.counts.runs - runs < 20  # not one for each text that passes


def test_ordinary_runs_are_made_as_they_are_asked_for() -> None:
    unsure = Record(Tried.UNSURE, 0, 0.0)
    executor = Screening(0, Reply((unsure,) * 5))
    task = task_of(DOUBLES)
    with Sandbox(config_of(executor)) as sandbox:
        made = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox)
        assert next(made.run([RIGHT] * 5)).passed
    assert len(executor.asked) == 1


@pytest.mark.nightly
def test_tests_that_take_long_to_collect_are_not_cut(sandbox: Sandbox) -> None:
    """Their time is that of the texts that are tried, and begins with the first."""
    (path, text), *_ = PYTEST.files.items()
    slow = replace(PYTEST, files={path: "import time\ntime.sleep(3)\n" + text})
    found = screened(sandbox, task_of(slow), [BUGGY, RIGHT])
    assert [(one.passed, one.cut) for one in found] == [(False, False), (True, False)]


class Lenient(Doubling):
    """A benchmark with rules of its own, so that every text has an ordinary run."""

    def counted(
        self, task: Task, tests: TestSpec, outcome: Outcome, sandbox: executors.TestRunner
    ) -> Outcome:
        return outcome


def test_a_benchmark_with_rules_of_its_own_has_ordinary_runs() -> None:
    task = task_of(DOUBLES)
    with Sandbox() as sandbox:
        made = Screen(Lenient(), task, task.workspace.start, "solution.py", sandbox)
    assert "rules of its own" in made.why


@pytest.mark.parametrize(("start_s", "cut"), [(0.0, True), (0.5, False)])
def test_an_ordinary_run_has_the_time_of_its_start_beside_the_limit(
    sandbox: Sandbox, start_s: float, cut: bool
) -> None:
    slow = "import time\nwhile time.process_time() < 0.2:\n    pass\n"
    task = task_of(DOUBLES)
    made = Screen(Lenient(), task, task.workspace.start, "solution.py", sandbox, start_s)
    found = list(made.run([slow + RIGHT, LOOPS], cpu_s=0.1))
    assert [(one.passed, one.cut, one.hot) for one in found] == [
        (not cut, cut, False),
        (False, True, False),
    ]
    assert found[0].cpu_s < 0.5
