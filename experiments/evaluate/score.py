"""Scoring an experiment's policy on its benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrmgym.envs.benchmark import Benchmark, find_task, make_benchmark
from hrmgym.envs.outcome_file import OutcomeFile
from hrmgym.envs.sandboxes.verdicts.trial import task_apart
from hrmgym.envs.scoring import Estimate
from hrmgym.envs.task import Task
from hrmgym.errors import ConfigError
from hrmgym.experiments.evaluate.journal import Journal, OnTask, gather
from hrmgym.experiments.evaluate.proposals import (
    fix_benchmark,
    held_out_fixes,
    score_fix,
    score_task,
)
from hrmgym.experiments.evaluate.records import TaskRecord
from hrmgym.experiments.evaluate.report import Report
from hrmgym.experiments.evaluate.rollouts import Env, EnvFactory, Player, PolicyFactory
from hrmgym.experiments.schema import Experiment
from hrmgym.policies.base import Proposer, Spaces
from hrmgym.policies.config import HRMPolicyConfig, NgramConfig, RankedConfig, SearchConfig
from hrmgym.policies.lexeme_model import file_hash
from hrmgym.policies.ranked import make_ranked_policy
from hrmgym.search.controller import SWESearchController
from hrmgym.search.settings import TreeSettings
from hrmgym.search.tries import AnyProposer

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv
    from hrmgym.policies.base import Policy


def score(
    experiment: Experiment,
    *,
    env_factory: EnvFactory | None = None,
    policy_factory: PolicyFactory | None = None,
    on_task: OnTask | None = None,
    journal: Path | None = None,
) -> Report:
    """Scores an experiment's policy on its benchmark, in the mode that it names.

    Ctrl-C ends it early: the report then holds the tasks that were attempted to the end, and its
    `complete` is False.

    Args:
        experiment: What to score, and how.
        env_factory: Makes the environment of an episode; by default the experiment's.
        policy_factory: Makes the policy of an episode for an environment's spaces; by default the
            experiment's. If the policy has a method `seed(seed)`, everything random that it does
            must follow from the last call of that. One that `knows_solutions`, a bound and no
            competitor, has its `begin(env)` called after each reset; no other one sees more than
            observations.
        on_task: Called with each task as it is done.
        journal: File that each record is appended to as it lands. If it is there, the scoring goes
            on from it.

    Raises:
        UserError: The benchmark, the tasks, the policy or the sandbox cannot be had, or the journal
            is not one of this scoring.
        OSError: The journal cannot be written.
    """
    policy, checkpoint = _described(experiment)
    benchmark: Benchmark | None = None
    tasks: Sequence[Task] = ()
    if experiment.score.mode == "edits":
        fixes = held_out_fixes(experiment)
        named = fix_benchmark(experiment, fixes)
        items: list[tuple[str, Any]] = [(fix.name, fix) for fix in fixes]
    else:
        benchmark = make_benchmark(experiment.benchmark.name, experiment.benchmark.path)
        tasks = select_tasks(benchmark, experiment)
        named = {
            "name": benchmark.name,
            "version": benchmark.version,
            "split": experiment.benchmark.eval_split,
            "tasks": len(tasks),
        }
        items = [(task.id, (task.id, task.tags)) for task in tasks]
    worker: Any = _Proposing(experiment)
    if experiment.score.mode == "episodes":
        worker = Player(
            env_factory or partial(make_env, experiment),
            policy_factory or partial(_make_policy, experiment),
            experiment.seed,
            experiment.score.episodes,
            experiment.score.deterministic,
            experiment.score.correct,
        )
    modes = modes_of(tasks, experiment) if tasks else {}
    hashes = {
        "checkpoint": checkpoint,
        "experiment": _digest(_told(same_results(experiment))),
        "tasks": _digest("\n".join(name for name, _ in items)),
    }
    landed = None
    if journal is not None:
        about = {"benchmark": named, **hashes}
        landed = Journal(journal, about, [name for name, _ in items])
    records = gather(worker, items, experiment.score.workers, on_task, landed)
    environment = experiment.env.model_dump(mode="json")
    if environment["max_test_runs"] is None:
        environment["max_test_runs"] = environment["max_steps"]
    return Report(
        mode=experiment.score.mode,
        benchmark=named,
        policy=policy,
        environment=environment,
        # Reports are published; a token is not.
        sandbox=experiment.sandbox.model_dump(mode="json", exclude={"auth_token"}),
        budget=_budget(experiment, environment),
        hashes=hashes,
        seed=experiment.seed,
        k=experiment.score.k,
        deterministic=experiment.score.deterministic,
        confidence=experiment.score.confidence,
        interval=experiment.score.interval,
        correct=experiment.score.correct,
        shared_outcomes=experiment.score.outcomes is not None,
        records=tuple(records),
        official=_official(benchmark, records, experiment.score.confidence),
        modes=modes,
        visible_tests={task.id: len(task.visible_tests.test_ids) for task in tasks},
    )


def _budget(experiment: Experiment, environment: Mapping[str, Any]) -> dict[str, Any]:
    """What a task may cost."""
    most = max(experiment.score.k)
    if experiment.score.mode == "edits":
        return {"attempts": 1, "proposals": most}
    if experiment.score.mode == "proposals":
        return {"attempts": experiment.score.seeds, "test_runs": most}
    limits = {name: environment[f"max_{name}"] for name in ("steps", "test_runs", "seconds")}
    return {"attempts": experiment.score.episodes, **limits}


def _official(
    benchmark: Benchmark | None, records: Sequence[TaskRecord], confidence: float
) -> tuple[str, Estimate] | None:
    """The benchmark's own metric; held-out fixes have none but the shares that every report has."""
    if benchmark is None:
        return None
    judged = [[one.solved for one in record.judged] for record in records if record.judged]
    found = benchmark.summarise(judged, confidence)
    return None if found is None else (benchmark.metric, found)


class _Proposing:
    """The `Worker` of scores of proposals: an item is a task's id and tags, or a `Fix`."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self._made: tuple[SoftwareEnv, AnyProposer] | None = None
        self._outcomes: OutcomeFile | None = None

    def open(self) -> None:
        """Makes the environment and the policy, if there are none."""
        if self._outcomes is None:
            self._outcomes = outcome_file(self.experiment)
        if self._made is None:
            env = make_env(self.experiment)
            self._made = env, make_proposer(self.experiment, env)

    def play(self, item: Any, stop: Callable[[], bool]) -> TaskRecord | None:
        """Scores one item; None if `stop` came true before the end."""
        assert self._made is not None
        env, policy = self._made
        ks, seed = self.experiment.score.k, self.experiment.seed
        if self.experiment.score.mode == "edits":
            assert isinstance(policy, Proposer), "the schema has looked"
            return score_fix(item, policy, env, ks, seed)
        task, tags = item
        seeds = range(seed, seed + self.experiment.score.seeds)
        options: Any = {"correct": self.experiment.score.correct, "outcomes": self._outcomes}
        return score_task(task, tags, policy, env, ks, seeds, stop, **options)

    def close(self) -> None:
        """Gives the sandbox back."""
        if self._outcomes is not None:
            self._outcomes.close()
            self._outcomes = None
        if self._made is not None:
            self._made[0].close()
            self._made = None


def outcome_file(experiment: Experiment) -> OutcomeFile | None:
    """The file of outcomes that an experiment shares with others, if it names one.

    Raises:
        DataError: it cannot be had.
    """
    path = experiment.score.outcomes
    return None if path is None else OutcomeFile(Path(path))


def same_results(experiment: Experiment) -> Experiment:
    """The experiment without what changes no result, for comparison with another."""
    score = experiment.score.model_copy(update={"workers": 1, "outcomes": None})
    return experiment.model_copy(update={"score": score, "trainer": None, "name": "same"})


def _told(experiment: Experiment) -> str:
    return experiment.model_dump_json(exclude={"sandbox": {"auth_token"}})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def policy_hash(experiment: Experiment) -> str | None:
    """Hash of the weights that an experiment's policy starts from; None where it has none."""
    policy = experiment.policy
    if isinstance(policy, HRMPolicyConfig | RankedConfig) and policy.checkpoint is not None:
        from hrmgym.hrm.checkpoint import checkpoint_hash  # imports torch

        return checkpoint_hash(policy.checkpoint)
    if isinstance(policy, NgramConfig) and policy.file is not None:
        return file_hash(policy.file)
    return None


def _described(experiment: Experiment) -> tuple[dict[str, Any], str | None]:
    """The policy as a report shows it, and the hash of its checkpoint."""
    policy = experiment.policy.model_dump(mode="json", exclude={"checkpoint", "file"})
    if isinstance(experiment.policy, HRMPolicyConfig) and experiment.policy.checkpoint is not None:
        from hrmgym.policies.hrm import checkpoint_options  # imports torch

        policy |= checkpoint_options(experiment.policy)
    return policy, policy_hash(experiment)


def make_proposer(experiment: Experiment, env: Env) -> AnyProposer:
    """The experiment's policy, which must make proposals, or try legal edits.

    Raises:
        ConfigError: it makes none.
        UserError: it cannot be had.
    """
    if isinstance(experiment.policy, RankedConfig):
        device = _device(experiment) if experiment.policy.checkpoint is not None else "cpu"
        ranked = make_ranked_policy(experiment.policy, Spaces.of(env), experiment.seed, device)
        if not isinstance(experiment.policy, SearchConfig):
            return ranked
        settings = TreeSettings(rule=experiment.policy.rule, transpositions=False)
        return SWESearchController(ranked, settings, experiment.policy.most_edits)
    policy = _make_policy(experiment, env)
    if not isinstance(policy, Proposer):
        raise ConfigError(
            f"policy {experiment.policy.kind!r} makes no proposals, which score.mode: "
            f"{experiment.score.mode} asks for; use hrm, ngram, random or ranked"
        )
    return policy


def check(experiment: Experiment) -> None:
    """Makes everything that the experiment names once, so that a mistake leaves nothing behind.

    Raises:
        UserError: The benchmark, its tasks or splits, the environment or the policy cannot be had.
    """
    config = experiment.benchmark
    if experiment.score.mode == "edits":
        held_out_fixes(experiment)
    else:
        benchmark = make_benchmark(config.name, config.path)
        select_tasks(benchmark, experiment)
    if experiment.trainer is not None:
        benchmark.check_split(config.train_split)
        if experiment.trainer.evaluates:
            benchmark.check_split(config.valid_split)
    if (outcomes := outcome_file(experiment)) is not None:
        outcomes.close()
    env = make_env(experiment)
    try:
        episodes = experiment.score.mode == "episodes"
        policy = _make_policy(experiment, env) if episodes else make_proposer(experiment, env)
        if experiment.trainer is not None:
            experiment.trainer.check(policy.model)  # type: ignore[union-attr]
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


def make_env(experiment: Experiment, render_mode: str | None = None) -> SoftwareEnv:
    """The environment that an experiment scores in."""
    from hrmgym.envs.software import SoftwareEnv

    if experiment.score.mode == "edits":  # an environment for its spaces alone
        kwargs = experiment.env_kwargs("test") | {"benchmark": "katas", "benchmark_path": None}
    else:
        kwargs = experiment.env_kwargs(experiment.benchmark.eval_split)
    return SoftwareEnv(**kwargs, render_mode=render_mode)


def _make_policy(experiment: Experiment, env: Env | Spaces) -> Policy:
    from hrmgym.policies import make_policy  # imports torch only for policies that need it

    config = experiment.policy
    if isinstance(config, NgramConfig):
        from hrmgym.trainers.ngram import with_file

        config = with_file(config)
    policy = make_policy(config, env, experiment.seed)
    if isinstance(experiment.policy, HRMPolicyConfig):
        from hrmgym.policies.hrm import HRMPolicy

        assert isinstance(policy, HRMPolicy)
        policy.to(_device(experiment))
    return policy


def _device(experiment: Experiment) -> str:
    """Where the network runs."""
    from hrmgym.trainers.job import pick_device

    return pick_device(experiment.device)
