"""Small things that tests of supervised training share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.logger import Logger

from hrmgym.envs.interfaces import EditInterface
from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies.hrm import edit_model_config
from hrmgym.tests.tiny import CLAMP_FIXED, DOUBLE_FIXED
from hrmgym.trainers.bug_stream import BugStream, Program
from hrmgym.trainers.config import PretrainConfig
from hrmgym.trainers.learner import Learner
from hrmgym.trainers.pretrain import Run

INTERFACE = EditInterface(96)
PROGRAMS = [Program("double", DOUBLE_FIXED, ""), Program("clamp", CLAMP_FIXED, "")]
SHAPE = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1, "dtype": "float32"}


def stream(seed: int = 0) -> BugStream:
    return BugStream(PROGRAMS, INTERFACE, seed=seed, max_span=32)


def few_threads() -> None:
    """Small tensors gain nothing from more than one thread."""
    torch.set_num_threads(1)


def network(seed: int = 0) -> EditModel:
    few_threads()
    torch.manual_seed(seed)
    return EditModel(edit_model_config(96, SHAPE))


def config(**changes: Any) -> PretrainConfig:
    options: dict[str, Any] = {
        "kind": "pretrain",
        "samples": 256,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "warm_up": 64,
        "ema": 0.9,
        "workers": 0,
        "evaluate_every": 1000,
    }
    return PretrainConfig(**(options | changes))


def learner(seed: int = 0, **changes: Any) -> Learner:
    return Learner(network(seed), config(**changes).fitted(32))


def run(state_file: Path, **changes: Any) -> Run:
    options: dict[str, Any] = {
        "stream": stream(),
        "held_out": {},
        "interface": INTERFACE,
        "logger": Logger(None, []),
        "state_file": state_file,
    }
    return Run(**(options | changes))
