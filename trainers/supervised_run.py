"""A run of supervised training: updates, logs, evaluations, and the state to go on from.

A run is a position in an endless sample stream plus a `SupervisedLearner`; both are in the state
file, so a run that was stopped goes on with its very next batch and ends with the same weights, bit
for bit, as one that was not.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

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
from hrmgym.trainers.data.batches import Stream, batches, named_losses
from hrmgym.trainers.data.shown import S
from hrmgym.trainers.events import describe, drop_after, make_logger
from hrmgym.trainers.gradients import gradient_norms
from hrmgym.trainers.job import Job
from hrmgym.trainers.stopping import stop_noted
from hrmgym.trainers.supervised import SupervisedLearner
from hrmgym.trainers.supervised_config import LearningConfig

#: The checkpoint folder of a run that has come to its end.
LATEST = "latest"
_LOG_EVERY = 20  # updates


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress bar shows after each update."""

    samples: int
    total: int
    samples_per_s: float
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Generic[S]):
    """What to train on, how it is watched, and where its state goes."""

    stream: Stream[S]
    logger: Logger
    state_file: Path
    evaluate: Callable[[Callable[[], None]], object] = field(default=lambda between: None)
    """Called every `evaluate_every` updates and at the end. It calls its argument now and then;
    what that raises ends the evaluation."""
    on_update: Callable[[Progress], None] = field(default=lambda progress: None)
    on_save: Callable[[], None] = field(default=lambda: None)
    """Called after each saved state, with the learner as it was saved."""


def learn(learner: SupervisedLearner[S], run: Run[S]) -> None:
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


def finish(learner: SupervisedLearner[S], run: Run[S], origin: Path) -> None:
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
    learner: SupervisedLearner[S],
    run: Run[S],
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
                        run.evaluate(stopping.act)
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
        run.evaluate(stopping.act)
        learner.save(run.state_file, **more)  # what is logged before a saved state stays
        stopping.act()


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


def train_supervised(
    job: Job[Any],
    config: LearningConfig,
    learner: SupervisedLearner[S],
    make_run: Callable[[Logger, str, str], Run[S]],
    metrics: tuple[str, ...],
    *,
    resume: bool = False,
    only_finish: bool = False,
) -> None:
    """Trains from the start, or from where the last start was stopped, and to the end.

    `<kind>.pt` holds the run, `finish.pt` the decay at its end with `schedule: constant`.

    Args:
        job: Where, and who watches.
        config: How, without nulls.
        learner: Its weights are those to ship afterwards.
        make_run: From a logger, the state file's name and the phase's.
        metrics: What the HParams tab shows.
        resume: Go on from the saved state, if there is one.
        only_finish: Do not go on: decay the rate from the saved state. The run can still be
            resumed, even while this goes on.

    Raises:
        CheckpointError: a state is broken or of another model, or there is nothing to finish.
        ConfigError: the run's schedule has no finish.
    """
    name = str(job.config.kind)
    job.folder.mkdir(parents=True, exist_ok=True)
    state = job.folder / f"{name}.pt"
    if only_finish and config.schedule != "constant":
        raise ConfigError("only a run with trainer.schedule: constant can be finished early")
    if only_finish and not state.exists():
        raise CheckpointError(f"{state}: no such file; there is nothing to finish yet")
    if not resume and not only_finish:
        state.unlink(missing_ok=True)
    if only_finish:  # what goes on beside it has the run's own stream
        logger = make_logger(job.tensorboard / "finish", job.on_metrics)
    else:
        drop_after(job.tensorboard, _resumed_at(state, config.samples))
        logger = make_logger(job.tensorboard, job.on_metrics)
        describe(logger, job.resolved, job.hparams, metrics, 0)
        learn(learner, make_run(logger, name, name))
    if config.schedule == "constant":
        phase = "finish apart" if only_finish else "finish"
        finish(learner, make_run(logger, "finish", phase), state)


def telling(job: Job[Any], phase: str) -> Callable[[Progress], None]:
    """What tells a job's progress bar of each update."""

    def on_update(now: Progress) -> None:
        text = f"{now.samples_per_s:.0f} samples/s, loss {now.loss:.2f}"
        job.on_progress(phase, now.samples, now.total, text)

    return on_update


def keep(
    job: Job[Any],
    learner: SupervisedLearner[S],
    name: str,
    more: Mapping[str, float] | None = None,
    change: Callable[[EditModel], Mapping[str, float]] | None = None,
) -> Path:
    """Writes the weights to ship as a checkpoint of that name, and returns its folder.

    Args:
        job: Where to.
        learner: Whose weights.
        name: Of the folder.
        more: Numbers for the checkpoint's `extra`, beside the samples seen.
        change: Changes a copy of the network before it is written, and returns further numbers.
    """
    folder, extra = job.folder / name, dict[str, float](samples=learner.done) | dict(more or {})
    with learner.averaged() as model:
        if change is not None:
            model = copy.deepcopy(model)
            extra |= change(model)
        save_checkpoint(folder, model, job.card, extra)
    return folder


def _resumed_at(state: Path, samples: int) -> float:
    """When the state was saved that a run goes on from, in seconds since the epoch; else 0."""
    finished = state.with_name("finish.pt")
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


def starting_network(job: Job[Any]) -> EditModel:
    """The network that a job starts from."""
    if job.checkpoint is not None:
        length = load_checkpoint(job.checkpoint)[0].config.max_length
        model = EditModel(edit_model_config(length, job.model))
        take_weights(model, job.checkpoint)
        return model
    with training_env(job) as (_, interface):
        return EditModel(edit_model_config(interface.length, job.model))


@contextmanager
def training_env(job: Job[Any]) -> Iterator[tuple[SoftwareEnv, EditInterface]]:
    """The environment of the training split, closed after the block, and its interface.

    Raises:
        ConfigError: it has another interface than `edit`.
    """
    env = job.make_env(job.train_split)
    try:
        base = env.unwrapped
        assert isinstance(base, SoftwareEnv)
        if not isinstance(base.interface, EditInterface):
            raise ConfigError("supervised training needs interface='edit'")
        yield base, base.interface
    finally:
        env.close()
