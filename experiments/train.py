"""Training an experiment's policy: score before, train, score after, all in one run folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import TypeAdapter

from hrmgym.errors import ConfigError, DataError
from hrmgym.experiments.card import model_card
from hrmgym.experiments.evaluate.journal import OnTask
from hrmgym.experiments.evaluate.reading import read_report
from hrmgym.experiments.evaluate.score import policy_hash, score
from hrmgym.experiments.run import RunFolder, write_atomically
from hrmgym.experiments.schema import Experiment
from hrmgym.policies.config import PolicyConfig
from hrmgym.trainers.stopping import stop_signals
from hrmgym.trainers.threads import compute_threads

if TYPE_CHECKING:
    from hrmgym.trainers.events import OnMetrics

#: The checkpoint folder that the trainer leaves after a warm start, before reinforcement learning.
WARM_START = "warm-start"

#: Called with (phase, done, total, text) as training goes on.
OnTraining = Callable[[str, int, int, str], None]


class Display(Protocol):
    """What shows the progress of a run."""

    def scoring(self, title: str) -> AbstractContextManager[OnTask | None]:
        """What scoring reports to, while it lasts."""
        ...

    def training(self) -> AbstractContextManager[OnTraining]:
        """What training reports to, while it lasts."""
        ...


class Silent:
    """Shows nothing."""

    def scoring(self, title: str) -> AbstractContextManager[OnTask | None]:
        """Nothing to report to."""
        return nullcontext()

    def training(self) -> AbstractContextManager[OnTraining]:
        """A report that goes nowhere."""
        return nullcontext(lambda phase, done, total, text: None)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run left behind."""

    run: RunFolder
    checkpoint: Path | None
    """The weights at the end; None: it was stopped before there were any."""
    reports: Mapping[str, Mapping[str, Any]]
    """Stage -> `Report.to_dict`: "untrained" and "warm start" where `score.before` asks for them
    and they are there, and "trained", the checkpoint, unless it was stopped."""
    stopped: bool = False
    """Whether who listens to the metrics has ended it early."""


def train(
    run: RunFolder,
    *,
    resume: bool = False,
    only_finish: bool = False,
    display: Display | None = None,
    on_metrics: OnMetrics | None = None,
) -> Trained:
    """Trains the run's policy and scores it; the run folder's status says how it went.

    Ctrl-C, SIGTERM and SIGHUP save the state and end it.

    Args:
        run: What to train, and where everything is written.
        resume: Continue from the run folder's last checkpoint.
        only_finish: For trainers that can: do not go on, but make weights to ship from the last
            saved state, and score them. The run's status does not change, for it can go on.
        display: Shows the progress.
        on_metrics: Called with a step and the scalars that are logged at it. If it raises
            `StoppedByListener`, the training ends early, without a score; any other exception,
            `SystemExit` too, goes on to the caller. The state is saved first, and `resume`
            continues, either way.

    Raises:
        ConfigError: The experiment has no trainer, `only_finish` is not for that one, or another
            process works in the run folder.
        KeyboardInterrupt: After Ctrl-C, and `Stopped`, which is one, after another signal;
            everything so far is kept, and `resume` continues.
    """
    if run.experiment.trainer is None:
        raise ConfigError(f"experiment {run.experiment.name!r} has no trainer")
    if only_finish:
        trainer = run.experiment.trainer
        if not trainer.can_finish:
            raise ConfigError(f"--finish: trainer {trainer.kind!r} cannot be finished early")
        with run.locked("finish"), stop_signals():
            return _train(run, resume, True, display or Silent(), on_metrics)
    with run.locked(), stop_signals():
        run.set_status("running")
        try:
            trained = _train(run, resume, False, display or Silent(), on_metrics)
        except (KeyboardInterrupt, SystemExit):
            run.set_status("interrupted")
            raise
        except BaseException as error:
            if not _by_listener(error):
                run.set_status("failed")
                raise
            run.set_status("stopped")
            if error.__cause__ is not None:
                raise error.__cause__ from None
            latest = run.checkpoints / "latest"
            return Trained(run, latest if latest.is_dir() else None, _reports(run), stopped=True)
        run.set_status("finished")
        return trained


def _by_listener(error: BaseException) -> bool:
    from hrmgym.trainers.events import StoppedByListener  # imports torch

    return isinstance(error, StoppedByListener)


def _reports(run: RunFolder) -> dict[str, Mapping[str, Any]]:
    """The reports that are there, of a run that has not come to its end."""
    found: dict[str, Mapping[str, Any]] = {}
    for stage in ("untrained", "warm start"):
        path = run.scores / f"{_file(stage)}.json"
        with suppress(DataError):
            found[stage] = read_report(path)
    return found


def _train(
    run: RunFolder,
    resume: bool,
    only_finish: bool,
    display: Display,
    on_metrics: OnMetrics | None,
) -> Trained:
    experiment = run.experiment
    reports: dict[str, Mapping[str, Any]] = {}

    def score_stage(stage: str, scored: Experiment) -> None:
        found = finished_report(run, stage, policy_hash(scored)) if resume else None
        reports[stage] = found or _score(scored, run, stage, display)

    if experiment.score.before:
        score_stage("untrained", experiment)
    checkpoint = _run_trainer(run, resume, only_finish, display, on_metrics)
    warm = run.checkpoints / WARM_START
    if experiment.score.before and warm.is_dir():
        score_stage("warm start", with_checkpoint(experiment, warm))
    score_stage("trained", with_checkpoint(experiment, checkpoint))
    write_atomically(checkpoint / "README.md", model_card(run, reports))
    return Trained(run, checkpoint, reports)


def _run_trainer(
    run: RunFolder,
    resume: bool,
    only_finish: bool,
    display: Display,
    on_metrics: OnMetrics | None,
) -> Path:
    from hrmgym.experiments.jobs import job_threads, make_job  # imports torch

    trainer = run.experiment.trainer
    assert trainer is not None
    with display.training() as on_progress:
        job = make_job(run, on_progress, on_metrics)
        threads = job_threads(job, run.experiment.threads)
        if not only_finish:
            run.note(threads=threads)
        with compute_threads(threads):
            return trainer.finish_early(job) if only_finish else trainer.train(job, resume=resume)


def with_checkpoint(experiment: Experiment, checkpoint: Path) -> Experiment:
    """The same experiment with a trained policy."""
    assert experiment.trainer is not None
    block = experiment.trainer.scored(checkpoint)
    policy: PolicyConfig = TypeAdapter(PolicyConfig).validate_python(block)
    return experiment.model_copy(update={"policy": policy})


def _score(
    experiment: Experiment, run: RunFolder, name: str, display: Display
) -> Mapping[str, Any]:
    with display.scoring(f"score: {name}") as on_task:
        report = score(experiment, on_task=on_task)
    run.write_report(_file(name), report)
    if not report.complete:
        raise KeyboardInterrupt
    return report.to_dict()


def _file(stage: str) -> str:
    return stage.replace(" ", "-")


def finished_report(run: RunFolder, name: str, weights: str | None) -> Mapping[str, Any] | None:
    """A report of an earlier start of this run, if it is of these weights and was played to the
    end."""
    path = run.scores / f"{_file(name)}.json"
    if not os.path.lexists(path):
        return None
    report = read_report(path)
    same = report["hashes"]["checkpoint"] == weights
    return report if report["complete"] and same else None
