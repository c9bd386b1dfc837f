"""Watching a policy repair programs: each repair as a diff, with what the tests say."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hrmgym.envs.benchmark import make_benchmark
from hrmgym.envs.rendering import render
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.transitions import with_grade
from hrmgym.errors import ConfigError, SandboxError, SandboxUnavailableError
from hrmgym.experiments.evaluate.score import make_env, make_proposer, select_tasks
from hrmgym.experiments.schema import Experiment
from hrmgym.search.stages import TestRuns
from hrmgym.search.steps import passed
from hrmgym.search.tries import AnyProposer, tries
from hrmgym.trainers.threads import compute_threads

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of one task."""

    task: str
    proposal: int | None
    """Number of the first proposal that passes the visible tests; None: none did."""
    solved: bool
    """Whether the hidden tests pass too."""
    shown: str
    """The task and the change, rendered; empty without a repair."""
    seconds: float
    failure: str = ""
    """Why there is no verdict: a `hrmgym.envs.task.FailureCode`; empty where there is one."""
    runs: TestRuns = field(default_factory=TestRuns)
    """How many runs of the visible tests it took, and how many proposals have timed out."""


def within(found: Sequence[Repair], ks: Sequence[int]) -> dict[int, int]:
    """Number of test runs -> how many tasks were solved within so many."""
    return {k: sum(one.solved and one.runs.runs <= k for one in found) for k in ks}


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it has started, as far as they have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def repairs(experiment: Experiment) -> Iterator[Repair]:
    """Lets an experiment's policy repair its tasks, as `score.mode: proposals` scores it.

    Args:
        experiment: Its mode must be `proposals`; the largest of `score.k` is the most proposals
            that are run for a task.

    Raises:
        ConfigError: another mode, or a policy that makes no proposals.
        UserError: the benchmark, the tasks, the policy or the sandbox cannot be had.
    """
    if experiment.score.mode != "proposals":
        raise ConfigError(
            f"score.mode: {experiment.score.mode} makes no proposals to watch; use proposals"
        )
    config = experiment.benchmark
    tasks = select_tasks(make_benchmark(config.name, config.path), experiment)
    env = make_env(experiment)
    try:
        policy = make_proposer(experiment, env)
        software = env.unwrapped
        assert isinstance(software, SoftwareEnv)
        for task in tasks:
            with compute_threads(1):
                repair = _repair(policy, software, task.id, experiment)
            yield repair
    finally:
        env.close()


def _repair(policy: AnyProposer, env: SoftwareEnv, task: str, experiment: Experiment) -> Repair:
    started = time.perf_counter()
    number, solved, shown, failure, runs = None, False, "", "", TestRuns()
    try:
        for one in tries(policy, env, task, max(experiment.score.k), experiment.seed):
            runs.add(one)
            if passed(one.result):
                grade = env.grade(one.result)
                number, solved = one.number, grade.resolved
                verdict = "solved" if solved else "not solved"
                shown = render(with_grade(one.result, grade), verdict)
                break
    except SandboxUnavailableError:
        raise
    except SandboxError as error:
        failure = error.code
        with suppress(SandboxError):  # the next task starts a new sandbox
            env.close()
    seconds = time.perf_counter() - started
    return Repair(task, number, solved, shown, seconds, failure, runs)
