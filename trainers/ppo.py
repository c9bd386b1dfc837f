"""PPO over Stable-Baselines3: warm start, training, checkpoints, TensorBoard."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from hrmgym.errors import CheckpointError, HrmgymError, first_line
from hrmgym.hrm.checkpoint import save_checkpoint
from hrmgym.policies.hrm import HRMPolicy, edit_model_config, load_weights
from hrmgym.policies.memory import PreviousStep
from hrmgym.trainers.auxiliary import OutcomeLearning
from hrmgym.trainers.best import Best
from hrmgym.trainers.callbacks import EnvTags, KeepState, NetworkTags, StopWhenAsked
from hrmgym.trainers.config import PPOConfig, WarmStartConfig
from hrmgym.trainers.curriculum import Curriculum, CurriculumTags, with_curriculum
from hrmgym.trainers.data.selector import Selector
from hrmgym.trainers.events import StoppedByListener, describe, drop_after, make_logger
from hrmgym.trainers.job import Job, seed_everything
from hrmgym.trainers.learner import Learner
from hrmgym.trainers.masking import (
    JudgedEvalCallback,
    MaskedPPO,
    MaskedRolloutBuffer,
    MaskFailures,
)
from hrmgym.trainers.pretrain import supervised_run
from hrmgym.trainers.repair_examples import KeepExamples
from hrmgym.trainers.staged import with_stages
from hrmgym.trainers.stopping import stop_noted
from hrmgym.trainers.supervised_run import learn
from hrmgym.trainers.tags import EVAL_METRICS, PPO_METRICS

#: Must differ from the run's seed.
_EVAL_SEED = 2_000_003


def train_ppo(job: Job[PPOConfig], *, resume: bool = False) -> Path:
    """Trains and returns the checkpoint folder.

    On Ctrl-C, SIGTERM and SIGHUP, and when who listens to the metrics has had enough, the state is
    saved before the exception goes on; with `resume` the run goes on from it. `checkpoints/best`
    holds the weights with the best evaluation: by success rate, then by mean return. Random states
    are not saved, so a resumed run is as good as, and not equal to, one that was never interrupted.

    Raises:
        CheckpointError: a checkpoint is broken or belongs to another model.
    """
    seed_everything(job.seed)
    job.folder.mkdir(parents=True, exist_ok=True)
    config = job.config
    curriculum = None if config.curriculum == "none" else Curriculum(config.curriculum, job.seed)

    def training_env() -> gymnasium.Env[Any, Any]:
        made = with_stages(job.make_env(job.train_split))
        return _seen(job, made if curriculum is None else with_curriculum(made, curriculum))

    env = make_vec_env(
        training_env,
        n_envs=config.n_envs,
        seed=job.seed,
        env_kwargs=None,
    )
    try:
        if curriculum is not None and resume:  # the environments have told it their tasks
            curriculum.load(job.folder / "curriculum.json")
        model = _model(job, env, resume)
        if config.warm_start is not None and model.num_timesteps == 0:
            _warm_start(job, model, config.warm_start)
            save_policy(job, model, "warm-start")
        _learn(job, model, curriculum)
        return save_policy(job, model)
    finally:
        env.close()


def _seen(job: Job[PPOConfig], env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """The environment as the policy needs to see it."""
    # What depends on the step before does not depend on the canvas's length.
    return PreviousStep(env) if edit_model_config(64, job.model).remembers else env


def save_policy(
    job: Job[PPOConfig], model: PPO, name: str = "latest", more: Mapping[str, float] | None = None
) -> Path:
    """Writes a checkpoint to share; its `extra` holds the number of steps, and `more`."""
    assert isinstance(model.policy, HRMPolicy)
    folder = job.folder / name
    extra = {"num_timesteps": int(model.num_timesteps)} | dict(more or {})
    save_checkpoint(folder, model.policy.model, job.card, extra)
    return folder


def _model(job: Job[PPOConfig], env: VecEnv, resume: bool) -> PPO:
    config = job.config
    saved = job.folder / "ppo.zip"
    states = [saved, job.folder / "warm-start.pt"]  # the first that is there is gone on from
    times = [one.stat().st_mtime for one in states if one.exists()]
    drop_after(job.tensorboard, times[0] if resume and times else 0.0)
    logger = make_logger(job.tensorboard, job.on_metrics)
    if resume and saved.exists():
        model = resumed_ppo(saved, env, job.device)
    else:
        model = MaskedPPO(
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
            rollout_buffer_class=MaskedRolloutBuffer,
            policy_kwargs={"model": dict(job.model)},
            seed=job.seed,
            device=job.device,
        )
        assert isinstance(model.policy, HRMPolicy)
        if job.checkpoint is not None:
            load_weights(model.policy, job.checkpoint)
    model.set_logger(logger)
    metrics = PPO_METRICS + (EVAL_METRICS if config.eval_every is not None else ())
    describe(logger, job.resolved, job.hparams, metrics, model.num_timesteps)
    return model


def resumed_ppo(saved: Path, env: VecEnv, device: str) -> MaskedPPO:
    """The saved state of a training, to go on with.

    Raises:
        CheckpointError: it is broken.
    """
    try:
        with warnings.catch_warnings():  # what cannot be unpickled is left out, with a warning
            warnings.simplefilter("error")
            model = MaskedPPO.load(saved, env=env, device=device)
    except Exception as error:  # a broken zip or pickle may raise anything
        reason = first_line(error)
        raise CheckpointError(f"{saved}: cannot be resumed from: {reason}") from error
    return model


def _warm_start(job: Job[PPOConfig], model: PPO, config: WarmStartConfig) -> None:
    policy = model.policy
    assert isinstance(policy, HRMPolicy)
    config = config.fitted(policy.model.config.hidden_size)
    selector = Selector() if config.selector else None
    learner = Learner(policy.model, config, job.device, selector)
    run = supervised_run(job, config, learner, model.logger, "warm-start", "warm start")
    learn(learner, run)
    learner.keep_average()
    policy.set_training_mode(False)


class _ReportSteps(BaseCallback):
    def __init__(self, job: Job[PPOConfig]) -> None:
        super().__init__()
        self._job = job

    def _on_step(self) -> bool:
        done, total = self.num_timesteps, self._job.config.total_timesteps
        rate = self.model.ep_success_buffer
        text = f"solved {np.mean(rate):.2f} of the last {len(rate)} episodes" if rate else ""
        self._job.on_progress("ppo", min(done, total), total, text)
        return True


def _learn(job: Job[PPOConfig], model: PPO, curriculum: Curriculum | None) -> None:
    left = job.config.total_timesteps - model.num_timesteps
    if left <= 0:
        return
    saved = job.folder / "ppo.zip"

    def save() -> Path:
        scratch = job.folder / "ppo.partial.zip"
        model.save(scratch)
        scratch.replace(saved)
        if curriculum is not None:
            curriculum.save(job.folder / "curriculum.json")
        return save_policy(job, model)

    callbacks: list[BaseCallback] = [
        _ReportSteps(job),
        MaskFailures(),
        EnvTags(),
        NetworkTags(),
        OutcomeLearning(job.config.losses),
        KeepState(job.config.checkpoint_every, save),
    ]
    if curriculum is not None:
        callbacks.append(CurriculumTags(curriculum))
    eval_env = evaluation = None
    if job.config.eval_every is not None:
        eval_env = make_vec_env(
            lambda: KeepExamples(_seen(job, job.make_env(job.eval_split))),
            n_envs=1,
            seed=job.seed + _EVAL_SEED,
        )
        evaluation = JudgedEvalCallback(
            eval_env,
            Best(
                job.folder,
                ("success_rate", "mean_reward"),
                lambda name, more: save_policy(job, model, name, more),
            ),
            n_eval_episodes=job.config.eval_episodes,
            eval_freq=max(1, job.config.eval_every // job.config.n_envs),
            deterministic=True,
            verbose=0,
        )
        callbacks.append(evaluation)
    buffer = model.rollout_buffer
    assert isinstance(buffer, MaskedRolloutBuffer)
    try:
        with stop_noted() as asked:
            callbacks.append(StopWhenAsked(asked))
            buffer.before_minibatch = asked.act
            if evaluation is not None:
                evaluation.after_step = asked.act
            model.learn(left, callback=CallbackList(callbacks), reset_num_timesteps=False)
            save()
            asked.act()
    except (KeyboardInterrupt, StoppedByListener, HrmgymError, OSError):
        # Not after any error: where the weights are no numbers any more, the last state is better.
        save()
        raise
    finally:
        if eval_env is not None:
            eval_env.close()
