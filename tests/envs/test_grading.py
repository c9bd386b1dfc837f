"""What counts as solved, over random specs and outcomes, and in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrmgym.envs.interfaces.edit import tool_action
from hrmgym.envs.outcome_cache import Outcomes, Remembered
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import (
    NO_ENVIRONMENT,
    CallCase,
    CallTests,
    Environment,
    FailureCode,
    Limits,
    Outcome,
    PytestTests,
    Reason,
    Status,
    Task,
    TestSpec,
    Workspace,
)
from hrmgym.experiments.evaluate.rollouts import Player
from hrmgym.policies.baselines import NoopPolicy
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED, OneTask, double_task

IDS = ("case-1", "case-2", "case-3")
STATUSES = st.sampled_from([Status.PASSED] * 4 + list(Status))


def spec(ids: Sequence[str], path: str) -> CallTests:
    cases = tuple(CallCase(id=name, args=(), expected=None) for name in ids)
    return CallTests(path=path, function="f", cases=cases)


class Scripted:
    """Answers each run with what was drawn for it; says nothing twice."""

    def __init__(self, task: Task, drawn: Mapping[str, Outcome]) -> None:
        self.task, self.drawn = task, drawn

    def keeps_apart(self, environment: Environment = NO_ENVIRONMENT) -> bool:
        return True

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Outcome:
        which = "visible" if tests is self.task.visible_tests else "hidden"
        if files == self.task.solution():
            return self.drawn[f"reference {which}"]
        return self.drawn[f"{which} fresh" if fresh else which]


class ScriptedEnv(SoftwareEnv):
    """An environment whose tests say what was drawn."""

    runner: Scripted
    cached = False

    def _runner(self, *_: Any) -> Any:
        return Remembered(self.runner, "here", self.memory) if self.cached else self.runner

    memory = Outcomes()


@st.composite
def outcomes(draw: st.DrawFn, ids: Sequence[str]) -> Outcome:
    failure = draw(st.sampled_from([None] * 9 + [FailureCode.DISK]))
    return Outcome(tests={name: draw(STATUSES) for name in ids}, failure=failure)


@st.composite
def episodes(draw: st.DrawFn) -> ScriptedEnv:
    visible, hidden = (IDS[: draw(st.integers(1, 3))] for _ in range(2))
    task = replace(
        double_task(), visible_tests=spec(visible, "v.py"), hidden_tests=spec(hidden, "h.py")
    )
    drawn = {
        kind: draw(outcomes(visible if "visible" in kind else hidden))
        for kind in (
            *("visible", "hidden", "visible fresh", "hidden fresh"),
            *("reference visible", "reference hidden"),
        )
    }
    env = ScriptedEnv(OneTask(task), max_steps=2, auto_submit=draw(st.booleans()))
    env.runner, env.cached, env.memory = Scripted(task, drawn), draw(st.booleans()), Outcomes()
    return env


def counted(outcome: Outcome, reference: Outcome) -> set[Status]:
    """The statuses that count, by the rule as it is documented."""
    skipped = {name for name, status in reference.tests.items() if status is Status.SKIPPED}
    return {
        status
        for name, status in outcome.tests.items()
        if not (status is Status.SKIPPED and name in skipped)
    }


@given(episodes())
def test_nothing_short_of_every_counted_test_is_a_success(env: ScriptedEnv) -> None:
    drawn = env.runner.drawn
    _, info = env.reset(seed=0)
    reward, over = 0.0, False
    while not over:
        _, more, terminated, truncated, info = env.step(tool_action("submit"))
        reward, over = reward + float(more), terminated or truncated
    if info["is_success"]:
        visible, hidden = (
            counted(drawn[f"{which} fresh"], drawn[f"reference {which}"])
            for which in ("visible", "hidden")
        )
        # Of the visible tests, there may be none that counts.
        assert hidden == visible | hidden == {Status.PASSED}
        passed, _, total = info["tests"].partition(" ")[0].partition("/")
        assert passed == total
        assert (total != "0") == bool(visible)
        assert info["tests_passed"] == 1.0
        assert info["reason"] == Reason.SOLVED
        assert info["failure"] == ""
        assert not drawn["hidden fresh"].trouble
    else:
        assert info["rewards"]["solved"] == 0.0
        assert info["reason"] != Reason.SOLVED
        assert env.render() is None
    if info["failure"]:
        assert truncated
        assert not terminated
        assert info["reason"] == Reason.INFRASTRUCTURE


def test_where_no_visible_test_counts_the_hidden_ones_decide() -> None:
    task = replace(double_task(), visible_tests=spec(IDS[:1], "v.py"))
    task = replace(task, hidden_tests=spec(IDS[:2], "h.py"))
    skips = Outcome(tests={IDS[0]: Status.SKIPPED})
    passes = Outcome(tests=dict.fromkeys(IDS[:2], Status.PASSED))
    kinds = ("visible", "visible fresh", "reference visible")
    for hidden in (passes, Outcome(tests={**passes.tests, IDS[1]: Status.FAILED})):
        env = ScriptedEnv(OneTask(task))
        drawn = dict.fromkeys(kinds, skips) | {"hidden fresh": hidden, "reference hidden": passes}
        env.runner = Scripted(task, drawn)
        env.reset(seed=0)
        *_, info = env.step(tool_action("submit"))
        assert info["is_success"] == (hidden is passes)
        assert info["tests_passed"] == float(hidden is passes)


@given(episodes())
def test_an_episode_s_score_agrees_with_its_info(env: ScriptedEnv) -> None:
    player = Player(lambda: env, NoopPolicy, seed=0, episodes=1, deterministic=True)
    player.open()
    score = player.play(("double", ()), lambda: False)
    assert score is not None
    (episode,) = score.attempts
    assert episode.solved == (episode.reason == Reason.SOLVED)
    assert bool(episode.failure) == (episode.reason == Reason.INFRASTRUCTURE)
    if episode.solved:
        assert episode.plausible
        assert episode.numbers["tests_passed"] == 1.0
        assert score.solved == 1


CASES = {
    "visible ids equal hidden ids": (("case-1", (3,), 6), ("case-1", (5,), 10), "return 10"),
    "hidden ids equal visible ids": (("case-1", (3,), 6), ("case-1", (5,), 10), "return 6"),
}


@pytest.mark.parametrize("case", CASES)
def test_ids_that_stand_in_both_sets_both_count(case: str) -> None:
    visible, hidden, body = CASES[case]

    def tests(name: str, args: tuple[int, ...], expected: int) -> CallTests:
        one = CallCase(id=name, args=args, expected=expected)
        return CallTests(path="double.py", function="double", cases=(one,))

    task = replace(double_task(), visible_tests=tests(*visible), hidden_tests=tests(*hidden))
    env = SoftwareEnv(OneTask(task))
    try:
        env.reset(seed=0, options={"files": {"double.py": f"def double(x):\n    {body}\n"}})
        _, reward, terminated, _, info = env.step(tool_action("submit"))
        assert terminated
        assert not info["is_success"]
        assert float(reward) < 0.5
    finally:
        env.close()


SKIPS = {
    "skipif on an attribute": (
        "import pytest, double\n"
        "@pytest.mark.skipif(getattr(double, 'SKIP', False), reason='no')\n"
        "def test_a():\n    assert double.double(3) == 6\n",
        "SKIP = True\n",
    ),
    "pytest.skip in the test": (
        "import pytest, double\n"
        "def test_a():\n"
        "    if double.double(3) == 'skip':\n        pytest.skip('no')\n"
        "    assert double.double(3) == 6\n",
        "def double(x):\n    return 'skip'\n",
    ),
    "an exception of the tested code that asks for a skip": (
        "import unittest, double\n"
        "class Test(unittest.TestCase):\n"
        "    def test_a(self):\n        self.assertEqual(double.double(3), 6)\n",
        "import unittest\ndef double(x):\n    raise unittest.SkipTest('no')\n",
    ),
    "a fixture that skips": (
        "import pytest, double\n"
        "@pytest.fixture\n"
        "def doubled():\n"
        "    found = double.double(3)\n"
        "    return found if found else pytest.skip('no')\n"
        "def test_a(doubled):\n    assert doubled == 6\n",
        "def double(x):\n    return 0\n",
    ),
    "setUp that skips": (
        "import unittest, double\n"
        "class Test(unittest.TestCase):\n"
        "    def setUp(self):\n"
        "        if double.double(3) is None:\n            self.skipTest('no')\n"
        "    def test_a(self):\n        self.assertEqual(double.double(3), 6)\n",
        "def double(x):\n    return None\n",
    ),
}


@pytest.fixture(scope="module")
def sandbox() -> Any:
    with Sandbox() as made:
        yield made


@pytest.mark.parametrize("kind", SKIPS)
@pytest.mark.parametrize("together", [False, True])
def test_a_skip_that_the_tested_code_causes_does_not_pass(
    kind: str, together: bool, sandbox: Sandbox
) -> None:
    test_file, cheat = SKIPS[kind]
    name = "test_it.py::Test::test_a" if "class Test" in test_file else "test_it.py::test_a"
    always = test_file + "\n\ndef test_b():\n    pass\n"
    tests = PytestTests(
        files={"test_it.py": always}, ids=(name, "test_it.py::test_b"), together=together
    )
    limits = Limits(cpu_s=10.0, wall_s=30.0)
    task = replace(double_task(), visible_tests=tests, hidden_tests=tests, limits=limits)
    benchmark = OneTask(task)
    cheated = {"double.py": (DOUBLE + cheat)}
    outcome = benchmark.run_tests(task, tests, cheated, sandbox)
    assert outcome.tests[name] is not Status.PASSED
    assert not outcome.resolved
    assert benchmark.run_tests(task, tests, {"double.py": DOUBLE_FIXED}, sandbox).resolved


def test_a_test_that_the_reference_skips_too_counts_neither_way(sandbox: Sandbox) -> None:
    text = (
        "import pytest, double\n"
        "@pytest.mark.skip(reason='always')\n"
        "def test_a():\n    assert False\n"
        "def test_b():\n    assert double.double(3) == 6\n"
    )
    tests = PytestTests(
        files={"test_it.py": text}, ids=("test_it.py::test_a", "test_it.py::test_b")
    )
    task = replace(
        double_task(),
        visible_tests=tests,
        hidden_tests=tests,
        workspace=Workspace(files={"double.py": DOUBLE}),
    )
    benchmark = OneTask(task)
    solved = benchmark.grade(task, {"double.py": DOUBLE_FIXED}, sandbox)
    assert solved.resolved
    assert str(solved) == "2/2 tests pass"
    assert not benchmark.grade(task, {"double.py": DOUBLE}, sandbox).resolved
    no_reference = replace(task, reference={})
    assert not benchmark.grade(no_reference, {"double.py": DOUBLE_FIXED}, sandbox).resolved
