"""Watching a policy repair programs: each repair as a diff, with what the tests say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hrmgym.envs.benchmark import make_benchmark
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError, SandboxError, SandboxUnavailableError
from hrmgym.experiments.proposals import passed, tries
from hrmgym.experiments.schema import Experiment
from hrmgym.experiments.score import make_env, make_proposer, select_tasks
from hrmgym.search.stages import TestRuns, Try
from hrmgym.trainers.threads import compute_threads


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
    env = make_env(experiment, render_mode="ansi")
    try:
        policy = make_proposer(experiment, env)
        software = env.unwrapped
        assert isinstance(software, SoftwareEnv)
        most = max(experiment.score.k)
        for task in tasks:
            started = time.perf_counter()
            found: Try[dict[str, Any]] | None = None
            failure, runs = "", TestRuns()
            try:
                with compute_threads(1):
                    for one in tries(policy, software, task.id, most, experiment.seed):
                        runs.add(one)
                        if passed(one.result):
                            found = one
                            break
            except SandboxUnavailableError:
                raise
            except SandboxError as error:
                found, failure = None, error.code
                with suppress(SandboxError):  # the next task starts a new sandbox
                    env.close()
            seconds = time.perf_counter() - started
            if found is None:
                yield Repair(task.id, None, False, "", seconds, failure, runs)
            else:
                solved, shown = bool(found.result["is_success"]), str(software.render())
                yield Repair(task.id, found.number, solved, shown, seconds, runs=runs)
    finally:
        env.close()
