"""Tests of the policies without weights."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.interfaces.base import TOOLS
from hrmgym.envs.interfaces.edit import tool_number
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Task, Workspace
from hrmgym.errors import ConfigError
from hrmgym.experiments.evaluate.journal import gather
from hrmgym.experiments.evaluate.rollouts import Player
from hrmgym.policies import Policy, make_policy
from hrmgym.policies.base import Spaces
from hrmgym.policies.baselines import NoopPolicy, RandomPolicy, ReferencePolicy
from hrmgym.policies.config import NoopConfig, RandomConfig, ReferenceConfig
from hrmgym.tests.tiny import Tiny, calls


@pytest.fixture
def env() -> Iterator[SoftwareEnv]:
    """The tiny benchmark."""
    made = SoftwareEnv(Tiny())
    yield made
    made.close()


def test_policies_by_config(env: SoftwareEnv) -> None:
    for config, kind in (
        (RandomConfig(kind="random"), RandomPolicy),
        (ReferenceConfig(kind="reference"), ReferencePolicy),
        (NoopConfig(kind="noop"), NoopPolicy),
    ):
        policy = make_policy(config, env)
        assert isinstance(policy, kind)
        assert isinstance(policy, Policy)


def test_random_actions_are_legal_and_of_every_kind(env: SoftwareEnv) -> None:
    policy = RandomPolicy(Spaces.of(env), 0)
    tools, refused = set(), []
    for seed in range(40):
        observation, _ = env.reset(seed=seed)
        over = False
        while not over:
            action, _ = policy.act(observation)
            assert env.action_space.contains(action)
            tools.add(TOOLS[action[0]])
            observation, _, terminated, truncated, info = env.step(action)
            refused.append(info["refused"])
            over = terminated or truncated
    assert tools == {"edit", "undo", "submit"}
    # What only the decoded text can tell: half a character, or the same text again.
    assert all("UTF-8" in why or "changes nothing" in why for why in refused if why)
    assert np.mean([bool(why) for why in refused]) < 0.2


def test_random_actions_are_seeded(env: SoftwareEnv) -> None:
    observation, _ = env.reset(seed=0)

    def drawn(seed: int) -> list[bytes]:
        policy = RandomPolicy(Spaces.of(env), seed)
        return [policy.act(observation)[0].tobytes() for _ in range(8)]

    assert drawn(1) == drawn(1) != drawn(2)
    policy = RandomPolicy(Spaces.of(env), 5)
    policy.seed(1)
    assert policy.act(observation)[0].tobytes() == drawn(1)[0]


def test_the_reference_follows_the_environment_it_is_given(env: SoftwareEnv) -> None:
    policy = ReferencePolicy(Spaces.of(env))
    observation, _ = env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"call begin\(env\)"):
        policy.act(observation)
    policy.begin(env)
    other = SoftwareEnv(Tiny(), task="clamp")
    policy.begin(other)
    observation, _ = other.reset(seed=0)
    over = False
    while not over:
        observation, _, terminated, truncated, info = other.step(policy.act(observation)[0])
        over = terminated or truncated
    other.close()
    assert info["is_success"]


MANY = "".join(f"def f{i}(x):\n    y = x + {i}\n    return y\n\n\n" for i in range(12))
#: Task -> files, editable paths and reference; one test is visible, all others are hidden.
HARD: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "hunks": (  # the visible test passes as it is, and a rewrite has twelve hunks
        {"a.py": MANY.replace("x + ", "x - ").replace("x - 0", "x + 0")},
        {"a.py": MANY},
    ),
    "files": (
        {"a.py": "from b import *\n", "b.py": MANY.replace("x + ", "x - "), "c/d.py": ""},
        {"a.py": "from c.d import *\n", "b.py": "", "c/d.py": MANY},
    ),
    "made": ({"a.py": "f0 = abs\n"}, {"a.py": "from new.part import *\n", "new/part.py": MANY}),
    "none": ({"a.py": "f0 = f11 = abs\n"}, {}),
}


class Hard(Benchmark):
    """References that no small budget reaches by edits."""

    name = "hard"
    version = "1"
    splits = ("test",)

    def tasks(self, split: str) -> list[Task]:
        """One for each entry of `HARD`."""
        self.check_split(split)
        return [
            Task(
                id=name,
                benchmark=self.name,
                language="python",
                split=split,
                prompt="Repair it.",
                workspace=Workspace(files=files),
                editable=tuple(sorted({"a.py", *files, *reference})),
                visible_tests=calls("a.py", "f0", ((1,), 1)),
                hidden_tests=calls("a.py", "f11", ((1,), 12)),
                reference=reference,
                source="here",
            )
            for name, (files, reference) in HARD.items()
        ]


@pytest.mark.parametrize("task", HARD)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_steps": 1},
        {"max_steps": 1, "interface": "shell"},
        {"max_steps": 2, "max_test_runs": 1, "auto_submit": False},
        {"max_steps": 3, "keep_edits": "if_better"},
        {"max_steps": 1, "auto_test": False},
        {"max_steps": 64, "interface": "shell", "max_test_runs": 1},
    ],
    ids=str,
)
def test_the_reference_is_the_upper_bound_whatever_the_budget(
    task: str, options: dict[str, Any]
) -> None:
    env = SoftwareEnv(Hard(), task=task, **options)
    policy = ReferencePolicy(Spaces.of(env))
    policy.begin(env)
    try:
        observation, _ = env.reset(seed=0)
        over = False
        while not over:
            action, _ = policy.act(observation)
            assert env.action_space.contains(action)
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        assert info["is_success"] == (task != "none"), info
        assert terminated
        for path, text in HARD[task][1].items():
            assert env.state.files[path] == text
    finally:
        env.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_score_of_the_reference_is_the_upper_bound(workers: int) -> None:
    make = partial(SoftwareEnv, Hard(), max_steps=1)
    player = Player(make, ReferencePolicy, seed=0, episodes=2, deterministic=True)
    items = [(task.id, (task.id, task.tags)) for task in Hard().tasks("test")]
    played = gather(player, items, workers)
    assert {one.task: one.solved for one in played} == {
        "hunks": 2,
        "files": 2,
        "made": 2,
        "none": 0,
    }


def test_noop_submits(env: SoftwareEnv) -> None:
    observation, _ = env.reset(seed=0)
    action, _ = NoopPolicy(Spaces.of(env)).act(observation)
    assert action[0] == tool_number("submit")
    _, _, terminated, _, info = env.step(action)
    assert terminated
    assert not info["is_success"]


def test_noop_and_reference_act_in_the_shell_and_random_does_not() -> None:
    shell = SoftwareEnv(Tiny(), interface="shell")
    assert NoopPolicy(Spaces.of(shell)).act("")[0] == "submit"  # type: ignore[arg-type]
    shell.reset(seed=0)
    reference = ReferencePolicy(Spaces.of(shell))
    reference.begin(shell)
    assert reference.act("")[0] == "submit"  # type: ignore[arg-type]
    assert dict(shell.state.files) == dict(shell.task.reference)
    with pytest.raises(ConfigError, match="edit interface only"):
        RandomPolicy(Spaces.of(shell))
    shell.close()


def test_other_environments_are_refused() -> None:
    with pytest.raises(ConfigError, match="acts in a SoftwareEnv"):
        NoopPolicy(Spaces.of(gymnasium.make("CartPole-v1")))
