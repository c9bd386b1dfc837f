"""Legal edits in a policy's order, tried in a real sandbox: what is counted, what decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import State
from hrmgym.envs.task import CommandTests, Task
from hrmgym.policies.ranked import RankedPolicy
from hrmgym.policies.ranking import LogProbs, Spectra, normalised
from hrmgym.policies.spectrum import Spectrum
from hrmgym.search.stages import TURN, TestRuns, Try
from hrmgym.search.steps import passed
from hrmgym.search.tries import tries
from hrmgym.tests.tiny import DOUBLE, OneTask, calls, count_task, double_task

FIX, CHEAT = DOUBLE.replace("+", "*"), DOUBLE.replace("2", "x")
MANY = 10_000


class Wanted:
    """Ranks the edits that make given texts first, in their order; notes what it was given."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.given: list[tuple[State, Spectra]] = []

    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        self.given.append((state, spectra))
        made = [edit.applied(state) for edit in edits]
        ranks = [self.texts.index(one) if one in self.texts else 99 for one in made]
        return normalised(-np.array(ranks, dtype=np.float64))


@pytest.fixture(scope="module")
def env() -> Iterator[SoftwareEnv]:
    made = SoftwareEnv(OneTask(double_task()), canvas=96)
    yield made
    made.close()


def tried(env: SoftwareEnv, policy: RankedPolicy, k: int = 50, seed: int = 0) -> list[Try[State]]:
    """All tries up to the first that passes."""
    found = []
    for one in tries(policy, env, env.tasks[0].id, k, seed):
        found.append(one)
        if passed(one.result):
            break
    return found


def text(state: State) -> str:
    return state.files[state.task.editable[0]]


def test_what_passes_hot_is_confirmed_cold_and_both_count(env: SoftwareEnv) -> None:
    wrong = DOUBLE.replace("+", "-")
    first, screened, confirmed = tried(env, RankedPolicy([Wanted(wrong, FIX)], MANY))
    assert [text(one.result) for one in (first, screened, confirmed)] == [wrong, FIX, FIX]
    assert (screened.open, confirmed.open) == (True, False)
    assert not passed(screened.result)
    assert (confirmed.run, confirmed.number, confirmed.repeats) == (3, 2, 1)
    assert env.grade(confirmed.result).resolved
    assert env.state.files[env.state.task.editable[0]] == DOUBLE  # it stays where it was


def test_a_spectrum_is_a_test_run_and_is_looked_at_once_for_all_seeds(env: SoftwareEnv) -> None:
    wanted = Wanted(FIX)
    policy = RankedPolicy([Spectrum(), wanted], MANY)
    for seed in (0, 1):
        last = tried(env, policy, seed=seed)[-1]
        assert text(last.result) == FIX
        assert last.run == 3  # the spectrum, the screen, and its confirmation
    ((_, spectra),) = wanted.given
    (coverage,) = spectra.values()
    assert all(2 in one.lines for one in coverage.tests.values())
    assert [one.passed for one in coverage.tests.values()] == [False, True]


def test_the_budget_holds_whatever_is_counted(env: SoftwareEnv) -> None:
    for k in (1, 2, 7):
        counts = TestRuns()
        for one in tries(RankedPolicy([Spectrum()], MANY), env, "double", k, seed=0):
            counts.add(one)
        assert counts.to_dict()["test_runs"] == (k if k > 1 else 0)


def test_seeds_order_what_is_equally_probable_and_nothing_else(env: SoftwareEnv) -> None:
    def order(seed: int) -> list[str]:
        policy = RankedPolicy([Wanted(CHEAT)], MANY)
        return [text(one.result) for one in tries(policy, env, "double", 12, seed)]

    assert order(3) == order(3)
    assert order(3) != order(4)
    assert order(3)[0] == order(4)[0] == CHEAT


def test_every_legal_edit_is_tried_once(env: SoftwareEnv) -> None:
    policy = RankedPolicy([], MANY)
    made = [text(one.result) for one in tries(policy, env, "double", MANY, 0) if not one.repeats]
    ranked = policy.rank(env.state, lambda path: pytest.fail("nobody needs to look"))
    assert len(made) == len(set(made)) == len(ranked.edits)
    assert np.exp(ranked.log_probs).sum() == pytest.approx(1.0)


def test_a_task_without_legal_edits_has_no_tries() -> None:
    task = double_task()
    broken = replace(task, workspace=replace(task.workspace, files={"double.py": "def double(x:"}))
    env = SoftwareEnv(OneTask(broken), canvas=96)
    assert list(tries(RankedPolicy([Spectrum()], MANY), env, "double", 9, 0)) == []
    env.close()


def test_without_a_spectrum_a_warning_says_why(caplog: pytest.LogCaptureFixture) -> None:
    tests = CommandTests(command=("python3", "-c", "import double; assert double.double(3) == 6"))
    env = SoftwareEnv(OneTask(replace(double_task(), visible_tests=tests)), canvas=96)
    next(tries(RankedPolicy([Spectrum()], MANY), env, "double", 9, 0))
    assert "task double: double.py has no spectrum: " in caplog.text
    env.close()


def test_other_hidden_tests_change_no_order_and_nothing_that_is_tried() -> None:
    def seen(task: Task) -> list[tuple[Any, ...]]:
        env = SoftwareEnv(OneTask(task), canvas=96)
        wanted = Wanted(CHEAT)
        found = [
            (text(one.result), one.run, one.open, one.result.outcome)
            for one in tries(RankedPolicy([Spectrum(), wanted], MANY), env, "double", 40, 0)
        ]
        assert "canary" not in repr(wanted.given)
        env.close()
        return found

    hidden = calls("double.py", "double", (("canary",), "canarycanary"), ((7,), 9))
    assert seen(replace(double_task(), hidden_tests=hidden)) == seen(double_task())


def test_an_endless_loop_is_cut_off_at_the_stage_and_repeated_under_the_own_limit() -> None:
    task = count_task()
    sandbox = {"type": "local", "stages": [0.05]}
    env = SoftwareEnv(OneTask(task), canvas=96, sandbox=sandbox)
    (path,) = task.editable
    buggy, fixed = task.workspace.files[path], task.reference[path]
    endless = buggy.replace("i += 0", "i -= 0")
    policy = RankedPolicy([Wanted(endless, fixed)], MANY)
    first, screened, confirmed = tried(env, policy)
    assert (text(first.result), first.open) == (endless, True)
    assert (text(screened.result), text(confirmed.result)) == (fixed, fixed)
    run = tries(policy, env, "count", 40, 0)
    again = next(one for one in run if text(one.result) == endless and one.repeats)
    assert (again.run, again.repeats, again.open) == (TURN, 1, False)
    env.close()
