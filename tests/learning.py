"""Small things that tests of training share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.logger import Logger

from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.rewards import RewardConfig
from hrmgym.envs.software import SoftwareEnv
from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies.hrm import edit_model_config
from hrmgym.tests.tiny import CLAMP_FIXED, DOUBLE_FIXED, Tiny
from hrmgym.trainers.config import PPOConfig, PretrainConfig, WarmStartConfig
from hrmgym.trainers.data.bug_stream import BugStream, Program, Sample
from hrmgym.trainers.job import Job
from hrmgym.trainers.learner import Learner
from hrmgym.trainers.supervised_run import Run

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


def run(state_file: Path, **changes: Any) -> Run[Sample]:
    options: dict[str, Any] = {
        "stream": stream(),
        "logger": Logger(None, []),
        "state_file": state_file,
    }
    return Run(**(options | changes))


PPO_MODEL = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1}


def _make_env(split: str) -> SoftwareEnv:
    rewards = RewardConfig().model_dump()  # every term, as an experiment has them
    return SoftwareEnv(Tiny(), split=split, canvas=96, max_steps=2, rewards=rewards)


def supervised_job(folder: Path, of: Any) -> Job[Any]:
    """A supervised training on the tiny benchmark."""
    few_threads()
    return Job(
        config=of,
        model=SHAPE,
        checkpoint=None,
        make_env=_make_env,
        train_split="train",
        eval_split="test",
        seed=0,
        device="cpu",
        folder=folder,
        tensorboard=folder / "tensorboard",
        card="card",
    )


def ppo_job(folder: Path, warm: bool = False, **options: Any) -> Job[PPOConfig]:
    """A short PPO run on the tiny benchmark; `options` are those of its config."""
    few_threads()
    fields: dict[str, Any] = {
        "kind": "ppo",
        "total_timesteps": 64,
        "n_envs": 2,
        "n_steps": 16,
        "batch_size": 16,
        "n_epochs": 1,
        "checkpoint_every": 32,
    }
    if warm:
        fields["warm_start"] = WarmStartConfig(
            samples=1280, batch_size=32, benchmark_share=0.5, held_out=2, evaluate_every=40
        )
    seen = options.pop("on_progress", lambda *_: None)
    heard = options.pop("on_metrics", None)
    return Job(
        config=PPOConfig(**(fields | options)),
        model=PPO_MODEL,
        checkpoint=None,
        make_env=_make_env,
        train_split="train",
        eval_split="test",
        seed=0,
        device="cpu",
        folder=folder / "checkpoints",
        tensorboard=folder / "tensorboard",
        card="card",
        on_progress=seen,
        on_metrics=heard,
        resolved="seed: 0",
        hparams={"seed": 0, "trainer.gamma": 0.99, "score.k": [1], "benchmark.path": None},
    )
