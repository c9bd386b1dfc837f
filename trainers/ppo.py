"""PPO over Stable-Baselines3: warm start, training, checkpoints, TensorBoard."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv

from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.hrm.checkpoint import save_checkpoint
from hrmgym.policies.hrm import HRMPolicy, load_weights
from hrmgym.trainers.bug_stream import (
    BugStream,
    Sample,
    benchmark_examples,
    broken,
    stdlib_programs,
)
from hrmgym.trainers.callbacks import EnvTags, KeepState, NetworkTags
from hrmgym.trainers.config import PPOConfig, WarmStartConfig
from hrmgym.trainers.warm_start import Progress, warm_start

_HELD_OUT_SHARE = 0.02
_HELD_OUT_SAMPLES = 256
#: Seeds that must differ from the run's, each for one purpose.
_HELD_OUT_SEED, _EVAL_SEED = 1_000_003, 2_000_003

MakeEnv = Callable[[str], gymnasium.Env[Any, Any]]
#: Called with (phase, done, total, text) as training goes on.
OnProgress = Callable[[str, int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One training run: what, where and how."""

    config: PPOConfig
    model: Mapping[str, Any]
    """Keys of `EditModelConfig`; those of the checkpoint where one is given."""
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
    """Where checkpoints go: `warm-start/` and `latest/` to share, `ppo.zip` and `warm-start.pt` to
    resume."""
    tensorboard: Path
    card: str
    """Text of the model card."""
    on_progress: OnProgress = field(default=lambda phase, done, total, text: None)


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


def train_ppo(job: Job, *, resume: bool = False) -> Path:
    """Trains and returns the checkpoint folder.

    On Ctrl-C the state is saved before KeyboardInterrupt goes on; with `resume` the run goes on
    from it. Random states are not saved, so a resumed run is as good as, and not equal to, one
    that was never interrupted.

    Raises:
        CheckpointError: a checkpoint is broken or belongs to another model.
    """
    seed_everything(job.seed)
    job.folder.mkdir(parents=True, exist_ok=True)
    config = job.config
    env = make_vec_env(
        lambda: job.make_env(job.train_split),
        n_envs=config.n_envs,
        seed=job.seed,
        env_kwargs=None,
    )
    try:
        model = _model(job, env, resume)
        if config.warm_start is not None and model.num_timesteps == 0:
            _warm_start(job, model, config.warm_start)
            save_policy(job, model, "warm-start")
        _learn(job, model)
        return save_policy(job, model)
    finally:
        env.close()


def seed_everything(seed: int) -> None:
    """Seeds Python's, NumPy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def save_policy(job: Job, model: PPO, name: str = "latest") -> Path:
    """Writes a checkpoint to share."""
    assert isinstance(model.policy, HRMPolicy)
    folder = job.folder / name
    save_checkpoint(
        folder, model.policy.model, job.card, {"num_timesteps": int(model.num_timesteps)}
    )
    return folder


def _model(job: Job, env: VecEnv, resume: bool) -> PPO:
    config = job.config
    logger = configure(str(job.tensorboard), ["tensorboard"])
    saved = job.folder / "ppo.zip"
    if resume and saved.exists():
        try:
            model = PPO.load(saved, env=env, device=job.device)
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise CheckpointError(f"{saved}: cannot be resumed from: {error}") from error
    else:
        model = PPO(
            HRMPolicy,
            env,
            learning_rate=config.learning_rate,
            n_steps=config.n_steps,
            batch_size=config.batch_size,
            n_epochs=config.n_epochs,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
            clip_range=config.clip_range,
            ent_coef=config.ent_coef,
            vf_coef=config.vf_coef,
            max_grad_norm=config.max_grad_norm,
            target_kl=config.target_kl,
            policy_kwargs={"model": dict(job.model)},
            seed=job.seed,
            device=job.device,
        )
        assert isinstance(model.policy, HRMPolicy)
        if job.checkpoint is not None:
            load_weights(model.policy, job.checkpoint)
    model.set_logger(logger)
    return model


def _warm_start(job: Job, model: PPO, config: WarmStartConfig) -> None:
    policy = model.policy
    assert isinstance(policy, HRMPolicy)
    stream, held_out = bug_samples(job, config, policy.model.config.max_span)

    def report(progress: Progress) -> None:
        text = f"{progress.samples_per_s:.0f} samples/s, loss {progress.loss:.2f}"
        job.on_progress("warm start", progress.samples, progress.total, text)

    state_file = job.folder / "warm-start.pt"
    warm_start(policy, stream, held_out, config, model.logger, state_file, report)


def bug_samples(job: Job, config: WarmStartConfig, max_span: int) -> tuple[BugStream, list[Sample]]:
    """The training stream, and held-out samples of programs that it does not hold."""
    programs = stdlib_programs(config.max_lines)
    held = max(1, round(_HELD_OUT_SHARE * len(programs)))
    order = np.random.default_rng(job.seed).permutation(len(programs))
    train = [programs[index] for index in order[held:]]
    held_programs = [programs[index] for index in order[:held]]
    env = job.make_env(job.train_split)
    try:
        base = env.unwrapped
        assert isinstance(base, SoftwareEnv)
        interface = base.interface
        if not isinstance(interface, EditInterface):
            raise ConfigError("a warm start needs interface='edit'")
        examples: list[Sample] = []
        if config.benchmark_share > 0:
            tasks = base.benchmark.tasks(job.train_split)
            examples = benchmark_examples(base, tasks, seed=job.seed, max_span=max_span)
    finally:
        env.close()
    stream = BugStream(
        train,
        interface,
        seed=job.seed,
        max_span=max_span,
        examples=examples,
        example_share=config.benchmark_share,
    )
    rng = np.random.default_rng(job.seed + _HELD_OUT_SEED)
    held_out: list[Sample] = []
    for program in held_programs * 8:
        made = broken(program, interface, rng, max_span)
        if made is not None:
            held_out.append(made)
        if len(held_out) == _HELD_OUT_SAMPLES:
            break
    return stream, held_out


class _ReportSteps(BaseCallback):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def _on_step(self) -> bool:
        done, total = self.num_timesteps, self._job.config.total_timesteps
        rate = self.model.ep_success_buffer
        text = f"solved {np.mean(rate):.2f} of the last {len(rate)} episodes" if rate else ""
        self._job.on_progress("ppo", min(done, total), total, text)
        return True


def _learn(job: Job, model: PPO) -> None:
    left = job.config.total_timesteps - model.num_timesteps
    if left <= 0:
        return
    saved = job.folder / "ppo.zip"

    def save() -> Path:
        scratch = job.folder / "ppo.partial.zip"
        model.save(scratch)
        scratch.replace(saved)
        return save_policy(job, model)

    callbacks: list[BaseCallback] = [
        _ReportSteps(job),
        EnvTags(),
        NetworkTags(),
        KeepState(job.config.checkpoint_every, save),
    ]
    eval_env = None
    if job.config.eval_every is not None:
        eval_env = make_vec_env(
            lambda: job.make_env(job.eval_split), n_envs=1, seed=job.seed + _EVAL_SEED
        )
        callbacks.append(
            EvalCallback(
                eval_env,
                n_eval_episodes=job.config.eval_episodes,
                eval_freq=max(1, job.config.eval_every // job.config.n_envs),
                deterministic=True,
                verbose=0,
            )
        )
    try:
        model.learn(left, callback=CallbackList(callbacks), reset_num_timesteps=False)
        save()
    except KeyboardInterrupt:
        save()
        raise
    finally:
        if eval_env is not None:
            eval_env.close()
