"""Staged limits, with a runner in memory whose programs take known CPU seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from hrmgym.search.stages import TURN, Ran, TestRuns, Try, in_stages, limits_of


class Programs:
    """Runs programs that need so many CPU seconds; notes what ran under which limit.

    What is in `passing` passes at first, and has to be confirmed.
    """

    def __init__(self, *needs: float, passing: tuple[int, ...] = ()) -> None:
        self.needs, self.passing = needs, passing
        self.asked: list[tuple[int, float]] = []

    def run(self, item: int, limit: float, final: bool) -> Ran[str]:
        self.asked.append((item, limit))
        if item in self.passing and self.needs[item] < limit:
            return Ran(f"{item} {'passed' if final else 'seems to pass'}", again=not final)
        if self.needs[item] >= limit:
            return Ran(f"{item} late", limit, cut=True)
        return Ran(f"{item} ended", self.needs[item])

    def tries(self, limits: tuple[float, ...], budget: int = 99, spent: int = 0) -> list[Try[str]]:
        return list(in_stages(range(len(self.needs)), self.run, limits, budget, spent))


def counted(tries: list[Try[str]]) -> dict[str, int]:
    runs = TestRuns()
    for one in tries:
        runs.add(one)
    return runs.to_dict()


def test_without_stages_each_runs_once_under_the_tasks_own_limit() -> None:
    programs = Programs(0.001, math.inf, 0.5)
    tries = programs.tries(limits_of((), 1.0))
    assert programs.asked == [(0, 1.0), (1, 1.0), (2, 1.0)]
    assert [(one.run, one.number, one.open) for one in tries] == [
        (1, 1, False),
        (2, 2, False),
        (3, 3, False),
    ]
    assert counted(tries) == {"test_runs": 3, "repeats": 0, "timed_out": 0, "near_limit": 0}


def test_what_timed_out_is_repeated_after_the_others_last_under_the_own_limit() -> None:
    programs = Programs(math.inf, 0.001, 30.0, 1.0)
    tries = programs.tries(limits_of((0.1, 10.0), 100.0))
    assert programs.asked == [
        *((0, 0.1), (1, 0.1), (2, 0.1), (3, 0.1)),
        *((0, 10.0), (2, 10.0), (3, 10.0)),
        *((0, 100.0), (2, 100.0)),
    ]
    assert [one.run for one in tries] == list(range(1, 10))
    assert [one.open for one in tries] == [True, False, True, True, True, True, False, False, False]
    assert tries[-1].result == "2 ended"  # slow, and found in the end
    assert counted(tries) == {"test_runs": 9, "repeats": 5, "timed_out": 0, "near_limit": 0}


def test_the_verdicts_are_those_without_stages_whatever_the_stages() -> None:
    needs = (0.2, math.inf, 3.0, 0.0001, 40.0)
    plain = Programs(*needs).tries((10.0,))
    for stages in [(0.01,), (0.3, 5.0), (1.0, 2.0, 9.0), (50.0,)]:
        last = {one.number: one for one in Programs(*needs).tries(limits_of(stages, 10.0))}
        verdicts = {number: one.result for number, one in last.items()}
        assert verdicts == {one.number: one.result for one in plain}
        assert not any(one.open for one in last.values())


@pytest.mark.parametrize(("budget", "late"), [(1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (6, 0)])
def test_what_is_open_when_the_budget_ends_has_timed_out(budget: int, late: int) -> None:
    tries = Programs(math.inf, 0.01, 2.0).tries(limits_of((0.1, 10.0), 100.0), budget)
    assert counted(tries)["timed_out"] == late
    assert counted(tries)["test_runs"] == min(budget, 6)
    assert tries[-1].open is False  # nothing can follow it, so it has the task's own limit


@pytest.mark.parametrize("slow", [0, 5, 40, 100])
def test_a_slow_fix_is_found_though_there_are_more_proposals_than_runs(slow: int) -> None:
    needs = [0.001] * 500
    needs[slow] = 3.0
    tries = Programs(*needs).tries(limits_of((0.1,), 10.0), 128)
    (found,) = [one for one in tries if one.result == f"{slow} ended"]
    assert found.repeats == 1
    assert found.run == slow + 1 + TURN - (slow + 1) % TURN  # in the next turn, not at the end
    assert counted(tries) == {"test_runs": 128, "repeats": 1, "timed_out": 0, "near_limit": 0}


def test_one_run_in_eight_is_a_repeat_by_limit_and_then_by_rank() -> None:
    programs = Programs(*[math.inf] * 40)
    tries = programs.tries(limits_of((0.1, 1.0), 10.0), 33)
    assert [one.run for one in tries if one.repeats] == [8, 16, 24, 32]
    assert [one.number for one in tries if one.repeats] == [1, 2, 3, 4]
    assert programs.asked[7::8] == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)]
    assert programs.asked[-1] == (28, 10.0)  # the last run of all
    assert counted(tries) == {"test_runs": 33, "repeats": 4, "timed_out": 28, "near_limit": 0}


def test_a_turn_without_anything_that_waits_goes_to_the_next_proposal() -> None:
    tries = Programs(*[0.001] * 20).tries(limits_of((0.1,), 10.0), 20)
    assert [one.number for one in tries] == list(range(1, 21))
    assert not any(one.repeats for one in tries)


def test_proposals_are_made_only_as_they_are_run() -> None:
    made: list[int] = []

    def proposals() -> Iterator[int]:
        for number in range(9):
            made.append(number)
            yield number

    for one in in_stages(proposals(), Programs(*[0.01] * 9).run, (0.1, 10.0), 99):
        assert made == list(range(one.number))


def test_repeats_happen_only_when_they_are_asked_for() -> None:
    programs = Programs(math.inf, 0.01)
    for one in in_stages(range(2), programs.run, (0.1, 10.0), 99):
        if one.result == "1 ended":
            break
    assert programs.asked == [(0, 0.1), (1, 0.1)]


@pytest.mark.parametrize(
    ("need", "near"),
    [(0.01, 0), (0.04, 0), (0.06, 1), (0.09, 1), (0.11, 1), (0.19, 1), (0.25, 0), (5.0, 0)],
)
def test_runs_that_end_within_a_factor_of_two_of_a_stage_are_counted(
    need: float, near: int
) -> None:
    tries = Programs(need).tries(limits_of((0.1,), 10.0))
    assert counted(tries)["near_limit"] == near


def test_the_tasks_own_limit_is_no_stage() -> None:
    assert limits_of((0.1, 1.0, 5.0), 1.0) == (0.1, 1.0)
    assert limits_of((2.0,), 1.0) == (1.0,)
    assert counted(Programs(0.9).tries(limits_of((), 1.0)))["near_limit"] == 0


def test_what_seems_to_pass_is_run_again_at_once_under_the_tasks_own_limit() -> None:
    programs = Programs(math.inf, 0.001, 0.001, passing=(1,))
    tries = programs.tries(limits_of((0.1,), 10.0))
    assert programs.asked == [(0, 0.1), (1, 0.1), (1, 10.0), (2, 0.1), (0, 10.0)]
    assert [one.result for one in tries[1:3]] == ["1 seems to pass", "1 passed"]
    assert [one.open for one in tries] == [True, True, False, False, False]
    assert [one.repeats for one in tries] == [0, 0, 1, 0, 1]
    assert counted(tries) == {"test_runs": 5, "repeats": 2, "timed_out": 0, "near_limit": 0}


def test_a_confirmation_comes_before_a_turn() -> None:
    programs = Programs(math.inf, *[0.001] * (TURN - 2), passing=(TURN - 2,))
    tries = programs.tries(limits_of((0.1,), 10.0))
    assert tries[TURN - 1].result == f"{TURN - 2} passed"


def test_the_last_run_of_the_budget_needs_no_confirmation() -> None:
    programs = Programs(0.001, 0.001, passing=(1,))
    tries = programs.tries(limits_of((0.1,), 10.0), 2)
    assert programs.asked == [(0, 0.1), (1, 10.0)]
    assert (tries[-1].result, tries[-1].open) == ("1 passed", False)


def test_what_was_spent_before_is_part_of_the_budget() -> None:
    tries = Programs(*[0.001] * 9).tries(limits_of((), 10.0), 5, spent=2)
    assert [(one.run, one.number) for one in tries] == [(3, 1), (4, 2), (5, 3)]
    assert counted(tries) == {"test_runs": 5, "repeats": 0, "timed_out": 0, "near_limit": 0}


def test_a_try_that_takes_two_runs_counts_as_two() -> None:
    def twice(item: int, limit: float, final: bool) -> Ran[int]:
        return Ran(item, runs=2 if item == 1 else 1)

    tries = list(in_stages(range(9), twice, (10.0,), 5))
    assert [(one.run, one.number, one.repeats) for one in tries] == [
        (1, 1, 0),
        (3, 2, 1),
        (4, 3, 0),
        (5, 4, 0),
    ]
    assert counted(tries) == {"test_runs": 5, "repeats": 1, "timed_out": 0, "near_limit": 0}
