"""Supervised learning of canvas actions: pretraining, and warm starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import Logger

from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.software import SoftwareEnv
from hrmgym.hrm.edit_model import EditModel
from hrmgym.trainers.best import Best
from hrmgym.trainers.calibration import calibrate
from hrmgym.trainers.config import PretrainConfig
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.data.examples import benchmark_examples
from hrmgym.trainers.data.selector import Selector
from hrmgym.trainers.fixes import KS, Fix, rates, search_fixes
from hrmgym.trainers.job import Job, seed_everything
from hrmgym.trainers.learner import Learner
from hrmgym.trainers.repair_examples import NUMBER, log_examples, shown_fixes
from hrmgym.trainers.sources import (
    held_out_programs,
    made_fixes,
    real_fixes,
    training_stream,
)
from hrmgym.trainers.supervised_config import SupervisedConfig
from hrmgym.trainers.supervised_run import (
    LATEST,
    Run,
    keep,
    starting_network,
    telling,
    train_supervised,
    training_env,
)
from hrmgym.trainers.tags import LEARNING_METRICS

_EFFORT = 4  # prefixes per proposal: curves need no exact search


def train_pretrain(
    job: Job[PretrainConfig], *, resume: bool = False, only_finish: bool = False
) -> Path:
    """Pretrains, and returns the checkpoint folder.

    `checkpoints/pretrain.pt` holds the run, `checkpoints/running` the weights as they were last
    saved, `checkpoints/best` those with the best mean reciprocal rank on the held-out bugs; with
    `schedule: constant`, `checkpoints/latest` is made by the decay at the end. With `calibrate`,
    its scores of where edits start are those of `eval_split`'s best temperature, which is in the
    checkpoint's `extra`.

    Args:
        job: What, where and how.
        resume: Go on from the saved state, if there is one.
        only_finish: Do not go on: decay the rate from the saved state, and make `latest`. The run
            can still be resumed, even while this goes on.

    Raises:
        CheckpointError: a state is broken or of another model, or there is nothing to finish.
        ConfigError: the run's schedule has no finish.
    """
    seed_everything(job.seed)
    config = job.config.fitted(int(job.model["hidden_size"]))
    selector = Selector() if config.selector else None
    learner = Learner(starting_network(job), config, job.device, selector)

    def make_run(logger: Logger, name: str, phase: str) -> Run[Sample]:
        return supervised_run(job, config, learner, logger, name, phase)

    def calibrated(model: EditModel) -> dict[str, float]:
        samples = _held_out_tasks(job, learner)
        found = calibrate(model, samples, learner.device)
        return {"start_temperature": round(found, 3)} if samples else {}

    train_supervised(
        job, config, learner, make_run, LEARNING_METRICS, resume=resume, only_finish=only_finish
    )
    return keep(job, learner, LATEST, change=calibrated if config.calibrate else None)


def _held_out_tasks(job: Job[PretrainConfig], learner: Learner) -> list[Sample]:
    """First steps towards the known solutions of the tasks that training is watched on."""
    env = job.make_env(job.eval_split)
    try:
        base = env.unwrapped
        assert isinstance(base, SoftwareEnv)
        span = learner.model.config.max_span
        tasks = base.benchmark.tasks(job.eval_split)
        return benchmark_examples(base, tasks, seed=job.seed, max_span=span, per_program=0)
    finally:
        env.close()


def supervised_run(
    job: Job[Any],
    config: SupervisedConfig,
    learner: Learner,
    logger: Logger,
    name: str,
    phase: str,
) -> Run[Sample]:
    """What a job's configuration says to train on.

    Args:
        job: What, where and how.
        config: How, without nulls.
        learner: What learns.
        logger: Where its curves go.
        name: Of the state file.
        phase: What a progress bar calls it.

    Raises:
        ConfigError: the environment has another interface, or nothing to train on.
    """
    span = learner.model.config.max_span
    with training_env(job) as (env, interface):
        stream = training_stream(
            config,
            interface,
            seed=job.seed,
            max_span=span,
            env=env,
            split=job.train_split,
            selector=learner.selector,
        )
    most = config.held_out
    programs = held_out_programs(config.max_lines)
    made = made_fixes(programs, interface, seed=job.seed, max_span=span, most=most)
    real = real_fixes("valid", interface, max_span=span)
    order = np.random.default_rng(job.seed).permutation(len(real))[:most]
    held_out = {"made": made, "real": [real[at] for at in order]}

    def on_save() -> None:
        if name == "pretrain":
            keep(job, learner, "running")

    best = Best(job.folder, ("mrr",), lambda name, more: keep(job, learner, name, more))

    def watch(between: Callable[[], None]) -> None:
        results = evaluate(learner, held_out, interface, logger, between)
        if results and phase in ("pretrain", "finish"):
            best.offer({"mrr": float(np.mean([one["mrr"] for one in results.values()]))})
        logger.dump(learner.done)

    return Run(
        stream=stream,
        logger=logger,
        state_file=job.folder / f"{name}.pt",
        evaluate=watch,
        on_update=telling(job, phase),
        on_save=on_save,
    )


def evaluate(
    learner: Learner,
    held_out: Mapping[str, Sequence[Fix]],
    interface: EditInterface,
    logger: Logger,
    between: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, float]]:
    """Rates on every held-out set, with the weights to ship, recorded as `heldout_<set>/*`.

    Args:
        learner: What is evaluated.
        held_out: Name of a set -> its fixes.
        interface: Lays out the canvases.
        logger: Where the rates go.
        between: Called every few fixes; what it raises ends the evaluation there.
    """
    results: dict[str, dict[str, float]] = {}
    with learner.averaged() as model:
        for name, fixes in held_out.items():
            if not fixes:
                continue
            found = search_fixes(
                model,
                fixes,
                interface,
                ks=KS,
                device=learner.device,
                effort=_EFFORT,
                on_done=lambda done: between(),
            )
            results[name] = dict(rates(found))
            for key, value in results[name].items():
                logger.record(f"heldout_{name}/{key.replace('@', '_at_')}", value)
            operators = [fix.sample.operator for fix in fixes]
            for operator in sorted(set(operators)):
                of = [one for one, by in zip(found, operators, strict=True) if by == operator]
                logger.record(f"operator_{name}/{operator}", rates(of)["exact@1"])
        some = [fixes[0] for fixes in held_out.values() if fixes]
        some += [one for fixes in held_out.values() for one in fixes[1:NUMBER]]
        examples = shown_fixes(model, some[:NUMBER], interface, learner.device)
    log_examples(logger, examples)
    return results
