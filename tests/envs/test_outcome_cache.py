"""Tests of the memory of outcomes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.outcome_cache import Outcomes, Remembered
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    Environment,
    FailureCode,
    Limits,
    Outcome,
    PytestTests,
    Status,
    StdioCase,
    StdioTests,
    TestSpec,
)
from hrmgym.envs.workspace import Files
from hrmgym.tests.inmemory import Asked, InMemory, config_of, sandbox_of

FILES = Files.of({"f.py": "1"})
OTHER = Files.of({"f.py": "2"})
PASSED, FAILED = Status.PASSED, Status.FAILED


class Runner(Sandbox):
    """A sandbox in memory that gives each test the status that was set for it."""

    def __init__(self, **statuses: Status) -> None:
        self.statuses = statuses
        self.failure: FailureCode | None = None
        self.executor = InMemory(self._answer)
        super().__init__(config_of(self.executor))

    @property
    def runs(self) -> int:
        return len(self.executor.asked)

    def _answer(self, asked: Asked) -> Outcome:
        found = {name: self.statuses[name] for name in asked.tests.test_ids}
        first = next((name for name, status in found.items() if status is not PASSED), "")
        message = f"{first} went wrong" if first else ""
        return Outcome(tests=found, message=message, line=7, failure=self.failure)


def calls(*names: str, prefix: str = "") -> CallTests:
    cases = tuple(CallCase(id=prefix + name, args=(name,), expected=None) for name in names)
    return CallTests(path="f.py", function="f", cases=cases)


def stdio(*names: str, prefix: str = "") -> StdioTests:
    cases = tuple(StdioCase(id=prefix + name, stdin=name, expected="") for name in names)
    return StdioTests(path="f.py", cases=cases)


def suite(*names: str, prefix: str = "") -> PytestTests:
    return PytestTests(files={"t.py": ""}, ids=tuple(f"t.py::{prefix}{name}" for name in names))


def remembered(runner: Runner, **options: int) -> Remembered:
    return Remembered(runner, "here", Outcomes(**options))


LIMITS = Limits()


def test_a_repeat_is_free_and_equal() -> None:
    runner = Runner(a=PASSED, b=FAILED)
    memory = remembered(runner)
    first = memory.run_tests(FILES, calls("a", "b"), LIMITS)
    again = memory.run_tests(Files.of({"f.py": "1"}), calls("a", "b"), LIMITS)
    assert again == first
    assert again.message == "b went wrong"
    assert runner.runs == 1


@pytest.mark.parametrize(
    ("files", "tests", "limits"),
    [
        (OTHER, calls("a"), LIMITS),
        (FILES, replace(calls("a"), function="g"), LIMITS),
        (FILES, calls("a"), replace(LIMITS, cpu_s=9)),
        (
            FILES,
            CallTests(path="f.py", function="f", cases=(CallCase(id="a", args=(1,), expected=2),)),
            LIMITS,
        ),
    ],
)
def test_what_differs_is_run(files: Files, tests: TestSpec, limits: Limits) -> None:
    runner = Runner(a=PASSED)
    memory = remembered(runner)
    memory.run_tests(FILES, calls("a"), LIMITS)
    memory.run_tests(files, tests, limits)
    assert runner.runs == 2


def test_equal_values_of_other_types_are_other_tests() -> None:
    runner = Runner(a=PASSED)
    memory = remembered(runner)
    for expected in (1, 1.0, True):
        case = CallCase(id="a", args=(), expected=expected)
        tests = CallTests(path="f.py", function="f", cases=(case,))
        memory.run_tests(FILES, tests, LIMITS)
    assert runner.runs == 3


def test_a_beginning_of_what_was_run_is_known() -> None:
    runner = Runner(a=PASSED, b=FAILED, c=PASSED, d=FAILED)
    memory = remembered(runner)
    memory.run_tests(FILES, calls("a", "b", "c", "d"), LIMITS)
    assert memory.run_tests(FILES, calls("a"), LIMITS) == Outcome(tests={"a": PASSED}, line=0)
    assert memory.run_tests(FILES, calls("a", "b", "c"), LIMITS) == Outcome(
        tests={"a": PASSED, "b": FAILED, "c": PASSED}, message="b went wrong", line=7
    )
    assert runner.runs == 1


@pytest.mark.parametrize("names", ["b", "ba", "ac", "abd", "abce", "dcba"])
def test_what_is_no_beginning_is_run(names: str) -> None:
    runner = Runner(a=PASSED, b=FAILED, c=PASSED, d=FAILED, e=PASSED)
    memory = remembered(runner)
    memory.run_tests(FILES, calls("a", "b", "c", "d"), LIMITS)
    memory.run_tests(FILES, calls(*names), LIMITS)
    assert runner.runs == 2


def stateful(asked: Asked) -> Outcome:
    """Statuses that depend on all tests before, and messages with the ids of this set."""
    statuses, message, seen = {}, "", ""
    for name in asked.tests.test_ids:
        seen += name
        statuses[name] = ENDS[zlib.crc32(seen.encode()) % len(ENDS)]
        if statuses[name] is not PASSED and not message:
            message = f"{name} after {seen}"
        if statuses[name] is Status.TIMEOUT:
            break
    rest = dict.fromkeys(asked.tests.test_ids, Status.TIMEOUT)
    return Outcome(tests={**rest, **statuses}, message=message)


ENDS = (*[PASSED] * 6, FAILED, Status.ERROR, Status.TIMEOUT, Status.OUT_OF_MEMORY)
KINDS: list[Callable[..., TestSpec]] = [calls, stdio, suite]


@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.permutations("abcdef"), st.integers(1, 6)), max_size=12
    )
)
def test_what_is_remembered_is_what_a_run_says(
    runs: list[tuple[Callable[..., TestSpec], list[str], int]],
) -> None:
    memory = Remembered(sandbox_of(stateful), "here", Outcomes())
    for make, names, count in runs:
        tests = make(*names[:count])
        told = stateful(Asked(FILES, tests, LIMITS, fresh=False))
        assert memory.run_tests(FILES, tests, LIMITS) == told


@pytest.mark.parametrize("make", KINDS)
def test_equal_tests_under_other_ids_have_their_own_messages(
    make: Callable[..., TestSpec],
) -> None:
    memory = Remembered(sandbox_of(stateful), "here", Outcomes())
    for prefix in "xyz":
        tests = make("a", "b", prefix=prefix)
        told = stateful(Asked(FILES, tests, LIMITS, fresh=False))
        assert memory.run_tests(FILES, tests, LIMITS) == told


@pytest.mark.parametrize("status", [Status.ERROR, Status.TIMEOUT, Status.MISSING])
def test_what_comes_after_a_crash_is_known_in_that_order_only(status: Status) -> None:
    runner = Runner(a=status, b=Status.MISSING)
    memory = remembered(runner)
    whole = memory.run_tests(FILES, calls("a", "b"), LIMITS)
    assert memory.run_tests(FILES, calls("a", "b"), LIMITS) == whole
    assert runner.runs == 1
    memory.run_tests(FILES, calls("b"), LIMITS)
    assert runner.runs == 2


def test_a_broken_sandbox_is_not_remembered() -> None:
    runner = Runner(a=Status.ERROR)
    runner.failure = FailureCode.DISK
    memory = remembered(runner)
    memory.run_tests(FILES, calls("a"), LIMITS)
    runner.failure, runner.statuses = None, {"a": PASSED}
    assert memory.run_tests(FILES, calls("a"), LIMITS).resolved


def test_a_grade_takes_no_outcome_of_a_used_sandbox() -> None:
    runner = Runner(a=PASSED)
    memory = remembered(runner)
    memory.run_tests(FILES, calls("a"), LIMITS)
    memory.run_tests(FILES, calls("a"), LIMITS, fresh=True)
    assert runner.runs == 2
    memory.run_tests(FILES, calls("a"), LIMITS, fresh=True)
    memory.run_tests(FILES, calls("a"), LIMITS)
    assert runner.runs == 2


def test_what_has_no_key_is_run() -> None:
    runner = Runner(a=PASSED)
    memory = remembered(runner)
    for _ in range(2):
        memory.run_tests({"f.py": "1"}, calls("a"), LIMITS)
    assert runner.runs == 2


def test_the_oldest_is_forgotten() -> None:
    runner = Runner(a=Status.ERROR)
    memory = remembered(runner, most=2)
    for text in "123":
        memory.run_tests(Files.of({"f": text}), calls("a"), LIMITS)
    memory.run_tests(Files.of({"f": "3"}), calls("a"), LIMITS)
    assert runner.runs == 3
    memory.run_tests(Files.of({"f": "1"}), calls("a"), LIMITS)
    assert runner.runs == 4


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            PytestTests(files={"t.py": "1"}, ids=("t.py::a",)),
            PytestTests(files={"t.py": "2"}, ids=("t.py::a",)),
        ),
        (
            PytestTests(files={"t.py": "1"}, ids=("t.py::a",)),
            PytestTests(files={"t.py": "1"}, ids=("t.py::a",), together=True),
        ),
        (
            StdioTests(path="p", cases=(StdioCase(id="a", stdin="1", expected="2"),)),
            StdioTests(path="p", cases=(StdioCase(id="a", stdin="1", expected="3"),)),
        ),
    ],
)
def test_other_tests_under_the_same_id(one: TestSpec, two: TestSpec) -> None:
    runner = Runner(**{"a": PASSED, "t.py::a": PASSED})
    memory = remembered(runner)
    for tests in (one, two, one, two):
        memory.run_tests(FILES, tests, LIMITS)
    assert runner.runs == 2


def test_commands() -> None:
    runner = Runner(command=PASSED)
    memory = remembered(runner)
    for tests in (CommandTests(command=("a",)), CommandTests(command=("a",), files={"x": ""})) * 2:
        memory.run_tests(FILES, tests, LIMITS)
    assert runner.runs == 2


def test_a_cap_shortens_runs_on_the_candidate_alone_and_lengthens_none() -> None:
    runner = Runner(a=PASSED)
    for cap in (0.5, 9.0, float("inf")):
        capped = Remembered(runner, "here", Outcomes(), candidate=FILES, cpu_s=cap)
        for where in (capped, capped.within(Environment(image="python:3.11"))):
            for files in (FILES, OTHER):
                where.run_tests(files, stdio("a"), Limits(cpu_s=2.0))
    given = [asked.limits.cpu_s for asked in runner.executor.asked]
    assert given == [0.5, 2.0, 0.5, 2.0, *[2.0] * 8]


def test_what_was_cut_short_says_nothing_of_a_run_with_all_its_time() -> None:
    runner, memory = Runner(a=Status.TIMEOUT), Outcomes()
    Remembered(runner, "here", memory, candidate=FILES, cpu_s=0.5).run_tests(
        FILES, calls("a"), LIMITS
    )
    runner.statuses = {"a": PASSED}
    assert Remembered(runner, "here", memory).run_tests(FILES, calls("a"), LIMITS).resolved
