"""What PPO's own loss does not teach: to foretell outcomes, and to use all adapters.

After each of PPO's updates, one pass over the same rollout trains with the loss terms of the
`rollout` phase: the outcome head and the learned router, each where there is one, what else
`trainer.losses` names, and through them the shared network. A phase of its own, as in phasic policy
gradient (Cobbe et al. 2021, arXiv 2009.04416), leaves Stable-Baselines3's loss alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from hrmgym.policies.hrm import HRMPolicy
from hrmgym.trainers.gradients import gradient_norms
from hrmgym.trainers.loss_terms import Weighted, weighted_sum
from hrmgym.trainers.losses import Outcomes, rollout_terms


class OutcomeLearning(BaseCallback):
    """Trains on what each action of the rollout led to; logs the terms, each under its tag.

    Args:
        losses: Name -> weight of terms, from the configuration.
    """

    def __init__(self, losses: Mapping[str, float | None]) -> None:
        super().__init__()
        self._losses = losses
        self._terms: list[Weighted] = []
        self._shares: list[list[float]] = []
        self._known: list[list[bool]] = []
        self._rollout: tuple[dict[str, Tensor], Tensor, Tensor, Tensor] | None = None

    @property
    def _policy(self) -> HRMPolicy:
        policy = self.model.policy
        assert isinstance(policy, HRMPolicy)
        return policy

    def _init_callback(self) -> None:
        self._terms = rollout_terms(self._policy.model, self._losses)

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        self._shares.append([float(info["tests_passed"]) for info in infos])
        self._known.append([bool(info["tests"]) and not info["failure"] for info in infos])
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.locals["rollout_buffer"]
        assert isinstance(buffer, DictRolloutBuffer)
        if self._terms:
            self._rollout = (
                {key: self._flat(value) for key, value in buffer.observations.items()},
                self._flat(buffer.actions).long(),
                self._flat(np.array(self._shares, dtype=np.float32)),
                self._flat(np.array(self._known)),
            )
        self._shares, self._known = [], []

    def _flat(self, values: npt.NDArray[np.generic]) -> Tensor:
        """[steps, environments, ...] as rows, copied before the buffer is used again."""
        return torch.as_tensor(
            values.reshape(-1, *values.shape[2:]).copy(), device=self._policy.device
        )

    def _on_rollout_start(self) -> None:
        model = self._policy.model
        if model.config.reverse.kind != "off":
            self.logger.record("hrm/alpha", float(torch.tanh(model.outcome_gate.alpha.detach())))
        if self._rollout is not None:
            observations, actions, shares, known = self._rollout
            self._rollout = None
            self._train(observations, actions, shares, known)

    def _train(
        self, observations: dict[str, Tensor], actions: Tensor, shares: Tensor, known: Tensor
    ) -> None:
        policy, ppo = self._policy, self.model
        assert isinstance(ppo, PPO)
        model = policy.model
        policy.set_training_mode(True)
        totals: dict[str, list[float]] = {}
        rows = len(actions)
        order = torch.as_tensor(np.random.permutation(rows), device=actions.device)
        for index in torch.split(order, ppo.batch_size):
            encoded = model.encode({key: value[index] for key, value in observations.items()})
            seen = Outcomes(
                model=model,
                encoded=encoded,
                actions=actions[index],
                shares=shares[index],
                known=known[index],
            )
            loss, metrics = weighted_sum(self._terms, seen)
            policy.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(policy.parameters(), ppo.max_grad_norm)
            policy.optimizer.step()
            for tag, value in metrics.items():
                totals.setdefault(tag, []).append(value)
        policy.set_training_mode(False)
        for tag, values in totals.items():
            self.logger.record(tag, float(np.mean(values)))
        if any(one.name == "outcome" for one in self._terms):
            norm = gradient_norms(model)["outcome_head"]
            self.logger.record("hrm/grad_norm_outcome_head", norm)
