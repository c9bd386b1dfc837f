"""The supervised trainer: warm starts, pretraining, and the decay that makes weights to ship.

A run is a position in an endless sample stream plus a `Learner`; both are in the state file, so a
run that was stopped goes on with its very next batch and ends with the same weights, bit for bit,
as one that was not.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.logger import Logger

from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import CheckpointError, ConfigError, WorkerError
from hrmgym.hrm.checkpoint import load_checkpoint, save_checkpoint
from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies.hrm import edit_model_config, take_weights
from hrmgym.trainers import schedule
from hrmgym.trainers.best import Best
from hrmgym.trainers.calibration import calibrate
from hrmgym.trainers.config import PretrainConfig
from hrmgym.trainers.data.batches import Stream, batches, named_losses
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.data.examples import benchmark_examples
from hrmgym.trainers.data.selector import Selector
from hrmgym.trainers.events import describe, drop_after, make_logger
from hrmgym.trainers.fixes import KS, Fix, rates, search_fixes
from hrmgym.trainers.gradients import gradient_norms
from hrmgym.trainers.job import Job, seed_everything
from hrmgym.trainers.learner import Learner
from hrmgym.trainers.repair_examples import NUMBER, log_examples, shown_fixes
from hrmgym.trainers.sources import (
    held_out_programs,
    made_fixes,
    real_fixes,
    training_stream,
)
from hrmgym.trainers.stopping import stop_noted
from hrmgym.trainers.tags import LEARNING_METRICS

_LOG_EVERY = 20  # updates
_EFFORT = 4  # prefixes per proposal: curves need no exact search


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress bar shows after each update."""

    samples: int
    total: int
    samples_per_s: float
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What to train on, how it is watched, and where its state goes."""

    stream: Stream
    held_out: Mapping[str, Sequence[Fix]]
    """Name of a set -> its fixes, evaluated every `evaluate_every` updates and at the end."""
    interface: EditInterface
    logger: Logger
    state_file: Path
    on_update: Callable[[Progress], None] = field(default=lambda progress: None)
    on_save: Callable[[], None] = field(default=lambda: None)
    """Called after each saved state, with the learner as it was saved."""
    on_evaluated: Callable[[Mapping[str, Mapping[str, float]]], None] = field(
        default=lambda results: None
    )
    """Called after each evaluation with its rates, by set."""


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
    job.folder.mkdir(parents=True, exist_ok=True)
    state = job.folder / "pretrain.pt"
    if only_finish and config.schedule != "constant":
        raise ConfigError("only a run with trainer.schedule: constant can be finished early")
    if only_finish and not state.exists():
        raise CheckpointError(f"{state}: no such file; there is nothing to finish yet")
    if not resume and not only_finish:
        state.unlink(missing_ok=True)
    if only_finish:  # what goes on beside it has the run's own stream
        logger = make_logger(job.tensorboard / "finish", job.on_metrics)
    else:
        drop_after(job.tensorboard, _resumed_at(job.folder, config.samples))
        logger = make_logger(job.tensorboard, job.on_metrics)
        describe(logger, job.resolved, job.hparams, LEARNING_METRICS, 0)
    selector = Selector() if config.selector else None
    learner = Learner(_network(job), config, job.device, selector)
    if not only_finish:
        run = supervised_run(job, learner, logger, "pretrain", "pretrain")
        learn(learner, run)
    if config.schedule == "constant":
        phase = "finish apart" if only_finish else "finish"
        finish(learner, supervised_run(job, learner, logger, "finish", phase), state)
    return _keep(job, learner, "latest", _held_out_tasks(job, learner) if config.calibrate else ())


def _resumed_at(folder: Path, samples: int) -> float:
    """When the state was saved that a run goes on from, in seconds since the epoch; else 0."""
    state, finished = folder / "pretrain.pt", folder / "finish.pt"
    if not state.exists():
        return 0.0
    times = [state.stat().st_mtime]
    if finished.exists() and _samples(state) >= samples:  # it goes on with the finish
        times.append(finished.stat().st_mtime)
    return max(times)


def _samples(state: Path) -> int:
    try:
        return int(torch.load(state, map_location="meta", weights_only=True)["samples"])
    except Exception:  # broken, of whatever kind: `Learner.load` says so
        return 0


def _network(job: Job[Any]) -> EditModel:
    """The network that a job starts from."""
    if job.checkpoint is not None:
        length = load_checkpoint(job.checkpoint)[0].config.max_length
        model = EditModel(edit_model_config(length, job.model))
        take_weights(model, job.checkpoint)
        return model
    env = job.make_env(job.train_split)
    try:
        space = env.observation_space
        assert isinstance(space, gymnasium.spaces.Dict)
        shape = space["tokens"].shape
        assert shape is not None
        length = shape[0]
    finally:
        env.close()
    return EditModel(edit_model_config(length, job.model))


def _keep(
    job: Job[Any],
    learner: Learner,
    name: str,
    held_out: Sequence[Sample] = (),
    more: Mapping[str, float] | None = None,
) -> Path:
    """Writes the weights to ship as a checkpoint, calibrated on samples if there are some."""
    folder, extra = job.folder / name, dict[str, float](samples=learner.done) | dict(more or {})
    with learner.averaged() as model:
        if held_out:
            model = copy.deepcopy(model)
            extra["start_temperature"] = round(calibrate(model, held_out, learner.device), 3)
        save_checkpoint(folder, model, job.card, extra)
    return folder


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


def supervised_run(job: Job[Any], learner: Learner, logger: Logger, name: str, phase: str) -> Run:
    """What a job's configuration says to train on.

    Raises:
        ConfigError: the environment has another interface, or nothing to train on.
    """
    env = job.make_env(job.train_split)
    try:
        base = env.unwrapped
        assert isinstance(base, SoftwareEnv)
        interface = base.interface
        if not isinstance(interface, EditInterface):
            raise ConfigError("supervised training needs interface='edit'")
        span, config = learner.model.config.max_span, learner.config
        stream = training_stream(
            config,
            interface,
            seed=job.seed,
            max_span=span,
            env=base,
            split=job.train_split,
            selector=learner.selector,
        )
    finally:
        env.close()
    most = config.held_out
    programs = held_out_programs(config.max_lines)
    made = made_fixes(programs, interface, seed=job.seed, max_span=span, most=most)
    real = real_fixes("valid", interface, max_span=span)
    order = np.random.default_rng(job.seed).permutation(len(real))[:most]

    def on_update(now: Progress) -> None:
        text = f"{now.samples_per_s:.0f} samples/s, loss {now.loss:.2f}"
        job.on_progress(phase, now.samples, now.total, text)

    def on_save() -> None:
        if name == "pretrain":
            _keep(job, learner, "running")

    best = Best(job.folder, ("mrr",), lambda name, more: _keep(job, learner, name, (), more))

    def on_evaluated(results: Mapping[str, Mapping[str, float]]) -> None:
        if results and phase in ("pretrain", "finish"):
            best.offer({"mrr": float(np.mean([one["mrr"] for one in results.values()]))})

    return Run(
        stream=stream,
        held_out={"made": made, "real": [real[at] for at in order]},
        interface=interface,
        logger=logger,
        state_file=job.folder / f"{name}.pt",
        on_update=on_update,
        on_save=on_save,
        on_evaluated=on_evaluated,
    )


def learn(learner: Learner, run: Run) -> None:
    """Trains until `samples` or `seconds`; takes up the state file where there is one.

    On Ctrl-C, SIGTERM and SIGHUP the update in progress is ended, and the state saved, before
    KeyboardInterrupt goes on.

    Raises:
        CheckpointError: the state file is not this model's.
        WorkerError: a process that makes samples died.
    """
    config = learner.config
    if run.state_file.exists() and learner.load(run.state_file).get("over"):
        return

    def rate() -> float:
        if config.schedule == "constant":
            return schedule.warm_up(learner.done, config.warm_up)
        spent = learner.seconds / config.seconds if config.seconds else 0.0
        progress = max(learner.done / config.samples, spent)
        warm = schedule.warm_up(learner.done, min(config.warm_up, config.samples // 20))
        return warm * schedule.cosine(progress)

    _train(learner, run, config.samples, rate, {})
    if config.schedule == "cosine":  # its rate has come down: there is no going on
        learner.save(run.state_file, over=1)


def finish(learner: Learner, run: Run, origin: Path) -> None:
    """Decays the rate to 0, from a copy of a run's state; the run itself is left as it is.

    It can be stopped and taken up again, as long as the run has not moved on.

    Args:
        learner: Takes up the state; its weights are those to ship afterwards.
        run: Its state file is the finish's own.
        origin: State file of the run that is finished.
    """
    learner.load(origin)
    first = learner.done
    fresh = not run.state_file.exists() or learner.load(run.state_file)["origin"] != first
    if fresh:
        learner.load(origin)
        learner.seconds = 0.0
    last = first + max(1, round(learner.config.finish * first))
    _train(
        learner,
        run,
        last,
        lambda: schedule.decay((learner.done - first) / (last - first)),
        {"origin": first},
    )


def _train(
    learner: Learner,
    run: Run,
    total: int,
    rate: Callable[[], float],
    more: Mapping[str, int],
) -> None:
    """Trains up to sample `total`."""
    config = learner.config
    assert config.batch_size is not None
    if learner.done >= total:
        return
    first, before = learner.done, learner.seconds
    started = saved = time.monotonic()
    working, waited = (
        0.0,
        0.0,
    )  # since the first batch: processes that make samples take time to start
    recent: list[dict[str, float]] = []

    whole = True  # between two updates: the weights and the count of samples belong together

    def save() -> None:
        learner.save(run.state_file, **more)
        run.on_save()

    with stop_noted() as stopping:
        found = batches(run.stream, config.batch_size, learner.done, config.workers)
        try:
            with named_losses():
                while True:
                    asked = time.monotonic()
                    batch = next(found)
                    if working:
                        waited += time.monotonic() - asked
                    else:
                        working = time.monotonic()
                    whole = False
                    recent.append(learner.update(batch, rate()))
                    whole = True
                    now = time.monotonic()
                    learner.seconds = before + now - started
                    speed = (learner.done - first) / (now - working)
                    shown = min(learner.done, total)
                    run.on_update(Progress(shown, total, speed, recent[-1]["nll"]))
                    over = learner.done >= total or learner.seconds > (config.seconds or np.inf)
                    if learner.updates % _LOG_EVERY == 0:
                        norms = gradient_norms(learner.model)
                        _log(run.logger, recent, norms, rate(), speed, waited / (now - working))
                        run.logger.dump(learner.done)
                        recent = []
                    if over or stopping():
                        break
                    if learner.updates % config.evaluate_every == 0:
                        evaluate(learner, run, stopping.act)
                    if now - saved > config.save_every:
                        save()
                        saved = time.monotonic()
        except (KeyboardInterrupt, Exception) as error:
            if whole:  # else the last saved state is the one to go on from
                save()
            if stopping() and isinstance(error, WorkerError):
                stopping.act()  # the signal went to all processes
            raise
        finally:
            found.close()
        save()
        stopping.act()
        evaluate(learner, run, stopping.act)
        learner.save(run.state_file, **more)  # what is logged before a saved state stays
        stopping.act()


def evaluate(
    learner: Learner, run: Run, between: Callable[[], None] = lambda: None
) -> dict[str, dict[str, float]]:
    """Rates on every held-out set, with the weights to ship, logged as `heldout_<set>/*`.

    `between` is called every few fixes; what it raises ends the evaluation there.
    """
    results: dict[str, dict[str, float]] = {}
    with learner.averaged() as model:
        for name, fixes in run.held_out.items():
            if not fixes:
                continue
            found = search_fixes(
                model,
                fixes,
                run.interface,
                ks=KS,
                device=learner.device,
                effort=_EFFORT,
                on_done=lambda done: between(),
            )
            results[name] = dict(rates(found))
            for key, value in results[name].items():
                run.logger.record(f"heldout_{name}/{key.replace('@', '_at_')}", value)
            operators = [fix.sample.operator for fix in fixes]
            for operator in sorted(set(operators)):
                of = [one for one, by in zip(found, operators, strict=True) if by == operator]
                run.logger.record(f"operator_{name}/{operator}", rates(of)["exact@1"])
        some = [fixes[0] for fixes in run.held_out.values() if fixes]
        some += [one for fixes in run.held_out.values() for one in fixes[1:NUMBER]]
        examples = shown_fixes(model, some[:NUMBER], run.interface, learner.device)
    log_examples(run.logger, examples)
    run.on_evaluated(results)
    run.logger.dump(learner.done)
    return results


def _log(
    logger: Logger,
    recent: list[dict[str, float]],
    norms: Mapping[str, float],
    rate: float,
    speed: float,
    waiting: float,
) -> None:
    for name in recent[0]:
        tag = name if "/" in name else f"learn/{name}"  # terms of others have tags of their own
        logger.record(tag, float(np.mean([one[name] for one in recent])))
    logger.record("learn/rate", rate)
    logger.record("learn/samples_per_s", speed)
    logger.record("learn/waiting", waiting)
    for name, norm in norms.items():
        logger.record(f"hrm/grad_norm_{name}", norm)
