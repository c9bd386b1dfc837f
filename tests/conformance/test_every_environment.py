"""The conformance suite, over every registered environment id."""

from __future__ import annotations

import importlib
import os
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

from hrmgym.envs import catalogue, make_benchmark
from hrmgym.envs.benchmark import Entry
from hrmgym.envs.interfaces.edit import tool_action, tool_number
from hrmgym.envs.interfaces.shell import TextSpace
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import LANGUAGES, Task
from hrmgym.errors import DataError
from hrmgym.experiments.check import check
from hrmgym.experiments.soundness import Verdict
from hrmgym.policies.baselines import RandomPolicy, ReferencePolicy

for _module in os.environ.get("HRMGYM_CONFORMANCE", "").split():
    importlib.import_module(_module)

#: A benchmark with more tasks than this is sampled, evenly over its order.
MOST_TASKS = 16

ENTRIES = [
    entry for entry in catalogue().values() if not entry.entry_point.startswith("hrmgym.tests")
]


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.env_id)
def entry(request: pytest.FixtureRequest) -> Entry:
    """One registered benchmark whose data is here."""
    found: Entry = request.param
    try:
        benchmark = make_benchmark(found.entry_point)
        benchmark.tasks(benchmark.splits[0])
    except DataError as error:
        pytest.skip(f"needs data: {error}")
    return found


@pytest.fixture
def env(entry: Entry) -> Iterator[SoftwareEnv]:
    """Its environment, without wrappers."""
    made = gymnasium.make(entry.env_id).unwrapped
    assert isinstance(made, SoftwareEnv)
    yield made
    made.close()


def some_tasks(env: SoftwareEnv, most: int = MOST_TASKS) -> Sequence[Task]:
    tasks = [task for split in env.benchmark.splits for task in env.benchmark.tasks(split)]
    return tasks[:: -(-len(tasks) // most)]


def an_edit(policy: RandomPolicy, observation: Any) -> Any:
    while True:
        action, _ = policy.act(observation)
        if action[0] == tool_number("edit"):
            return action


def rollout(env: SoftwareEnv, seed: int, steps: int = 12) -> list[Any]:
    """Everything that random legal actions lead to."""
    policy = RandomPolicy(env, seed)
    observation, info = env.reset(seed=seed)
    seen: list[Any] = [observation, info]
    for _ in range(steps):
        action, _ = policy.act(observation)
        observation, *rest = env.step(action)
        seen += [action, observation, *rest]
        if rest[1] or rest[2]:
            observation, info = env.reset()
            seen += [observation, info]
    return seen


def same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(np.array_equal(one, two))


def test_tasks_are_well_formed(env: SoftwareEnv) -> None:
    ids: list[str] = []
    for split in env.benchmark.splits:
        for task in env.benchmark.tasks(split):
            assert task.split == split
            assert task.language in LANGUAGES
            assert set(task.editable) <= task.workspace.files.keys()
            assert set(task.reference) <= set(task.editable)
            assert task.visible_tests.test_ids
            assert task.hidden_tests.test_ids
            assert task.prompt
            assert task.source
            ids.append(task.id)
    assert len(ids) == len(set(ids))


def test_hrmgym_check_finds_nothing_unsound(env: SoftwareEnv) -> None:
    report = check(env.benchmark, some_tasks(env))  # the command checks all
    wrong = (Verdict.UNSOUND, Verdict.CANNOT_RUN)
    assert not [(one.task, one.message) for one in report.tasks if one.verdict in wrong]
    assert report.complete


def test_the_reference_policy_solves_what_noop_does_not(env: SoftwareEnv) -> None:
    policy = ReferencePolicy(env)
    for task in some_tasks(env, 12):
        observation, info = env.reset(options={"task": task.id})
        assert not info["is_success"]
        over = False
        while not over:
            action, _ = policy.act(observation)
            assert env.action_space.contains(action)
            observation, _, terminated, truncated, info = env.step(action)
            assert env.observation_space.contains(observation)
            over = terminated or truncated
        assert info["is_success"], (task.id, info)


def test_gymnasiums_checker_is_clean(env: SoftwareEnv) -> None:
    check_gymnasium(env)


def test_stable_baselines3s_checker_is_clean(env: SoftwareEnv) -> None:
    check_sb3(env)


def test_the_shell_is_clean_too(entry: Entry) -> None:
    made = gymnasium.make(entry.env_id, interface="shell").unwrapped
    assert isinstance(made.observation_space, TextSpace)
    check_gymnasium(made)
    made.close()


def test_two_copies_with_one_seed_agree_step_by_step(entry: Entry, env: SoftwareEnv) -> None:
    twin = gymnasium.make(entry.env_id).unwrapped
    assert isinstance(twin, SoftwareEnv)
    try:
        assert same(rollout(env, 7), rollout(twin, 7))
        assert not same(rollout(env, 7), rollout(twin, 8))
    finally:
        twin.close()


def test_a_restored_snapshot_continues_exactly(entry: Entry, env: SoftwareEnv) -> None:
    policy = RandomPolicy(env, 3)
    observation, _ = env.reset(seed=3)
    for _ in range(2):
        observation, *_ = env.step(an_edit(policy, observation))
    snapshot = pickle.loads(pickle.dumps(env.save()))
    actions = [an_edit(policy, observation), tool_action("undo"), tool_action("submit")]
    first = [env.step(action) for action in actions]
    after = env.save()
    other = gymnasium.make(entry.env_id).unwrapped
    assert isinstance(other, SoftwareEnv)
    try:
        for one in (env, other):
            restored, _ = one.restore(snapshot)
            assert same(restored, observation)
            assert one.save() == snapshot
            for expected, action in zip(first, actions, strict=True):
                assert same(list(one.step(action)), list(expected))
            assert one.save() == after
        assert same(env.reset()[0], other.reset()[0])  # the generator was restored, too
    finally:
        other.close()


def test_no_hidden_test_or_reference_leaks(env: SoftwareEnv) -> None:
    for task in some_tasks(env, 4):
        observation, info = env.reset(options={"task": task.id})
        snapshot = env.save()
        text = pickle.dumps((observation, info, snapshot)).decode("latin-1")
        for solution in task.reference.values():
            assert solution not in text
        assert snapshot.outcome is not None
        assert set(snapshot.outcome.tests) == set(task.visible_tests.test_ids)


def test_every_render_mode(entry: Entry) -> None:
    for mode in SoftwareEnv.metadata["render_modes"]:
        made = gymnasium.make(entry.env_id, render_mode=mode)
        made.reset(seed=0)
        shown = made.render()
        assert (mode == "ansi") == isinstance(shown, str)
        made.close()
