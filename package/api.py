"""Training and scoring from Python: for notebooks, and for tuners such as Optuna and Ray Tune.

    from hrmgym import api

    result = api.train("demo", {"trainer.gamma": 0.95, "seed": 1})
    print(result.scores, result.checkpoint)

An experiment is named as on the command line, and changed by the same keys. docs/api.md shows both
tuners. Importing this imports no torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrmgym.errors import ConfigError
from hrmgym.experiments.evaluate.runs import score_run
from hrmgym.experiments.evaluate.score import check
from hrmgym.experiments.loader import load
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.schema import Experiment
from hrmgym.experiments.train import train as train_run
from hrmgym.experiments.train import with_checkpoint

#: A file, the name of a shipped experiment, or an experiment that is loaded already.
Config = str | os.PathLike[str] | Experiment
#: `["trainer.gamma=0.9"]`, or `{"trainer.gamma": 0.9}`.
Overrides = Sequence[str] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a run logs at one time."""

    phase: str
    """`warm start`, `ppo`, `pretrain` or `finish`: each counts its own steps."""
    step: int
    """Environment steps (`ppo`), or training samples."""
    values: Mapping[str, float]
    """TensorBoard's tag -> value: see `hrmgym.trainers.tags`. Evaluations come by themselves:
    `eval/*` in `ppo`, `heldout_*` elsewhere."""
    run: Path
    """The run folder."""


#: Called with everything that is logged, as it is. If it returns True, the training ends early; an
#: exception that it raises (`optuna.TrialPruned`) ends it too, and goes on to who called `train`.
#: Either way the state is saved, and the run can be resumed.
Callback = Callable[[Metrics], bool | None]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training left behind."""

    run: Path
    """The run folder."""
    checkpoint: Path | None
    """The weights at the end; None: it was stopped before there were any."""
    best: Path | None
    """The weights of the best evaluation; None: there was none (see `trainer.eval_every`)."""
    stopped: bool
    """Whether the callback ended it early; then the weights at the end are not scored."""
    metrics: Mapping[str, float]
    """The last value of every tag that was logged."""
    reports: Mapping[str, Mapping[str, Any]]
    """Stage -> report; `trained` is the checkpoint's."""

    @property
    def scores(self) -> Mapping[str, float]:
        """Name -> value of the checkpoint's scores (`pass@1`); empty where it was stopped."""
        return _values(self.reports.get("trained"))


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What a scoring found."""

    run: Path
    """The run folder."""
    report: Mapping[str, Any]
    """What `scores/score.json` holds: scores with their intervals, tasks, failures."""

    @property
    def scores(self) -> Mapping[str, float]:
        """Name -> value (`pass@1`); the intervals are in the report."""
        return _values(self.report)


def train(
    config: Config | None = None,
    overrides: Overrides = (),
    *,
    callback: Callback | None = None,
    runs: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Trains an experiment's policy and scores it, as `hrmgym train` does; blocks until then.

    Args:
        config: The experiment. It may not have a `sweep:`.
        overrides: Values of dotted keys.
        callback: Told of what is logged; may end the training early.
        runs: Folder of run folders; by default `HRMGYM_RUNS`, else `runs`.
        resume: A run folder to go on with, in place of `config`; `overrides` change it.

    Raises:
        UserError: A key, the benchmark, the policy or the sandbox is not as it should be.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; the run can be resumed.
    """
    if (config is None) == (resume is None):
        raise ConfigError("train needs an experiment, or a run to resume, and not both")
    if resume is not None:
        if runs is not None:
            raise ConfigError("runs: a run that is resumed stays where it is")
        run = RunFolder(resume)
        with run.locked():
            if overrides:
                run.override(_words(overrides))
            return _train(run, callback, resume=True)
    assert config is not None
    experiment = _experiment(config, overrides)
    if experiment.trainer is None:
        raise ConfigError(f"experiment {experiment.name!r} has no trainer; use score")
    check(experiment)
    return _train(RunFolder.create(experiment, runs), callback, resume=False)


def score(
    config: Config,
    overrides: Overrides = (),
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] | None = None,
) -> ScoreResult:
    """Scores an experiment's policy on its benchmark, as `hrmgym score` does; blocks until then.

    Args:
        config: The experiment. It may not have a `sweep:`.
        overrides: Values of dotted keys.
        checkpoint: Weights to score in place of the experiment's policy, a `TrainResult`'s say.
        runs: Folder of run folders; by default `HRMGYM_RUNS`, else `runs`.

    Raises:
        UserError: A key, the benchmark, the policy or the sandbox is not as it should be.
        KeyboardInterrupt: Ctrl-C; the report of what was done is in the run folder.
    """
    experiment = _experiment(config, overrides)
    if checkpoint is not None:
        asked = experiment.score.model_copy(update={"before": False})
        experiment = with_checkpoint(experiment, Path(checkpoint))
        experiment = experiment.model_copy(update={"trainer": None, "score": asked})
    check(experiment)
    run = RunFolder.create(experiment, runs)
    report = score_run(run)
    if not report.complete:
        raise KeyboardInterrupt
    return ScoreResult(run.path, report.to_dict())


def _train(run: RunFolder, callback: Callback | None, *, resume: bool) -> TrainResult:
    from hrmgym.experiments.watching import Watch  # imports torch

    watch = Watch(
        callback and (lambda phase, step, values: callback(Metrics(phase, step, values, run.path)))
    )
    trained = train_run(run, resume=resume, display=watch, on_metrics=watch.on_metrics)
    best = run.checkpoints / "best"
    return TrainResult(
        run=run.path,
        checkpoint=trained.checkpoint,
        best=best if best.is_dir() else None,
        stopped=trained.stopped,
        metrics=watch.last,
        reports=trained.reports,
    )


def _experiment(config: Config, overrides: Overrides) -> Experiment:
    if not isinstance(config, Experiment):
        return load(config, _words(overrides))
    if overrides:
        raise ConfigError("overrides need the experiment's file or name, not a loaded one")
    return config


def _words(overrides: Overrides) -> list[str]:
    """As `key=value` each, the value as YAML."""
    if isinstance(overrides, str):
        raise ConfigError(f"overrides: should be a list or a mapping, not {overrides!r}")
    if not isinstance(overrides, Mapping):
        return list(overrides)
    return [f"{key}={_yaml(key, value)}" for key, value in overrides.items()]


def _yaml(key: str, value: Any) -> str:
    """JSON, which is YAML; numbers of NumPy, paths and tuples are taken for what they hold."""

    def plain(other: Any) -> Any:
        if isinstance(other, os.PathLike):
            return os.fspath(other)
        if hasattr(other, "tolist"):
            return other.tolist()
        raise TypeError

    try:
        return json.dumps(value, default=plain)
    except (TypeError, ValueError):
        raise ConfigError(
            f"override {key!r}: {type(value).__name__} is no value of a configuration; "
            "use numbers, text, lists or mappings"
        ) from None


def _values(report: Mapping[str, Any] | None) -> dict[str, float]:
    scores = report["scores"] if report else {}
    return {name: one["value"] for name, one in scores.items() if one is not None}
