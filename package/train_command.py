"""`hrmgym train`: trains experiments, sweeps too, goes on with a run that was stopped."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hrmgym.errors import ConfigError
from hrmgym.options import CONFIG, MaybeConfig, Overrides, Runs, home

if TYPE_CHECKING:
    from hrmgym.experiments.run import RunFolder
    from hrmgym.experiments.schema import Experiment


def train(
    config: MaybeConfig = None,
    overrides: Overrides = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            callback=home,
            help="Continue this run folder instead; KEY=VALUE change it.",
            show_default=False,
        ),
    ] = None,
    finish: Annotated[
        Path | None,
        typer.Option(
            callback=home,
            help="Make the checkpoint to ship from this pretraining's present state; it can go on.",
            show_default=False,
        ),
    ] = None,
    runs: Runs = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Runs of a sweep at once.",
            show_default="one for each processor, or for as many as `threads`",
        ),
    ] = None,
) -> int:
    """Train a policy, and score it; a `sweep:` trains several at once, and compares them.

    Exit status 3: some results have no verdict.
    """
    from hrmgym.experiments.evaluate.score import check
    from hrmgym.experiments.loader import expand
    from hrmgym.experiments.run import RunFolder

    folder = resume or finish
    if folder is not None:
        changes = [*([config] if config else []), *(overrides or ())]
        if (resume and finish) or runs or workers or (finish and changes):
            raise ConfigError("--resume takes KEY=VALUE and nothing else, --finish nothing at all")
        if config is not None and "=" not in config:
            raise ConfigError(f"--resume goes on with the run's own config.yaml, not {config!r}")
        run = RunFolder(folder)
        if finish:
            return _train_one(run, resume=True, only_finish=True)
        with run.locked():
            if run.status == "finished" and not changes:
                raise ConfigError(f"{resume}: the run has finished; there is nothing to resume")
            if changes:
                run.override(changes)
            return _train_one(run, resume=True)
    if config is None:
        raise ConfigError(f"which experiment? {CONFIG}")
    experiments = expand(config, overrides or ())
    for experiment in experiments:
        if experiment.trainer is None:
            raise ConfigError(f"{config}: trainer: null; use `hrmgym score`, or set a trainer")
    for experiment in experiments:
        check(experiment)
    if len(experiments) == 1:
        if workers is not None:
            raise ConfigError(f"--workers is for a sweep, and {config} has none")
        return _train_one(RunFolder.create(experiments[0], runs), resume=False)
    return _train_sweep(experiments, workers, runs)


def _stop_status(stop: KeyboardInterrupt) -> int:
    """The exit status of a shell: 128 and the signal's number. typer makes 130 of all of them."""
    return 128 + int(getattr(stop, "number", signal.SIGINT))


def _train_sweep(experiments: Sequence[Experiment], workers: int | None, runs: Path | None) -> int:
    from hrmgym.experiments.progress import console
    from hrmgym.experiments.run import RunFolder
    from hrmgym.experiments.sweep import SweptRun, default_workers, train_all
    from hrmgym.experiments.sweep_table import sweep_table

    def say(run: RunFolder, done: SweptRun | None) -> None:
        if done is None:
            print(f"begins: {run.path}", file=sys.stderr)
        else:
            said = f": {done.said}" if done.said else ""
            print(f"{run.status}: {run.path}{said}", file=sys.stderr)

    folders = [RunFolder.create(experiment, runs) for experiment in experiments]
    try:
        done = train_all(folders, workers or default_workers(experiments), say)
    except KeyboardInterrupt as stop:
        print("interrupted; go on with `hrmgym train --resume` and a run folder", file=sys.stderr)
        return _stop_status(stop)
    console().print(sweep_table(done))
    print(f"curves: tensorboard --logdir {folders[0].path.parent}")
    statuses = {one.status for one in done}
    if statuses <= {0, 2, 3}:
        return next((one for one in (2, 3) if one in statuses), 0)
    return 1  # one has failed, or was killed


def _train_one(run: RunFolder, *, resume: bool, only_finish: bool = False) -> int:
    from hrmgym.envs.failures import EXIT_STATUS
    from hrmgym.experiments.evaluate.tables import comparison_table
    from hrmgym.experiments.progress import Bars, console
    from hrmgym.experiments.train import train as train_experiment

    print(f"run folder: {run.path}", file=sys.stderr)
    try:
        trained = train_experiment(run, resume=resume, only_finish=only_finish, display=Bars())
    except KeyboardInterrupt as stop:
        print(f"interrupted; go on with: hrmgym train --resume {run.path}", file=sys.stderr)
        return _stop_status(stop)
    console().print(comparison_table(trained.reports))
    print(f"checkpoint: {trained.checkpoint}")
    print(f"reports: {run.scores}")
    print(f"curves: tensorboard --logdir {run.tensorboard}")
    return EXIT_STATUS if any(one["failures"]["count"] for one in trained.reports.values()) else 0
