"""Tests of the task data."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from hrmgym.envs.outcome import HIDDEN, VISIBLE, grade_of, visible_part
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    FailureCode,
    Limits,
    Outcome,
    PytestTests,
    Reason,
    Status,
    StdioCase,
    StdioTests,
    TestSpec,
)
from hrmgym.errors import DataError
from hrmgym.tests.tiny import double_task


def outcome(*statuses: Status, message: str = "") -> Outcome:
    tests = {f"t{number}": status for number, status in enumerate(statuses)}
    return Outcome(tests=tests, message=message)


def test_a_task_is_frozen_and_travels_between_processes() -> None:
    task = double_task()
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.id = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(double_task())).workspace.files == task.workspace.files


def test_limits_as_requests_have_them() -> None:
    limits = Limits(cpu_s=3.0, memory_mb=7)
    assert limits.fields() == dataclasses.asdict(limits)


def test_the_known_solution_is_not_in_a_tasks_repr() -> None:
    assert "x * 2" not in repr(double_task())


def test_test_ids_come_in_order() -> None:
    assert double_task().visible_tests.test_ids == ("double-(3,)", "double-(2,)")
    assert CommandTests(command=("true",)).test_ids == ("command",)
    assert PytestTests(files={"b.py": "", "a.py": ""}, ids=("b.py", "a.py")).test_ids == (
        "b.py",
        "a.py",
    )


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.PASSED])
def test_one_test_that_did_not_pass_is_enough(status: Status) -> None:
    assert not outcome(Status.PASSED, status).resolved
    assert outcome(Status.PASSED, status).passed == 1


def test_uncounted_tests_count_neither_way() -> None:
    both = Outcome(tests={"a": Status.PASSED, "b": Status.SKIPPED}, uncounted=frozenset({"b"}))
    assert both.resolved
    assert str(both) == "1/1 tests pass"
    assert not Outcome(tests={"b": Status.SKIPPED}, uncounted=frozenset({"b"})).resolved
    assert not outcome().resolved


def test_an_outcome_without_a_verdict_is_never_resolved() -> None:
    lost = Outcome(tests={"a": Status.PASSED}, failure=FailureCode.LOST_CONNECTION)
    assert lost.trouble
    assert not lost.resolved
    assert lost.reason is Reason.INFRASTRUCTURE


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        ([Status.PASSED], Reason.SOLVED),
        ([Status.PASSED, Status.FAILED, Status.TIMEOUT], Reason.FAILED),
        ([Status.ERROR, Status.MISSING], Reason.FAILED),
        ([Status.SKIPPED, Status.PASSED], Reason.FAILED),
        ([Status.PASSED, Status.MISSING], Reason.FAILED),
        ([Status.PASSED, Status.TIMEOUT, Status.TIMEOUT], Reason.TIMEOUT),
        ([Status.TIMEOUT, Status.MISSING], Reason.TIMEOUT),
        ([Status.OUT_OF_MEMORY, Status.MISSING], Reason.OUT_OF_MEMORY),
        ([], Reason.FAILED),
    ],
)
def test_the_reason_follows_from_the_statuses(statuses: list[Status], reason: Reason) -> None:
    assert outcome(*statuses).reason is reason


def test_time_is_no_part_of_an_outcome() -> None:
    assert Outcome(tests={}, cpu_s=1.0) == Outcome(tests={}, cpu_s=2.0)


def test_a_grade_counts_every_test_of_both_runs() -> None:
    good = Outcome(tests={"a": Status.PASSED, "b": Status.PASSED})
    bad = Outcome(tests={"a": Status.FAILED, "c": Status.PASSED}, message="a is wrong", line=3)
    for grade in (grade_of(visible=good, hidden=bad), grade_of(visible=bad, hidden=good)):
        assert grade.message == "a is wrong"
        assert grade.line == 3
        assert str(grade) == "3/4 tests pass"
        assert not grade.resolved
    assert grade_of(visible=good, hidden=good).resolved
    assert grade_of(visible=bad, hidden=good).tests[f"{VISIBLE}a"] is Status.FAILED
    assert grade_of(visible=bad, hidden=good).tests[f"{HIDDEN}a"] is Status.PASSED
    assert visible_part(grade_of(visible=bad, hidden=good)) == bad
    assert visible_part(grade_of(visible=good, hidden=bad)) == good
    assert visible_part(grade_of(visible=None, hidden=bad)) is None


def test_a_grade_without_a_verdict_says_why() -> None:
    good = Outcome(tests={"a": Status.PASSED})
    lost = Outcome(tests={"a": Status.ERROR}, message="disk full", failure=FailureCode.DISK)
    for grade in (grade_of(visible=good, hidden=lost), grade_of(visible=lost, hidden=good)):
        assert grade.failure is FailureCode.DISK
        assert grade.message == "disk full"
        assert not grade.resolved


def _twice(kind: str) -> TestSpec:
    if kind == "calls":
        case = CallCase(id="case-1", args=(), expected=1)
        return CallTests(path="a.py", function="f", cases=(case, case))
    if kind == "stdio":
        one = StdioCase(id="case-1", stdin="", expected="")
        return StdioTests(path="a.py", cases=(one, one))
    return PytestTests(files={"t.py": ""}, ids=("t.py::test_a", "t.py::test_a"))


@pytest.mark.parametrize("kind", ["calls", "stdio", "pytest"])
def test_an_id_that_stands_twice_is_refused(kind: str) -> None:
    with pytest.raises(DataError, match="stands twice"):
        _twice(kind)
