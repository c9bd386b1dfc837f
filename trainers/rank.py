"""Training a network to rank legal edits: on bugs made in many functions, then on real fixes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import Logger

from hrmgym.envs.edits.python.kinds import BULKY, LEAN
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.task import Task
from hrmgym.trainers.best import Best
from hrmgym.trainers.config import RankConfig
from hrmgym.trainers.data.batches import Stream
from hrmgym.trainers.data.found_tests import functions_with_tests
from hrmgym.trainers.data.ranked_bugs import RankedBugs, RankSample
from hrmgym.trainers.data.ranked_fixes import RankedFixes, real_samples
from hrmgym.trainers.data.ranked_tested import RankedTested, checked_solutions
from hrmgym.trainers.job import Job, seed_everything
from hrmgym.trainers.ranking import RankLearner, rank_rates
from hrmgym.trainers.sources import Mixed, held_out_programs, training_programs
from hrmgym.trainers.supervised_run import (
    LATEST,
    Run,
    keep,
    starting_network,
    telling,
    train_supervised,
    training_env,
)
from hrmgym.trainers.tags import RANKING_METRICS

_HELD_OUT_SEED, _SOLUTIONS_SEED = 8_000_009, 10_000_019


def train_rank(job: Job[RankConfig], *, resume: bool = False, only_finish: bool = False) -> Path:
    """Trains, and returns the checkpoint folder: see `hrmgym.trainers.supervised_run`.

    Args:
        job: What, where and how; a network that ranks nothing yet gets a head for all kinds.
        resume: Go on from the saved state, if there is one.
        only_finish: Do not go on: see `train_supervised`.

    Raises:
        CheckpointError: a state is broken or of another model, or there is nothing to finish.
        ConfigError: the run's schedule has no finish, or the environment another interface.
    """
    seed_everything(job.seed)
    config = job.config.fitted(int(job.model["hidden_size"]))
    job = replace(job, model={**job.model, "ranking": _ranking(job.model)})
    learner = RankLearner(starting_network(job), config, job.device)
    kinds = numbers(learner.model.config.ranking.kinds)
    with training_env(job) as (env, interface):
        tasks = env.benchmark.tasks(job.train_split) if config.benchmark_share > 0 else ()
    stream = rank_stream(config, interface, kinds, job.seed, tasks)
    held_out = held_out_samples(config, interface, kinds)

    def make_run(logger: Logger, name: str, phase: str) -> Run[RankSample]:
        best = Best(job.folder, ("mrr",), lambda name, more: keep(job, learner, name, more))

        def watch(between: Callable[[], None]) -> None:
            found = evaluate(learner, held_out, logger, between)
            best.offer({"mrr": float(np.mean([one["mrr"] for one in found.values()]))})
            logger.dump(learner.done)

        def on_save() -> None:
            if name == config.kind:
                keep(job, learner, "running")

        return Run(
            stream=stream,
            logger=logger,
            state_file=job.folder / f"{name}.pt",
            evaluate=watch,
            on_update=telling(job, phase),
            on_save=on_save,
        )

    train_supervised(
        job, config, learner, make_run, RANKING_METRICS, resume=resume, only_finish=only_finish
    )
    return keep(job, learner, LATEST)


def _ranking(model: Mapping[str, Any]) -> dict[str, Any]:
    """The block `ranking` of a network, with all kinds if it names none."""
    block = dict(model.get("ranking") or {})
    if not block.get("kinds"):
        block["kinds"] = [kind.name for kind in (*LEAN, *BULKY)]
    return block


def numbers(kinds: Sequence[str]) -> dict[str, int]:
    """Kind -> number, as the network has them; 0 is for all others."""
    return {kind: number for number, kind in enumerate(kinds, start=1)}


def rank_stream(
    config: RankConfig,
    interface: EditInterface,
    kinds: Mapping[str, int],
    seed: int,
    tasks: Sequence[Task] = (),
) -> Stream[RankSample]:
    """The samples that a configuration describes.

    Args:
        config: Shares of the sources.
        interface: Lays out the canvases.
        kinds: Kind -> number, for the network.
        seed: Draws everything.
        tasks: Of a training split; their solutions are where `benchmark_share` makes bugs.

    Raises:
        ConfigError: `benchmark_share` is wanted, and no task has call tests and a solution.
    """
    made = RankedBugs(
        training_programs(config), interface, kinds, seed=seed, dressed=config.dressed
    )
    rest = 1 - config.real_share - config.tested_share - config.benchmark_share
    parts: list[tuple[float, Stream[RankSample]]] = [(rest, made)]
    if config.tested_share > 0:
        functions = functions_with_tests(config.packages, config.max_lines)
        tested = RankedTested(functions, interface, kinds, seed=seed, dressed=config.dressed)
        parts.append((config.tested_share, tested))
    if config.benchmark_share > 0:
        solutions = checked_solutions(tasks)
        solved = RankedTested(
            solutions, interface, kinds, seed=seed + _SOLUTIONS_SEED, dressed=config.dressed
        )
        parts.append((config.benchmark_share, solved))
    if config.real_share > 0:
        fixes = RankedFixes("train", interface, kinds, seed=seed, dressed=config.dressed)
        parts.append((config.real_share, fixes))
    return Mixed(parts, seed)


def held_out_samples(
    config: RankConfig, interface: EditInterface, kinds: Mapping[str, int]
) -> dict[str, list[RankSample]]:
    """What training is watched on: bugs in functions and fixes of packages that it never sees."""
    programs = held_out_programs(config.max_lines)
    made = RankedBugs(programs, interface, kinds, seed=_HELD_OUT_SEED, dressed=config.dressed)
    return {
        "made": [made.sample(number) for number in range(config.held_out)],
        "real": real_samples("valid", interface, kinds, config.held_out),
    }


def evaluate(
    learner: RankLearner,
    held_out: Mapping[str, Sequence[RankSample]],
    logger: Logger,
    between: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, float]]:
    """Rates on every held-out set, with the weights to ship, recorded as `heldout_<set>/*`."""
    results: dict[str, dict[str, float]] = {}
    with learner.averaged() as model:
        for name, samples in held_out.items():
            between()
            if samples:
                results[name] = rank_rates(model, samples, learner.device)
            for key, value in results.get(name, {}).items():
                logger.record(f"heldout_{name}/{key}", value)
    return results
