"""SWE-Search over legal edits, in a real sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from hrmgym.envs.outcome_file import OutcomeFile
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import State
from hrmgym.envs.task import Task, Workspace
from hrmgym.policies.frequencies import Frequencies
from hrmgym.policies.ranked import RankedPolicy
from hrmgym.policies.spectrum import Spectrum
from hrmgym.search.controller import SWESearchController
from hrmgym.search.settings import TreeSettings
from hrmgym.search.stages import TestRuns, Try
from hrmgym.search.steps import passed
from hrmgym.search.tries import tries
from hrmgym.tests.search.test_ranked_tries import MANY, Wanted
from hrmgym.tests.search.test_screening import OwnRules
from hrmgym.tests.tiny import LOOP, LOOP_FIXED, OneTask, calls, count_task, double_task

ONE = "def price(kind, n):\n    if kind < 1:\n        return n + 3\n    return n * 2\n"
BUGGY = ONE.replace("n + 3", "n - 3").replace("n * 2", "n + 2")
HALF = BUGGY.replace("n - 3", "n + 3")
OTHER_HALF = BUGGY.replace("n + 2", "n * 2")
Rule = Literal["puct", "ucb1", "swe-search"]


def price_task() -> Task:
    """Two bugs; each has tests of its own."""
    path = "price.py"
    cases = [((0, 4), 7), ((0, 9), 12), ((1, 5), 10), ((2, 7), 14)]
    return replace(
        double_task(),
        id="price",
        workspace=Workspace(files={path: BUGGY}),
        editable=(path,),
        focus=f"{path}::price",
        reference={path: ONE},
        visible_tests=calls(path, "price", *cases),
        hidden_tests=calls(path, "price", ((1, 8), 16), ((0, 1), 4)),
    )


@pytest.fixture(scope="module")
def env() -> Iterator[SoftwareEnv]:
    made = SoftwareEnv(OneTask(price_task()), canvas=96)
    yield made
    made.close()


def controller(*wanted: str, rule: Rule = "puct", most_edits: int = 2) -> SWESearchController:
    rankers = [Wanted(*wanted)] if wanted else [Frequencies(), Spectrum()]
    policy = RankedPolicy(rankers, MANY, feedback=True)
    return SWESearchController(policy, TreeSettings(rule=rule, transpositions=False), most_edits)


def text(state: State) -> str:
    return state.files[state.task.editable[0]]


def told(found: list[Try[State]]) -> list[object]:
    return [(one.run, one.number, one.repeats, one.open, one.result.files) for one in found]


@pytest.mark.parametrize("rule", ["puct", "swe-search"])
def test_two_edits_are_found_one_on_the_other(env: SoftwareEnv, rule: Rule) -> None:
    found = list(tries(controller(HALF, ONE, rule=rule), env, "price", 60, 0))
    assert passed(found[-1].result)
    assert text(found[-1].result) == ONE
    assert env.grade(found[-1].result).resolved
    assert text(env.state) == BUGGY  # it stays where it was
    one_only = controller(HALF, ONE, rule=rule, most_edits=1)
    assert not any(passed(one.result) for one in tries(one_only, env, "price", 400, 0))


def test_what_helped_is_gone_on_from_at_once(env: SoftwareEnv) -> None:
    """The spectrum; the half; its tests, its spectrum; the rest, and that again."""
    found = list(tries(controller(HALF, ONE), env, "price", 60, 0))
    assert [(one.run, text(one.result)) for one in found] == [
        (2, HALF),
        (3, HALF),
        (5, ONE),
        (6, ONE),
    ]


def test_a_learnt_order_finds_both(env: SoftwareEnv) -> None:
    found = list(tries(controller(), env, "price", 2000, 0))
    assert passed(found[-1].result)
    assert env.grade(found[-1].result).resolved


def test_every_run_counts_and_the_budget_holds(env: SoftwareEnv) -> None:
    for k in (1, 2, 3, 4, 5, 20):
        counts = TestRuns()
        found = list(tries(controller(OTHER_HALF), env, "price", k, 0))
        for one in found:
            counts.add(one)
        assert counts.runs <= k
        assert [one.run for one in found] == sorted({one.run for one in found})


def test_a_single_edit_is_found_as_before() -> None:
    fix = ONE.replace("n * 2", "n + 2")
    task = replace(price_task(), workspace=Workspace(files={"price.py": fix}))
    single = SoftwareEnv(OneTask(task), canvas=96)
    try:
        found = list(tries(controller(ONE), single, "price", 9, 0))
        assert [one.run for one in found] == [2, 3]
        assert passed(found[-1].result)
    finally:
        single.close()


def test_two_runs_are_the_same_and_known_outcomes_change_nothing(
    env: SoftwareEnv, tmp_path: Path
) -> None:
    plain = told(list(tries(controller(), env, "price", 80, 0)))
    outcomes = OutcomeFile(tmp_path / "outcomes")
    try:
        for _ in range(2):
            assert told(list(tries(controller(), env, "price", 80, 0, outcomes))) == plain
    finally:
        outcomes.close()


def test_other_hidden_tests_change_nothing_that_is_tried(env: SoftwareEnv) -> None:
    hidden = calls("price.py", "price", ((1, 1), "canary"))
    other = SoftwareEnv(OneTask(replace(price_task(), hidden_tests=hidden)), canvas=96)
    try:
        assert told(list(tries(controller(), other, "price", 80, 0))) == told(
            list(tries(controller(), env, "price", 80, 0))
        )
    finally:
        other.close()


def test_no_program_is_tried_twice_by_edits_in_another_order(env: SoftwareEnv) -> None:
    found = list(tries(controller(HALF, OTHER_HALF), env, "price", 300, 0))
    first = [text(one.result) for one in found if not one.repeats]
    assert len(first) == len(set(first))
    assert BUGGY not in first


def test_what_is_cut_off_is_tried_again_with_all_its_time() -> None:
    endless = LOOP.replace("i += 0", "i -= 0")
    options: dict[str, Any] = {"canvas": 96, "sandbox": {"type": "local", "stages": [0.05]}}
    looping = SoftwareEnv(OneTask(count_task()), **options)
    try:
        found = list(tries(controller(endless, LOOP_FIXED), looping, "count", 40, 0))
        assert passed(found[-1].result)
        assert next(one.open for one in found if text(one.result) == endless)
    finally:
        looping.close()


def test_edits_that_need_ordinary_runs_are_searched_too() -> None:
    own = SoftwareEnv(OwnRules(double_task()), canvas=96)
    try:
        found = list(tries(controller("def double(x):\n    return x * 2\n"), own, "double", 9, 0))
        assert passed(found[-1].result)
    finally:
        own.close()
