"""`hrmgym score`: scores experiments, goes on with a scoring that was stopped."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hrmgym.errors import ConfigError
from hrmgym.options import CONFIG, MaybeConfig, Overrides, Runs, home

if TYPE_CHECKING:
    from hrmgym.experiments.run import RunFolder
    from hrmgym.experiments.schema import Experiment


def score(
    config: MaybeConfig = None,
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option(
            callback=home,
            help="Also write the report here: a file, or a folder.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            callback=home,
            help="Go on with the scoring of this run folder instead; score.workers=N may change.",
            show_default=False,
        ),
    ] = None,
    runs: Runs = None,
) -> int:
    """Score a policy on a benchmark. Exit status 3: some results have no verdict."""
    from hrmgym.config import is_folder
    from hrmgym.experiments.evaluate.runs import reopen
    from hrmgym.experiments.evaluate.score import check
    from hrmgym.experiments.loader import expand
    from hrmgym.experiments.run import RunFolder

    if resume is not None:
        if config is not None and "=" not in config:
            raise ConfigError(f"--resume goes on with the run's own config.yaml, not {config!r}")
        if runs is not None:
            raise ConfigError("--runs is for new runs; --resume names the folder itself")
        run, experiment = reopen(resume, [*([config] if config else []), *(overrides or ())])
        check(experiment)
        return _score_one(run, experiment, _target(output, experiment))
    if config is None:
        raise ConfigError(f"which experiment? {CONFIG}")
    experiments = expand(config, overrides or ())
    if len(experiments) > 1 and output is not None and not is_folder(output):
        raise ConfigError(f"--output {output}: {len(experiments)} reports need an existing folder")
    for experiment in experiments:
        check(experiment)
    return max(
        _score_one(RunFolder.create(one, runs), one, _target(output, one)) for one in experiments
    )


def _target(output: Path | None, experiment: Experiment) -> Path | None:
    from hrmgym.config import is_folder

    return output / f"{experiment.name}.json" if output and is_folder(output) else output


def _score_one(run: RunFolder, experiment: Experiment, output: Path | None) -> int:
    from hrmgym.envs.failures import EXIT_STATUS
    from hrmgym.experiments.evaluate.runs import score_run
    from hrmgym.experiments.evaluate.tables import report_table
    from hrmgym.experiments.progress import Bars, console
    from hrmgym.experiments.run import write_report
    from hrmgym.trainers.stopping import stop_signals

    print(f"run folder: {run.path}", file=sys.stderr, flush=True)
    try:
        with stop_signals() as asked:
            report = score_run(run, experiment, display=Bars())
    except BaseException:
        print(f"go on with: hrmgym score --resume {run.path}", file=sys.stderr)
        raise
    paths = [run.scores / "score.json"]
    if output is not None:
        write_report(output, report)
        paths.append(output)
    console().print(report_table(report.to_dict()))
    for path in paths:
        print(f"report: {path}")
    if not report.complete:
        print(f"interrupted; go on with: hrmgym score --resume {run.path}", file=sys.stderr)
        return 128 + (asked.number or signal.SIGINT)
    return EXIT_STATUS if report.failures else 0
