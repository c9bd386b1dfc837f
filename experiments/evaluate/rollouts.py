"""Playing tasks with a policy: the `Worker` of scores by episodes.

Every episode has its own seed, made from the experiment's seed, the task's id and the number of
the episode; so what comes out depends neither on the number of processes nor on which other tasks
are played.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gymnasium

from hrmgym.envs.failures import REPEATS
from hrmgym.envs.task import Reason
from hrmgym.errors import SandboxError, SandboxUnavailableError
from hrmgym.experiments.evaluate.correct import UNASKED, UNSOLVED, Correctness, judge_state
from hrmgym.experiments.evaluate.records import Attempt, TaskRecord
from hrmgym.policies.base import KnowsSolutions, Spaces

if TYPE_CHECKING:
    from hrmgym.policies.base import Policy

Env = gymnasium.Env[Any, Any]
#: Both are pickled where there are several workers, so they are functions of a module, or
#: `functools.partial` of such.
EnvFactory = Callable[[], Env]
PolicyFactory = Callable[[Spaces], "Policy"]

_log = logging.getLogger(__name__)


def episode_seeds(seed: int, task: str, episode: int) -> tuple[int, int]:
    """Seeds of one episode's environment and of its policy, each in [0, 2**31).

    They differ, or a policy could draw the very numbers that the environment drew.
    """
    digest = hashlib.sha256(f"{seed}\0{task}\0{episode}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1, int.from_bytes(digest[4:8], "big") >> 1


class Player:
    """Plays tasks; made once in each process, and picklable until it has played."""

    def __init__(
        self,
        env_factory: EnvFactory,
        policy_factory: PolicyFactory,
        seed: int,
        episodes: int,
        deterministic: bool,
        correct: bool = False,
    ) -> None:
        self.env_factory = env_factory
        self.policy_factory = policy_factory
        self.seed = seed
        self.episodes = episodes
        self.deterministic = deterministic
        self.correct = correct
        self._pair: tuple[Env, Policy] | None = None

    def open(self) -> None:
        """Makes the environment and the policy, if there are none."""
        if self._pair is None:
            env = self.env_factory()
            self._pair = env, self.policy_factory(Spaces.of(env))

    def play(
        self, item: tuple[str, tuple[str, ...]], stop: Callable[[], bool]
    ) -> TaskRecord | None:
        """All episodes of one task, given as its id and tags; None if `stop` came true before the
        end."""
        task, tags = item
        started = time.perf_counter()
        episodes: list[Attempt] = []
        for number in range(self.episodes):
            seeds = episode_seeds(self.seed, task, number)
            episode = self._episode(task, seeds, stop)
            for _ in range(REPEATS):
                if episode is not None and episode.failure:
                    episode = self._episode(task, seeds, stop)
            if episode is None:
                return None
            episodes.append(episode)
        return TaskRecord(
            task=task,
            tags=tags,
            attempts=tuple(episodes),
            seconds=time.perf_counter() - started,
        )

    def _episode(
        self, task: str, seeds: tuple[int, int], stop: Callable[[], bool]
    ) -> Attempt | None:
        assert self._pair is not None
        env, policy = self._pair
        info: dict[str, Any] = {"steps": 0, "test_runs": 0, "tests_passed": 0, "is_success": False}
        total, failure = 0.0, ""
        judged = UNSOLVED if self.correct else UNASKED
        try:
            observation, info = env.reset(seed=seeds[0], options={"task": task})
            env.action_space.seed(seeds[1])
            if hasattr(policy, "seed"):
                policy.seed(seeds[1])
            if isinstance(policy, KnowsSolutions):
                policy.begin(env)
            state, over = None, bool(info.get("failure"))
            while not over:
                if stop():
                    return None
                action, state = policy.act(
                    observation, state=state, deterministic=self.deterministic
                )
                observation, reward, terminated, truncated, info = env.step(action)
                total += float(reward)
                over = terminated or truncated
            failure = str(info.get("failure", ""))
            if self.correct and info["is_success"]:
                judged = _judged(env.unwrapped)
        except SandboxUnavailableError:
            raise
        except SandboxError as broken:
            _log.warning("task %s: %s", task, broken)
            failure = broken.code
        if failure:
            with suppress(SandboxError):  # the next episode starts a new sandbox
                env.close()
        solved = bool(info["is_success"]) and not failure
        runs, passed = int(info["test_runs"]), float(info["tests_passed"])
        return Attempt(
            solved=solved,
            plausible=solved or passed == 1.0,
            test_runs=runs,
            solved_after=runs if solved else None,
            reason=_reason(solved, failure, str(info.get("reason", ""))),
            failure=failure,
            correct=None if failure else judged.equal,
            numbers={
                "steps": int(info["steps"]),
                "tests_passed": passed,
                "reward": total,
                **judged.numbers(),
            },
        )

    def close(self) -> None:
        """Gives the sandbox back."""
        if self._pair is not None:
            self._pair[0].close()
            self._pair = None


def _judged(env: Env) -> Correctness:
    """What is known of an episode's solution; environments of other kinds cannot be asked."""
    from hrmgym.envs.software import SoftwareEnv  # imports SWE-ReX

    return judge_state(env, env.state) if isinstance(env, SoftwareEnv) else UNASKED


def _reason(solved: bool, failure: str, said: str) -> str:
    """How an episode ended; an environment that gives no reasons has solved it, or failed."""
    if failure:
        return Reason.INFRASTRUCTURE.value
    return Reason.SOLVED.value if solved else said or Reason.FAILED.value
