"""What every environment must show. Each check raises AssertionError where it does not.

`make(**options)` makes the environment, without wrappers; `tests/envs/test_conformance.py` proves
of each check that it can fail.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from hrmgym.envs.candidates import CandidateActions
from hrmgym.envs.editable import may_edit, named
from hrmgym.envs.interfaces.edit import tool_action, tool_number
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import LANGUAGES, Task
from hrmgym.experiments.evaluate.check import check
from hrmgym.experiments.evaluate.soundness import Verdict
from hrmgym.policies.base import Policy, Spaces
from hrmgym.policies.baselines import NoopPolicy, RandomPolicy, ReferencePolicy
from hrmgym.tests.conformance.leaks import in_plain_sight, leaks, secrets_of

Make = Callable[..., SoftwareEnv]

#: Edits by which the edit interface must have reached a reference.
MOST_EDITS = 5_000


def some_tasks(env: SoftwareEnv, most: int) -> Sequence[Task]:
    """Some tasks of an environment's benchmark, evenly over its order, of all splits."""
    tasks = [task for split in env.benchmark.splits for task in env.benchmark.tasks(split)]
    return tasks[:: -(-len(tasks) // most)]


def an_edit(policy: RandomPolicy, observation: Any) -> Any:
    """The first edit that a policy makes of an observation."""
    while True:
        action, _ = policy.act(observation)
        if action[0] == tool_number("edit"):
            return action


def same(one: Any, two: Any) -> bool:
    """Whether two observations, infos or lists of them are equal."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(np.array_equal(one, two))


def tasks_are_well_formed(make: Make) -> None:
    """Ids are unique, and what a task names is there."""
    ids: list[str] = []
    with closing(make()) as env:
        for split in env.benchmark.splits:
            for task in env.benchmark.tasks(split):
                assert task.split == split, task.id
                assert task.language in LANGUAGES, task.id
                there = {*task.workspace.start, *task.reference}
                assert set(named(task.editable)) <= there, task.id
                assert all(may_edit(task.editable, path) for path in task.reference), task.id
                assert task.visible_tests.test_ids, task.id
                assert task.hidden_tests.test_ids, task.id
                assert task.prompt, task.id
                assert task.source, task.id
                ids.append(task.id)
    assert len(ids) == len(set(ids)), "task ids stand twice"


def the_reference_alone_solves(make: Make) -> None:
    """`hrmgym check` finds nothing wrong with some of the tasks, and can run them."""
    with closing(make()) as env:
        report = check(env.benchmark, some_tasks(env, 4))
    wrong = (Verdict.UNSOUND, Verdict.CANNOT_RUN)
    assert not [(one.task, one.message) for one in report.tasks if one.verdict in wrong]


def _play(env: SoftwareEnv, policy: Policy, task: Task) -> dict[str, Any]:
    """The last info of an episode."""
    observation, _ = env.reset(options={"task": task.id})
    assert env.observation_space.contains(observation), task.id
    while True:
        action, _ = policy.act(observation)
        assert env.action_space.contains(action), task.id
        observation, _, terminated, truncated, info = env.step(action)
        assert env.observation_space.contains(observation), task.id
        if terminated or truncated:
            return info


def the_reference_policy_solves_what_noop_does_not(make: Make) -> None:
    """In episodes, as `hrmgym score` plays them."""
    with closing(make()) as env:
        for task in some_tasks(env, 6):
            if task.marked is not None or not task.reference:
                continue
            spaces = Spaces.of(env)
            info = _play(env, NoopPolicy(spaces), task)
            assert not info["is_success"], (task.id, "noop solves it")
            reference = ReferencePolicy(spaces)
            reference.begin(env)
            info = _play(env, reference, task)
            assert info["is_success"], (task.id, info)


def the_interface_reaches_the_reference(make: Make) -> None:
    """Edits, in any number, make the files what the reference says."""
    for interface in ("edit", "shell"):
        free = {"auto_test": False, "auto_submit": False, "max_steps": MOST_EDITS}
        with closing(make(interface=interface, **free)) as env:
            for task in some_tasks(env, 6):
                env.reset(options={"task": task.id})
                truncated = False
                while any(env.state.files.get(p) != text for p, text in task.reference.items()):
                    assert not truncated, (task.id, interface, "the reference is out of reach")
                    action = env.interface.toward(env.state, task.reference)
                    *_, truncated, info = env.step(action)
                    assert not info["refused"], (task.id, interface, info["refused"])


def rollout(env: SoftwareEnv, seed: int, steps: int = 12) -> list[Any]:
    """Everything that random legal actions lead to."""
    policy = RandomPolicy(Spaces.of(env), seed)
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


def two_copies_with_one_seed_agree(make: Make) -> None:
    """Step by step; with another seed they differ."""
    with closing(make()) as env, closing(make()) as twin:
        assert same(rollout(env, 7), rollout(twin, 7)), "two copies with one seed differ"
        assert not same(rollout(env, 7), rollout(twin, 8)), "nothing differs"
    with closing(make(auto_test=False)) as env:
        drawn = {env.reset(seed=seed)[1]["task"] for seed in range(32)}
        assert len(drawn) > 1 or len(env.tasks) == 1, "the seed does not choose the task"


def a_restored_snapshot_continues_exactly(make: Make) -> None:
    """In the same environment and in another one, the generator included."""
    with closing(make()) as env, closing(make()) as other:
        policy = RandomPolicy(Spaces.of(env), 3)
        observation, _ = env.reset(seed=3)
        for _ in range(2):
            observation, *_ = env.step(an_edit(policy, observation))
        snapshot = pickle.loads(pickle.dumps(env.save()))
        actions = [an_edit(policy, observation), tool_action("undo"), tool_action("submit")]
        first = [env.step(action) for action in actions]
        after = env.save()
        for one in (env, other):
            restored, _ = one.restore(snapshot)
            assert same(restored, observation), "a snapshot restores another observation"
            assert one.save() == snapshot
            for expected, action in zip(first, actions, strict=True):
                assert same(list(one.step(action)), list(expected)), "it goes on differently"
            assert one.save() == after
        assert same(env.reset()[0], other.reset()[0]), "the generator was not restored"


def its_candidates_continue_exactly(make: Make) -> None:
    """With `CandidateActions`: one seed is one episode, and a snapshot restores masks, too."""
    with closing(CandidateActions(make())) as env, closing(CandidateActions(make())) as twin:
        first = _choices(env, env.reset(seed=7))
        assert same(first, _choices(twin, twin.reset(seed=7))), "two copies with one seed differ"
        observation, info = env.reset(seed=8)
        action = int(np.argmax(info["action_mask"]))
        observation, *_, terminated, truncated, info = env.step(action)
        snapshot = pickle.loads(pickle.dumps(env.save()))
        after = [] if terminated or truncated else _choices(env, (observation, info))
        for one in (env, twin):
            restored, told = one.restore(snapshot)
            assert same(restored, observation), "a snapshot restores another observation"
            assert same(told["action_mask"], info["action_mask"]), "it restores another mask"
            assert one.save() == snapshot
            if after:
                assert same(_choices(one, (restored, told))[2:], after[2:]), "it goes on otherwise"


def _choices(env: CandidateActions, start: tuple[Any, dict[str, Any]]) -> list[Any]:
    """Everything that the last legal candidate of each state leads to, up to the end."""
    seen: list[Any] = list(start)
    while True:
        mask = seen[-1]["action_mask"]
        assert same(mask, env.action_masks().astype(np.int8)), "two masks"
        seen += env.step(int(np.flatnonzero(mask)[-1]))
        if seen[-2] or seen[-3]:
            return seen


def nothing_leaks(make: Make) -> None:
    """Neither the reference nor hidden tests show in what an agent or a search gets to see."""
    for interface in ("edit", "shell"):
        with closing(make(interface=interface, max_steps=4, render_mode="ansi")) as env:
            for task in some_tasks(env, 3):
                plain = in_plain_sight(task)
                assert not plain, (task.id, plain)
                secrets = secrets_of(task)
                for what, shown in _shown(env, task):
                    found = leaks(shown, secrets)
                    assert not found, (task.id, interface, what, found[:3])
                snapshot = env.save()
                if snapshot.outcome is not None:
                    visible = set(task.visible_tests.test_ids)
                    assert set(snapshot.outcome.tests) == visible, (task.id, "ids of hidden tests")


def _shown(env: SoftwareEnv, task: Task) -> list[tuple[str, Any]]:
    """All that a few steps show, up to the end of an episode that is not solved."""
    seen: list[tuple[str, Any]] = []

    def note(when: str, *shown: Any) -> None:
        seen.extend(
            [
                (f"the observation and info {when}", shown),
                (f"the state {when}", env.state),
                (f"the snapshot {when}", env.save()),
                (f"the rendering {when}", env.render()),
            ]
        )

    observation, info = env.reset(options={"task": task.id})
    note("at reset", observation, info)
    if env.interface_name == "shell":
        note("after a command", *env.step("env; ls -laR . /tmp; cat -- */* *"))
        note("at the end", *env.step("submit"))
    else:
        policy = RandomPolicy(Spaces.of(env), 5)
        observation, *rest = env.step(an_edit(policy, observation))
        note("after an edit", observation, *rest)
        if not (rest[1] or rest[2]):
            note("at the end", *env.step(tool_action("submit")))
    return seen
