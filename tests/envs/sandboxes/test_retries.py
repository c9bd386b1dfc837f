"""When runs are made again: the rules, on runs that are no more than a list of results."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hrmgym.envs.sandboxes.failures import GuestBroken, GuestDied
from hrmgym.envs.sandboxes.retries import MOST_LOSSES, Counts, Lost, Retries, failure
from hrmgym.envs.task import CallCase, CallTests, FailureCode, Status

KILLED, BROKEN = GuestDied("killed"), GuestBroken("gave up")


class Runs:
    """Runs whose results are known: values, or errors to raise."""

    def __init__(self, *results: object, isolated: bool = True) -> None:
        self._results: Iterator[object] = iter(results)
        self.replaced = 0
        self.counts = Counts()
        self._retries = Retries(self._replace, lambda: isolated, self.counts)

    def _replace(self) -> None:
        self.replaced += 1

    def _attempt(self) -> object:
        result = next(self._results)
        if isinstance(result, BaseException):
            raise result
        return result

    def result(self, killed: Callable[[object], bool] = lambda _: False) -> object:
        return self._retries.persist(self._attempt, killed)


def test_a_good_run_is_made_once() -> None:
    runs = Runs("good", "other")
    assert runs.result() == "good"
    assert runs.counts == Counts(runs=1)


def test_a_lost_run_is_made_again() -> None:
    runs = Runs(BROKEN, "good")
    assert runs.result() == "good"
    assert runs.counts == Counts(runs=1, retried=1, replaced=1)
    assert runs.replaced == 1


def test_the_second_loss_that_the_code_may_have_caused_decides() -> None:
    runs = Runs(BROKEN, BROKEN, "good")
    with pytest.raises(Lost, match="broke twice under this run: gave up"):
        runs.result()
    assert runs.counts == Counts(runs=1, retried=1, replaced=2, failed=1)


def test_without_isolation_the_code_may_have_killed_its_sandbox() -> None:
    with pytest.raises(Lost, match="twice"):
        Runs(KILLED, KILLED, "good", isolated=False).result()


def test_what_others_killed_is_not_held_against_the_code() -> None:
    assert Runs(*[KILLED] * MOST_LOSSES, "good").result() == "good"
    assert Runs(KILLED, BROKEN, KILLED, "good").result() == "good"


def test_even_that_has_an_end() -> None:
    with pytest.raises(Lost, match=f"{MOST_LOSSES + 1} times"):
        Runs(*[KILLED] * 99).result()


def test_a_kill_is_believed_when_three_runs_agree() -> None:
    runs = Runs("-9", "-9", "-9", "good")
    assert runs.result(lambda result: result == "-9") == "-9"
    assert runs.counts == Counts(runs=1, retried=2)
    assert Runs("-9", "-9", "good").result(lambda result: result == "-9") == "good"


def test_kills_at_different_places_do_not_agree() -> None:
    runs = Runs("a", "b", "a", "b", "good")
    assert runs.result(lambda result: result != "good") == "good"


def test_other_errors_are_nobody_elses() -> None:
    runs = Runs(ValueError("mine"))
    with pytest.raises(ValueError, match="mine"):
        runs.result()


def test_a_run_that_was_given_up_says_so() -> None:
    case = CallCase(id="a", args=(), expected=1)
    tests = CallTests(path="f.py", function="f", cases=(case,))
    outcome = failure(tests, Lost("the sandbox broke twice", FailureCode.LOST_CONNECTION))
    assert outcome.tests == {"a": Status.ERROR}
    assert (outcome.message, outcome.trouble) == ("the sandbox broke twice", True)


def test_counts_add_up() -> None:
    assert sum([Counts(1, 2, 3, 4), Counts(1, 1, 1, 1)], Counts()) == Counts(2, 3, 4, 5)
