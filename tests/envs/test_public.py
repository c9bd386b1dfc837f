"""States and policies hold nothing of hidden tests and solutions, and nothing follows from them."""

from __future__ import annotations

import gc
import pickle
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

from hrmgym.envs.interfaces.edit import tool_action
from hrmgym.envs.sandboxes.verdicts import trial
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import CallCase, CallTests, PytestTests, Task
from hrmgym.errors import ActionError
from hrmgym.policies import make_policy
from hrmgym.policies.base import KnowsSolutions, Observation, PolicyState, Proposer, Spaces
from hrmgym.policies.config import HRMPolicyConfig, RandomConfig
from hrmgym.policies.ngram import NgramPolicy
from hrmgym.search.tries import tries
from hrmgym.tests.tiny import DOUBLE_FIXED, OneTask, double_task
from hrmgym.trainers.ngram import fit

CANARY = "canary-4711"
SMALL = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1}


def with_canaries(mark: str = CANARY) -> Task:
    """A task whose hidden tests, their ids and the solution hold a mark; nothing solves it."""
    case = CallCase(id=f"id-{mark}", args=(5,), expected=10)
    text = CallCase(id=f"text-{mark}", args=(f"arg-{mark}",), expected=f"no-{mark}")
    hidden = CallTests(path="double.py", function="double", cases=(case, text))
    solution = {"double.py": f"# {mark}\n{DOUBLE_FIXED}"}
    return replace(double_task(), hidden_tests=hidden, reference=solution)


def reachable(*roots: object) -> Iterator[object]:
    """All objects that these refer to, directly or not, but for code: it knows everything."""
    seen: dict[int, object] = {}
    left = list(roots)
    code = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType)
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, code):
            continue
        seen[id(one)] = one
        yield one
        left += gc.get_referents(one)


def marked(*roots: object) -> list[str]:
    """What says a canary among all that is reachable."""
    texts = (one for one in reachable(*roots) if isinstance(one, str | bytes))
    return [repr(one) for one in texts if CANARY in repr(one)]


def test_a_state_holds_no_canary_whatever_leads_to_it() -> None:
    env = SoftwareEnv(OneTask(with_canaries()), canvas=96)
    observation, info = env.reset(seed=0)
    right = env.interface.toward(env.state, {"double.py": DOUBLE_FIXED})
    states = [env.state]
    for action in (tool_action("run_tests"), right, tool_action("undo"), tool_action("submit")):
        states.append(env.transition(states[-1], action))
    for state in states:
        assert not marked(state)
        assert CANARY.encode() not in pickle.dumps(state)
    found = [observation, info, env.save(), Spaces.of(env)]
    found += env.step(right)
    assert (
        found[-1]["is_success"] is False
    )  # the hidden text case asks for what no edit of ours has
    assert not marked(*found, env.state, env.save())
    assert CANARY.encode() not in pickle.dumps(env.save())
    assert marked(env.task), "the search for canaries finds none where they are"
    env.close()


class Sees:
    """Submits; keeps all that it is given."""

    given: list[Any]

    def __init__(self, spaces: Spaces) -> None:
        Sees.given = [spaces]

    def act(
        self, observation: Observation, *, state: PolicyState = None, deterministic: bool = False
    ) -> tuple[Any, PolicyState]:
        self.given.append(observation)
        return tool_action("submit"), None

    def begin(self, env: gymnasium.Env[Any, Any]) -> None:
        raise AssertionError("a policy that does not say so sees no environment")


def test_a_policy_is_given_spaces_and_observations_alone() -> None:
    from hrmgym.experiments.evaluate.rollouts import Player

    player = Player(lambda: SoftwareEnv(OneTask(with_canaries())), Sees, 0, 1, deterministic=True)
    player.open()
    assert player.play(("double", ()), lambda: False) is not None
    player.close()
    assert len(Sees.given) == 2
    assert not marked(*Sees.given)
    assert not isinstance(Sees(Sees.given[0]), KnowsSolutions)


def proposers(env: SoftwareEnv) -> Iterator[Proposer]:
    spaces = Spaces.of(env)
    for config in (RandomConfig(kind="random"), HRMPolicyConfig(kind="hrm", **SMALL)):
        policy = make_policy(config, spaces, seed=3)
        assert isinstance(policy, Proposer)
        yield policy
    yield NgramPolicy(spaces, fit(["def f(x):\n    return x * 2\n", DOUBLE_FIXED]))


def trace(task: Task) -> list[bytes]:
    """What each policy proposes, and where that leads to, byte for byte."""
    env = SoftwareEnv(OneTask(task), canvas=96)
    found: list[bytes] = []
    for policy in proposers(env):
        env.reset(seed=0)
        observation = env.interface.observe(env.state)
        made = policy.propose(observation, 8)
        found += [one.action.tobytes() + np.float64(one.log_prob).tobytes() for one in made.actions]
        found.append(np.float64(made.value).tobytes())
        for one in tries(policy, env, task.id, 8, seed=0):
            state = one.result
            found.append(pickle.dumps((one.number, state.tool, state.refused, str(state.outcome))))
            found.append(pickle.dumps(sorted(state.files.items())))
    env.close()
    return found


def test_nothing_that_is_proposed_or_tried_depends_on_hidden_tests() -> None:
    one, other = with_canaries(), with_canaries("another mark")
    never = CallTests(path="double.py", function="nope", cases=one.hidden_tests.cases[:1])  # type: ignore[attr-defined]
    found = trace(one)
    assert len(found) > 30
    assert trace(other) == found
    assert trace(replace(one, hidden_tests=never, reference={"double.py": "x = 1\n"})) == found


def test_a_transition_grades_nothing_and_changes_no_episode() -> None:
    env = SoftwareEnv(OneTask(with_canaries()), canvas=96)
    env.reset(seed=0)
    before, saved = env.state, env.save()
    right = env.interface.toward(before, {"double.py": DOUBLE_FIXED})
    after = env.transition(before, right)
    assert after.passes
    assert (after.tool, after.refused, after.kept, after.steps) == ("edit", "", True, 1)
    assert after.ran is after.outcome
    assert env.state is before
    assert env.save() == saved
    assert env.transition(before, right) == after
    assert env.grade(after).resolved is False
    assert env.state is before
    refused = env.transition(before, tool_action("undo"))
    assert refused.refused
    assert (refused.steps, refused.files) == (1, before.files)
    with pytest.raises(ActionError):
        env.transition(before, np.zeros(3))
    _, _, terminated, _, info = env.step(right)  # here `auto_submit` has its say
    assert terminated
    assert info["tests_passed"] == 1.0
    env.close()


def test_an_edit_that_is_taken_back_leaves_what_its_run_said() -> None:
    env = SoftwareEnv(OneTask(double_task()), canvas=96, keep_edits="if_better")
    env.reset(seed=0)
    wrong = env.interface.toward(env.state, {"double.py": "def double(x):\n    return x * 0\n"})
    after = env.transition(env.state, wrong)
    assert not after.kept
    assert after.files == env.state.files
    assert after.outcome == env.state.outcome
    assert after.ran is not None
    assert after.test_runs == 1
    env.close()


def test_why_hidden_tests_run_together_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def test_a():\n    assert True\n"
    visible = PytestTests(files={"test_v.py": text}, ids=("test_v.py::test_a",))
    hidden = PytestTests(
        files={f"test_{CANARY}.py": text},
        ids=(f"test_{CANARY}.py::test_a",),
        together=f"test_{CANARY}.py::test_a: failed together, passed apart",
    )
    task = replace(double_task(), visible_tests=replace(visible, tried=True), hidden_tests=hidden)
    env = SoftwareEnv(OneTask(task), auto_test=False)
    _, info = env.reset(seed=0)
    mode, why = trial.task_apart(task, env.sandbox)
    assert (info["tests_apart"], mode) == ("together", "together")
    assert CANARY in why
    assert not marked(info)
    env.close()
