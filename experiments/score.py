"""Scoring an experiment's policy on its benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hrmgym.envs.benchmark import Benchmark, find_task, make_benchmark
from hrmgym.envs.sandboxes.verdicts.trial import task_apart
from hrmgym.envs.scoring import Report
from hrmgym.envs.task import Task
from hrmgym.errors import ConfigError
from hrmgym.experiments.play import (
    Env,
    EnvFactory,
    OnTask,
    Player,
    PolicyFactory,
    one_thread,
    play,
)
from hrmgym.experiments.proposals import (
    ItemScore,
    ProposalReport,
    fix_benchmark,
    held_out_fixes,
    score_fixes,
    score_tasks,
)
from hrmgym.experiments.schema import Experiment
from hrmgym.policies.config import HRMConfig
from hrmgym.trainers.config import PPOConfig

if TYPE_CHECKING:
    from hrmgym.policies.base import Policy, Proposer


def score(
    experiment: Experiment,
    *,
    env_factory: EnvFactory | None = None,
    policy_factory: PolicyFactory | None = None,
    on_task: OnTask | None = None,
) -> Report:
    """Plays and scores an experiment's policy on the benchmark's `eval_split`.

    Ctrl-C ends it early: the report then holds the tasks that were played to the end, and its
    `complete` is False.

    Args:
        experiment: What to play, and how.
        env_factory: Makes the environment; by default the experiment's.
        policy_factory: Makes the policy for an environment; by default the experiment's. If the
            policy has a method `begin(env)`, it is called after each reset; if it has a method
            `seed(seed)`, everything random that it does must follow from the last call of that.
        on_task: Called with each task as it is done.

    Raises:
        UserError: The benchmark, the tasks, the policy or the sandbox cannot be had.
    """
    benchmark = make_benchmark(experiment.benchmark.name, experiment.benchmark.path)
    tasks = select_tasks(benchmark, experiment)
    policy, checkpoint = _described(experiment)
    player = Player(
        env_factory or partial(make_env, experiment),
        policy_factory or partial(_make_policy, experiment),
        experiment.seed,
        experiment.score.episodes,
        experiment.score.deterministic,
    )
    played = play(player, tasks, experiment.score.workers, on_task)
    environment = experiment.env.model_dump(mode="json")
    if environment["max_test_runs"] is None:
        environment["max_test_runs"] = environment["max_steps"]
    return Report(
        benchmark=benchmark.name,
        version=benchmark.version,
        split=experiment.benchmark.eval_split,
        policy=policy,
        checkpoint=checkpoint,
        environment=environment,
        # Reports are published; a token is not.
        sandbox=experiment.sandbox.model_dump(mode="json", exclude={"auth_token"}),
        seed=experiment.seed,
        episodes=experiment.score.episodes,
        k=experiment.score.k,
        deterministic=experiment.score.deterministic,
        confidence=experiment.score.confidence,
        interval=experiment.score.interval,
        planned=len(tasks),
        tasks=tuple(played),
        modes=modes_of(tasks, experiment),
    )


def score_any(experiment: Experiment, on_task: OnTask | None = None) -> Report | ProposalReport:
    """Scores an experiment's policy in the mode that it names."""
    if experiment.score.mode == "episodes":
        return score(experiment, on_task=on_task)
    return score_proposals(experiment, on_task)


def score_proposals(experiment: Experiment, on_task: OnTask | None = None) -> ProposalReport:
    """Scores what an experiment's policy proposes, in the modes `proposals` and `fixes`.

    Ctrl-C ends it early, as with `score`.

    Raises:
        UserError: The benchmark, the tasks, the policy or the sandbox cannot be had.
    """
    from hrmgym.envs.software import SoftwareEnv

    mode, ks = experiment.score.mode, experiment.score.k
    described, checkpoint = _described(experiment)
    env = make_env(experiment)
    items: list[ItemScore] = []
    modes: dict[str, tuple[str, str]] = {}
    try:
        policy = make_proposer(experiment, env)
        software = env.unwrapped
        assert isinstance(software, SoftwareEnv)
        if mode == "fixes":
            fixes = held_out_fixes(experiment)
            benchmark = fix_benchmark(experiment, fixes)
            found = score_fixes(fixes, policy, software, ks)
        else:
            chosen = make_benchmark(experiment.benchmark.name, experiment.benchmark.path)
            tasks = select_tasks(chosen, experiment)
            modes = modes_of(tasks, experiment)
            benchmark = {
                "name": chosen.name,
                "version": chosen.version,
                "split": experiment.benchmark.eval_split,
                "tasks": len(tasks),
            }
            found = score_tasks(tasks, policy, software, ks, experiment.seed)
        with one_thread():
            for item in found:
                items.append(item)
                if on_task is not None:
                    on_task(item, benchmark["tasks"])
    except KeyboardInterrupt:
        if not items:
            raise
    finally:
        env.close()
    return ProposalReport(
        mode=mode,
        benchmark=benchmark,
        experiment=experiment,
        policy=described,
        checkpoint=checkpoint,
        budget=max(ks),
        items=tuple(items),
        modes=modes,
    )


def policy_hash(experiment: Experiment) -> str | None:
    """Hash of the weights that an experiment's policy starts from; None where it has none."""
    if not isinstance(experiment.policy, HRMConfig) or experiment.policy.checkpoint is None:
        return None
    from hrmgym.hrm.checkpoint import checkpoint_hash  # imports torch

    return checkpoint_hash(experiment.policy.checkpoint)


def _described(experiment: Experiment) -> tuple[dict[str, Any], str | None]:
    """The policy as a report shows it, and the hash of its checkpoint."""
    policy = experiment.policy.model_dump(mode="json", exclude={"checkpoint"})
    if not isinstance(experiment.policy, HRMConfig) or experiment.policy.checkpoint is None:
        return policy, None
    from hrmgym.policies.hrm import checkpoint_options  # imports torch

    return policy | checkpoint_options(experiment.policy), policy_hash(experiment)


def make_proposer(experiment: Experiment, env: Env) -> Proposer:
    """The experiment's policy, which must make proposals.

    Raises:
        ConfigError: it makes none.
        UserError: it cannot be had.
    """
    from hrmgym.policies.base import Proposer

    policy = _make_policy(experiment, env)
    if not isinstance(policy, Proposer):
        raise ConfigError(
            f"policy {experiment.policy.kind!r} makes no proposals, which score.mode: "
            f"{experiment.score.mode} asks for; use hrm, ngram or random"
        )
    return policy


def check(experiment: Experiment) -> None:
    """Makes everything that the experiment names once, so that a mistake leaves nothing behind.

    Raises:
        UserError: The benchmark, its tasks or splits, the environment or the policy cannot be had.
    """
    config = experiment.benchmark
    if experiment.score.mode == "fixes":
        held_out_fixes(experiment)
    else:
        benchmark = make_benchmark(config.name, config.path)
        select_tasks(benchmark, experiment)
    if experiment.trainer is not None:
        benchmark.check_split(config.train_split)
        if isinstance(experiment.trainer, PPOConfig) and experiment.trainer.eval_every is not None:
            benchmark.check_split(config.valid_split)
    env = make_env(experiment)
    try:
        if experiment.score.mode == "episodes":
            _make_policy(experiment, env)
        else:
            make_proposer(experiment, env)
    finally:
        env.close()


def modes_of(tasks: Sequence[Task], experiment: Experiment) -> dict[str, tuple[str, str]]:
    """Task -> how its tests run in the experiment's sandbox, and why so."""
    from hrmgym.envs.sandboxes.pool import acquire, release  # imports SWE-ReX

    pool = acquire(experiment.sandbox)
    try:
        return {task.id: task_apart(task, pool) for task in tasks}
    finally:
        release(pool)


def select_tasks(benchmark: Benchmark, experiment: Experiment) -> Sequence[Task]:
    """The tasks to score: those that the experiment names, else its whole `eval_split`."""
    split = benchmark.check_split(experiment.benchmark.eval_split)
    if experiment.benchmark.tasks is None:
        return benchmark.tasks(split)
    return [find_task(benchmark, task, [split]) for task in experiment.benchmark.tasks]


def make_env(experiment: Experiment, render_mode: str | None = None) -> Env:
    """The environment that an experiment scores in."""
    from hrmgym.envs.software import SoftwareEnv

    if experiment.score.mode == "fixes":  # an environment for its spaces alone
        kwargs = experiment.env_kwargs("test") | {"benchmark": "katas", "benchmark_path": None}
    else:
        kwargs = experiment.env_kwargs(experiment.benchmark.eval_split)
    return SoftwareEnv(**kwargs, render_mode=render_mode)


def _make_policy(experiment: Experiment, env: Env) -> Policy:
    from hrmgym.policies import make_policy  # imports torch only for policies that need it

    policy = make_policy(experiment.policy, env, experiment.seed)
    if isinstance(experiment.policy, HRMConfig):
        from hrmgym.policies.hrm import HRMPolicy
        from hrmgym.trainers.job import pick_device

        assert isinstance(policy, HRMPolicy)
        policy.to(pick_device(experiment.device))
    return policy
