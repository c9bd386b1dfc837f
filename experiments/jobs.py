"""From a run folder to its trainer's job. Importing this imports torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.experiments.card import model_card
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.schema import Experiment
from hrmgym.policies.config import HRMConfig
from hrmgym.policies.hrm import checkpoint_options
from hrmgym.trainers.job import Job, OnProgress, pick_device


def make_job(run: RunFolder, on_progress: OnProgress) -> Job[Any]:
    """What the trainer is asked to do.

    Args:
        run: Names the experiment, and where everything goes.
        on_progress: Called with (phase, done, total, text) as training goes on.

    Raises:
        ConfigError: The experiment trains nothing, or asks for a device that is not there.
        CheckpointError: The checkpoint to start from cannot be used.
    """
    experiment = run.experiment
    policy, trainer = experiment.policy, experiment.trainer
    if trainer is None or not isinstance(policy, HRMConfig):
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
    )


def _make_env(experiment: Experiment, split: str) -> SoftwareEnv:
    return SoftwareEnv(**experiment.env_kwargs(split))
