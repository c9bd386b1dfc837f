"""What every trainer is told: the configuration, where things go, and who watches."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import gymnasium
import numpy as np
import torch

from hrmgym.config import Block
from hrmgym.errors import ConfigError
from hrmgym.trainers.events import OnMetrics

C = TypeVar("C", bound=Block, covariant=True)

MakeEnv = Callable[[str], gymnasium.Env[Any, Any]]
#: Called with (phase, done, total, text) as training goes on.
OnProgress = Callable[[str, int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[C]):
    """One training run: what, where and how."""

    config: C
    model: Mapping[str, Any]
    """Keys of `HRMPolicyConfig` that say what the network is; those of the checkpoint where one is
    given."""
    checkpoint: Path | None
    """Weights to start from."""
    make_env: MakeEnv
    """Split -> environment with the `edit` interface."""
    train_split: str
    eval_split: str
    """Split of the `eval/` tags; never the one that scores are made on."""
    seed: int
    device: str
    folder: Path
    """Where checkpoints go: `latest/` and others to share, `ppo.zip` and `*.pt` to resume."""
    tensorboard: Path
    card: str
    """Text of the model card."""
    on_progress: OnProgress = field(default=lambda phase, done, total, text: None)
    on_metrics: OnMetrics | None = None
    """Told of every scalar that is logged. What it raises ends the training, its state saved."""
    resolved: str = ""
    """The experiment as YAML, and by dotted key; logged."""
    hparams: Mapping[str, Any] = field(default_factory=dict)


def pick_device(name: str) -> str:
    """`auto` as CUDA, then MPS, then the CPU; any other name as it is.

    Raises:
        ConfigError: the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    count = torch.cuda.device_count()
    there = {"cpu", *(["cuda"] if count else []), *(f"cuda:{n}" for n in range(count))}
    if torch.backends.mps.is_available():
        there.add("mps")
    if name not in there:
        raise ConfigError(f"device {name!r} is not there; use auto")
    return name


def seed_everything(seed: int) -> None:
    """Seeds Python's, NumPy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
