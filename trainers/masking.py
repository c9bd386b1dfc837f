"""PPO that learns nothing from steps without a verdict.

Where the sandbox fails, an environment truncates the episode with a code in `info["failure"]`. What
such a step was worth is unknown, so it takes no part in the loss, and earlier steps of its episode
are bootstrapped from the value there, as if the rollout had ended before it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.type_aliases import DictRolloutBufferSamples
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from hrmgym.trainers.best import Best
from hrmgym.trainers.repair_examples import log_examples


class MaskedRolloutBuffer(DictRolloutBuffer):
    """A rollout some of whose steps are not learnt from."""

    valid: npt.NDArray[np.bool_]  # [steps, environments]
    before_minibatch: Callable[[], None] = staticmethod(lambda: None)
    """Called between two updates; what it raises ends the training there."""

    def reset(self) -> None:
        """Empties the buffer; every step counts again."""
        super().reset()
        self.valid = np.ones((self.buffer_size, self.n_envs), dtype=np.bool_)

    def mask(self, environment: int) -> None:
        """Leaves out the step that is added next for that environment."""
        self.valid[self.pos, environment] = False

    def add(  # type: ignore[override]
        self,
        obs: dict[str, npt.NDArray[Any]],
        action: npt.NDArray[Any],
        reward: npt.NDArray[Any],
        episode_start: npt.NDArray[Any],
        value: torch.Tensor,
        log_prob: torch.Tensor,
    ) -> None:
        """Adds a step of each environment. A step that is left out is worth what its value says, so
        its temporal difference, which earlier advantages take up, is 0."""
        worth = value.detach().cpu().numpy().reshape(self.n_envs)
        reward = np.where(self.valid[self.pos], reward, worth)
        super().add(obs, action, reward, episode_start, value, log_prob)

    def get(  # type: ignore[override]
        self, batch_size: int | None = None
    ) -> Generator[DictRolloutBufferSamples, None, None]:
        """Minibatches as Stable-Baselines3 draws them, without the steps that do not count."""
        for one in super().get(batch_size):
            self.before_minibatch()
            if len(one.actions):
                yield one

    def _get_samples(  # type: ignore[override]
        self, batch_inds: npt.NDArray[np.int64], env: VecNormalize | None = None
    ) -> DictRolloutBufferSamples:
        counts = self.swap_and_flatten(self.valid).ravel()
        return super()._get_samples(batch_inds[counts[batch_inds]], env)


class MaskedPPO(PPO):
    """PPO over a `MaskedRolloutBuffer`; a rollout in which no step counts changes nothing."""

    def train(self) -> None:
        """Updates the policy from the rollout."""
        buffer = self.rollout_buffer
        assert isinstance(buffer, MaskedRolloutBuffer)
        if buffer.valid.any():
            super().train()


class MaskFailures(BaseCallback):
    """Leaves steps without a verdict out of the loss and out of the rates, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def _on_rollout_start(self) -> None:
        self._count = 0

    def _on_step(self) -> bool:
        buffer = self.locals["rollout_buffer"]
        assert isinstance(buffer, MaskedRolloutBuffer)
        for number, info in enumerate(self.locals["infos"]):
            if info["failure"]:
                buffer.mask(number)
                self._count += 1
                # Stable-Baselines3 makes its means and rates of these.
                info.pop("episode", None)
                info.pop("is_success", None)
        return True

    def _on_rollout_end(self) -> None:
        self.logger.record("env/failures", self._count)


class JudgedEvalCallback(EvalCallback):
    """An evaluation whose success rate is that of the episodes with a verdict.

    It keeps the best weights, and logs what `KeepExamples` kept.

    Args:
        eval_env: Evaluated in; its environments are `KeepExamples`.
        best: Is offered every evaluation.
        **options: Those of `EvalCallback`.
    """

    def __init__(self, eval_env: VecEnv, best: Best, **options: Any) -> None:
        super().__init__(eval_env, **options)
        self._best = best
        self.after_step: Callable[[], None] = lambda: None
        """Called after each step; what it raises ends the training there."""

    def _init_callback(self) -> None:
        super()._init_callback()
        # A run that goes on evaluates where it would have, had it not been stopped.
        self.n_calls = self.num_timesteps // self.training_env.num_envs

    def _on_step(self) -> bool:
        going = bool(super()._on_step())
        if self.eval_freq > 0 and self.n_calls % self.eval_freq == 0:
            metrics = {"mean_reward": float(self.last_mean_reward)}
            if self._is_success_buffer:
                metrics["success_rate"] = float(np.mean(self._is_success_buffer))
            self._best.offer(metrics)
            examples = [one for kept in self.eval_env.env_method("take") for one in kept]
            log_examples(self.logger, examples)
            self.logger.dump(self.num_timesteps)
        return going

    def _log_success_callback(self, locals_: dict[str, Any], globals_: dict[str, Any]) -> None:
        self.after_step()
        if not locals_["info"]["failure"]:
            super()._log_success_callback(locals_, globals_)
