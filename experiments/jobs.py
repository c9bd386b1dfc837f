"""From a run folder to its trainer's job. Importing this imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.experiments.card import model_card
from hrmgym.experiments.loader import resolved
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.schema import Experiment
from hrmgym.policies.config import HRMPolicyConfig
from hrmgym.policies.hrm import checkpoint_options
from hrmgym.trainers.events import OnMetrics
from hrmgym.trainers.job import Job, OnProgress, pick_device
from hrmgym.trainers.threads import training_threads


def make_job(
    run: RunFolder, on_progress: OnProgress, on_metrics: OnMetrics | None = None
) -> Job[Any]:
    """What the trainer is asked to do.

    Args:
        run: Names the experiment, and where everything goes.
        on_progress: Called with (phase, done, total, text) as training goes on.
        on_metrics: Called with a step and what is logged at it.

    Raises:
        ConfigError: The experiment trains nothing, or asks for a device that is not there.
        CheckpointError: The checkpoint to start from cannot be used.
    """
    experiment = run.experiment
    policy, trainer = experiment.policy, experiment.trainer
    if trainer is None or not isinstance(policy, HRMPolicyConfig):
        raise ConfigError(f"experiment {experiment.name!r} trains nothing")
    return Job(
        config=trainer,
        model=checkpoint_options(policy),
        checkpoint=None if policy.checkpoint is None else Path(policy.checkpoint),
        make_env=partial(_make_env, experiment),
        train_split=experiment.benchmark.train_split,
        eval_split=experiment.benchmark.valid_split,
        seed=experiment.seed,
        device=pick_device(experiment.device),
        folder=run.checkpoints,
        tensorboard=run.tensorboard,
        card=model_card(run),
        on_progress=on_progress,
        on_metrics=on_metrics,
        resolved=resolved(experiment),
        hparams=dict(_flat(experiment.model_dump(mode="json"))),
    )


def job_threads(job: Job[Any], asked: int | None) -> int:
    """Threads that a job trains with, where the experiment asks for so many (None: not said)."""
    learning = job.config.supervised
    return training_threads(
        asked,
        int(job.model["hidden_size"]),
        workers=learning.workers if learning is not None else 0,
        device=job.device,
    )


def _flat(block: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in block.items():
        if key == "auth_token":  # event files are shared; a token is not
            continue
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _make_env(experiment: Experiment, split: str) -> SoftwareEnv:
    return SoftwareEnv(**experiment.env_kwargs(split))
