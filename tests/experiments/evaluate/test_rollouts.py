"""Playing tasks: seeds, hooks, broken sandboxes, Ctrl-C; with an environment that is all memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest

from hrmgym.envs.failures import REPEATS
from hrmgym.envs.task import CommandTests, Task, Workspace
from hrmgym.errors import SandboxError, SandboxUnavailableError
from hrmgym.experiments.evaluate.journal import OnTask, gather
from hrmgym.experiments.evaluate.records import TaskRecord
from hrmgym.experiments.evaluate.rollouts import Player, episode_seeds
from hrmgym.policies.base import Spaces


def task(name: str) -> Task:
    tests = CommandTests(command=("true",))
    return Task(
        id=name,
        benchmark="toy",
        language="python",
        split="test",
        prompt="",
        workspace=Workspace(files={}),
        editable=(),
        visible_tests=tests,
        hidden_tests=tests,
        tags=("toy",),
    )


class GuessEnv(gymnasium.Env[np.ndarray, int]):
    """Guess a number below four that follows from the seed, in three tries."""

    action_space = gymnasium.spaces.Discrete(4)
    observation_space = gymnasium.spaces.Box(0, 4, (1,))

    def __init__(self, breaks: Callable[[str, int], Exception | None] | None = None) -> None:
        self.breaks = breaks or (lambda task, step: None)
        self.closed = 0
        self.steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        assert options is not None
        self.task = options["task"]
        self.answer = int(self.np_random.integers(4))
        self.steps = 0
        return np.zeros(1), self.info(False)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        broken = self.breaks(self.task, self.steps)
        if broken is not None:
            raise broken
        solved = action == self.answer
        info = self.info(solved)
        return np.zeros(1), float(solved), solved, not solved and self.steps == 3, info

    def info(self, solved: bool) -> dict[str, Any]:
        return {
            "is_success": solved,
            "steps": self.steps,
            "test_runs": self.steps,
            "tests_passed": float(solved),
        }

    def close(self) -> None:
        self.closed += 1


class Guesser:
    """Draws from a generator of its own; notes how it is called."""

    knows_solutions = True

    def __init__(self, spaces: Spaces) -> None:
        self.calls: list[Any] = []

    def seed(self, seed: int) -> None:
        self.calls.append("seed")
        self.rng = np.random.default_rng(seed)

    def begin(self, env: gymnasium.Env[Any, Any]) -> None:
        self.calls.append("begin")
        assert isinstance(env, GuessEnv)

    def act(
        self, observation: Any, *, state: Any = None, deterministic: bool = False
    ) -> tuple[int, Any]:
        self.calls.append((state, deterministic))
        return int(self.rng.integers(4)), (state or 0) + 1


class Oracle:
    """Knows the answer; has one hook."""

    knows_solutions = True

    def __init__(self, spaces: Spaces) -> None:
        pass

    def begin(self, env: gymnasium.Env[Any, Any]) -> None:
        assert isinstance(env, GuessEnv)
        self.env = env

    def act(
        self, observation: Any, *, state: Any = None, deterministic: bool = False
    ) -> tuple[int, Any]:
        return self.env.answer, None


def player(policy: Any = Guesser, env: Any = GuessEnv, episodes: int = 5) -> Player:
    return Player(env, policy, 0, episodes, deterministic=False)


TASKS = [task(name) for name in "abcd"]


def play(
    made: Player, tasks: Sequence[Task], workers: int, on_task: OnTask | None = None
) -> list[TaskRecord]:
    items = [(one.id, (one.id, one.tags)) for one in tasks]
    return gather(made, items, workers, on_task)


def test_scores_are_in_the_order_of_the_tasks_and_hold_every_episode() -> None:
    scores = play(player(Oracle), TASKS, workers=1)
    assert [score.task for score in scores] == ["a", "b", "c", "d"]
    assert [score.solved for score in scores] == [5] * 4
    assert scores[0].tags == ("toy",)
    (episode, *_) = scores[0].attempts
    assert (episode.test_runs, episode.solved_after, episode.plausible) == (1, 1, True)
    assert episode.numbers == {"steps": 1, "tests_passed": 1, "reward": 1}


def test_a_task_goes_the_same_way_whatever_else_is_played() -> None:
    together = play(player(), TASKS, workers=1)
    assert together == play(player(), TASKS, workers=1)
    alone = [play(player(), [one], workers=1)[0] for one in reversed(TASKS)]
    assert together == alone[::-1]
    outcomes = {e.numbers["steps"] for score in together for e in score.attempts}
    assert len(outcomes) > 1  # the episodes do differ


def test_seeds_differ_by_seed_task_and_episode_and_between_environment_and_policy() -> None:
    pairs = [episode_seeds(s, t, e) for s in range(3) for t in ("a", "b") for e in range(3)]
    assert len({seed for pair in pairs for seed in pair}) == 36
    assert all(0 <= seed < 2**31 for pair in pairs for seed in pair)
    assert episode_seeds(0, "a", 0)[0] == 1252016353  # published reports depend on it


def test_hooks_are_called_before_each_episode_and_the_state_is_handed_on() -> None:
    made: list[Guesser] = []

    def policy(env: GuessEnv) -> Guesser:
        made.append(Guesser(env))
        return made[-1]

    scores = play(player(policy, episodes=2), TASKS[:1], workers=1)
    steps = [int(episode.numbers["steps"] or 0) for episode in scores[0].attempts]
    expected: list[Any] = []
    for count in steps:
        expected += ["seed", "begin", (None, False), *((n, False) for n in range(1, count))]
    assert len(made) == 1
    assert made[0].calls == expected


def test_a_broken_sandbox_costs_its_episode_only(caplog: pytest.LogCaptureFixture) -> None:
    env = GuessEnv(lambda task, step: SandboxError("gone", "disk") if task == "b" else None)
    scores = play(player(Oracle, lambda: env, episodes=1), TASKS, workers=1)
    assert [score.solved for score in scores] == [1, 0, 1, 1]
    assert [score.attempts[0].failure for score in scores] == ["", "disk", "", ""]
    assert [score.attempts[0].reason for score in scores] == [
        *("solved", "infrastructure", "solved", "solved")
    ]
    assert env.closed == 2 + REPEATS  # each time to get a new sandbox, and at the end
    assert "task b: gone" in caplog.text


def test_a_sandbox_that_breaks_once_costs_nothing() -> None:
    broken = iter([SandboxError("gone", "disk")])
    env = GuessEnv(lambda task, step: next(broken, None) if task == "b" else None)
    scores = play(player(Oracle, lambda: env, episodes=1), TASKS, workers=1)
    assert [score.solved for score in scores] == [1, 1, 1, 1]
    assert [score.failures for score in scores] == [()] * 4


@pytest.mark.parametrize("error", [SandboxUnavailableError("no namespaces"), RuntimeError("bug")])
def test_other_errors_end_the_scoring_and_close_the_environment(error: Exception) -> None:
    env = GuessEnv(lambda task, step: error)
    with pytest.raises(type(error)):
        play(player(Oracle, lambda: env), TASKS, workers=1)
    assert env.closed == 1


def test_ctrl_c_keeps_the_tasks_that_are_done() -> None:
    def interrupt(task: str, step: int) -> Exception | None:
        if task == "c":
            raise KeyboardInterrupt
        return None

    env = GuessEnv(interrupt)
    seen: list[tuple[str, int]] = []

    def on_task(score: TaskRecord, total: int) -> None:
        seen.append((score.task, total))

    scores = play(player(Oracle, lambda: env), TASKS, 1, on_task)
    assert [score.task for score in scores] == ["a", "b"]
    assert seen == [("a", 4), ("b", 4)]
    assert env.closed == 1


def test_stopping_leaves_no_half_played_task() -> None:
    one = player()
    one.open()
    assert one.play(("a", ()), lambda: True) is None
