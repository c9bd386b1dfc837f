"""Tests of the task data."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from hrmgym.envs.task import CommandTests, Limits, Outcome, PytestTests, Status, merge_outcomes
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
    assert PytestTests(files={}, ids=("b", "a")).test_ids == ("b", "a")


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.PASSED, Status.SKIPPED)])
def test_one_test_that_did_not_pass_is_enough(status: Status) -> None:
    assert not outcome(Status.PASSED, status).resolved
    assert outcome(Status.PASSED, status).passed == 1


def test_skipped_tests_count_neither_way() -> None:
    assert outcome(Status.PASSED, Status.SKIPPED).resolved
    assert not outcome(Status.SKIPPED).resolved
    assert not outcome().resolved


def test_time_is_no_part_of_an_outcome() -> None:
    assert Outcome(tests={}, cpu_s=1.0) == Outcome(tests={}, cpu_s=2.0)


def test_merged_outcomes_keep_the_first_failure() -> None:
    good = Outcome(tests={"a": Status.PASSED})
    bad = Outcome(tests={"b": Status.FAILED}, message="b is wrong", line=3)
    for merged in (merge_outcomes(good, bad), merge_outcomes(bad, good)):
        assert merged.message == "b is wrong"
        assert merged.line == 3
        assert str(merged) == "1/2 tests pass"
        assert not merged.resolved
