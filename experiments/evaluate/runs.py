"""Scoring in a run folder, so that it can be stopped in any way and goes on.

`hrmgym.experiments.evaluate.score` computes the report; here it is written, with the run's status.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from hrmgym.errors import ConfigError
from hrmgym.experiments.evaluate.report import Report
from hrmgym.experiments.evaluate.score import same_results, score
from hrmgym.experiments.loader import load, resolved
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.schema import Experiment
from hrmgym.experiments.train import Display, Silent

#: Files of a run's `scores` folder: the results as they land, and the report.
JOURNAL = "score.jsonl"
_REPORT = "score"


def reopen(
    folder: str | os.PathLike[str], overrides: Sequence[str] = ()
) -> tuple[RunFolder, Experiment]:
    """The run of a scoring that was stopped, and its experiment.

    Args:
        folder: The run folder.
        overrides: Changes for this time that change no result.

    Raises:
        DataError: The folder is not a run folder.
        ConfigError: It is not the run of a scoring, or that has ended, or an override changes the
            results.
    """
    run = RunFolder(folder)
    if run.experiment.trainer is not None and not (run.scores / JOURNAL).exists():
        raise ConfigError(f"{run.path}: a training's run; use `hrmgym train --resume`")
    if run.facts.get("status") == "finished":
        raise ConfigError(f"{run.path}: the run has finished; there is nothing to resume")
    experiment = load(run.path / "config.yaml", overrides) if overrides else run.experiment
    if resolved(same_results(experiment)) != resolved(same_results(run.experiment)):
        raise ConfigError(
            f"{', '.join(overrides)}: --resume goes on with the same scoring; only score.workers "
            "may change"
        )
    return run, experiment


def score_run(
    run: RunFolder, experiment: Experiment | None = None, *, display: Display | None = None
) -> Report:
    """Scores a run's policy, or goes on with that, and writes `scores/score.json`.

    Each result is appended to `scores/score.jsonl` as it lands. Ctrl-C, and within `stop_signals`
    SIGTERM and SIGHUP, end it early: the report is of what there is then, and its `complete` is
    False.

    Args:
        run: Where everything is written.
        experiment: The run's, changed in nothing but the number of workers; by default the run's.
        display: Shows the progress.

    Raises:
        UserError: As `score` does, or another process works in the run.
        OSError: A file cannot be written; what is in the journal is kept.
    """
    with run.locked():
        try:
            run.set_status("running")
            with (display or Silent()).scoring("score") as on_task:
                report = score(
                    experiment or run.experiment, on_task=on_task, journal=run.scores / JOURNAL
                )
            run.write_report(_REPORT, report)
            run.set_status("finished" if report.complete else "interrupted")
        except KeyboardInterrupt:
            run.set_status("interrupted")
            raise
        except BaseException:
            with suppress(OSError):  # the disk may be full, and that is the error to tell
                run.set_status("failed")
            raise
    return report
