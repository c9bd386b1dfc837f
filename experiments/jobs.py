"""From an experiment to a trainer's job, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.schema import Experiment
from hrmgym.policies.config import HRMConfig
from hrmgym.policies.hrm import checkpoint_options
from hrmgym.trainers.ppo import Job, OnProgress, pick_device, train_ppo


def train_policy(experiment: Experiment, run: RunFolder, *, resume: bool = False) -> Path:
    """Trains the experiment's policy into the run folder; its checkpoint folder.

    Raises:
        ConfigError: the experiment has no trainer, or none for its policy.
        CheckpointError: the checkpoint to start from cannot be used.
    """
    with _progress() as on_progress:
        return train_ppo(make_job(experiment, run, on_progress), resume=resume)


def make_job(experiment: Experiment, run: RunFolder, on_progress: OnProgress) -> Job:
    """What the trainer is asked to do."""
    policy, trainer = experiment.policy, experiment.trainer
    if trainer is None or not isinstance(policy, HRMConfig):
        raise ConfigError(f"experiment {experiment.name!r} trains nothing")
    benchmark = experiment.benchmark

    def make_env(split: str) -> SoftwareEnv:
        return SoftwareEnv(**experiment.env_kwargs(split))

    return Job(
        config=trainer,
        model=checkpoint_options(policy),
        checkpoint=None if policy.checkpoint is None else Path(policy.checkpoint),
        make_env=make_env,
        train_split=benchmark.train_split,
        eval_split=benchmark.valid_split,
        seed=experiment.seed,
        device=pick_device(experiment.device),
        folder=run.checkpoints,
        tensorboard=run.tensorboard,
        card=_card(experiment, run),
        on_progress=on_progress,
    )


def _card(experiment: Experiment, run: RunFolder) -> str:
    """The model card."""
    facts = run.facts
    command = " ".join(facts["command"])
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    warm = experiment.trainer is not None and experiment.trainer.warm_start is not None
    data = f"episodes of {experiment.benchmark.name}, split {experiment.benchmark.train_split}"
    if warm:
        data += "; bugs made in functions of Python's standard library (PSF licence)"
    return f"""# {experiment.name}

An HRM policy of hrmgym, trained by `{command}` with seed {experiment.seed}.

- Data: {data}.
- Versions: {versions}.
- Machine: {facts["cpu"]}, {facts["cpu_count"]} cores, {facts["platform"]}.
- Scores: in the run folder's `scores/`, with 95 % intervals; the resolved experiment is its
  `config.yaml`.
"""


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A bar for each phase of a training, on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks = {}

        def on_progress(phase: str, done: int, total: int, text: str) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total, text="")
            bar.update(tasks[phase], completed=done, total=total, text=text)

        yield on_progress
