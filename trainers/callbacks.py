"""Callbacks of PPO runs: what the environments and the network say, and checkpoints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from hrmgym.policies.hrm import HRMPolicy
from hrmgym.trainers.gradients import gradient_norms
from hrmgym.trainers.stopping import Asked


class EnvTags(BaseCallback):
    """Logs the `env/` tags: means over the rollout's steps and episodes."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, list[float]] = defaultdict(list)

    def _on_step(self) -> bool:
        for info, done in zip(self.locals["infos"], self.locals["dones"], strict=True):
            if info["failure"]:  # says nothing of the policy
                continue
            self._add("refused", bool(info["refused"]))
            self._add("edits", info["tool"] == "edit")
            self._add("tests_passed", info["tests_passed"])
            if done:
                self._add("test_runs", info["test_runs"])
                for name in {"repeats", "near_limit"} & info.keys():  # under staged limits
                    self._add(name, info[name])
            for term, value in info["rewards"].items():
                self._add(f"reward_{term}", value)
        return True

    def _add(self, name: str, value: Any) -> None:
        self._values[name].append(float(value))

    def _on_rollout_end(self) -> None:
        for name, values in self._values.items():
            self.logger.record(f"env/{name}", float(np.mean(values)))
        self._values.clear()


class NetworkTags(BaseCallback):
    """Logs the `hrm/grad_norm_*` tags of the update before."""

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        policy = self.model.policy
        assert isinstance(policy, HRMPolicy)
        if self.model._n_updates:
            for name, norm in gradient_norms(policy.model).items():
                self.logger.record(f"hrm/grad_norm_{name}", norm)


class StopWhenAsked(BaseCallback):
    """Ends the training between two steps once a signal has asked for it."""

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self._asked = asked

    def _on_step(self) -> bool:
        self._asked.act()
        return True


class KeepState(BaseCallback):
    """Saves what `resume` needs, every so many steps, always at the end of an update."""

    def __init__(self, every: int, save: Callable[[], Path]) -> None:
        super().__init__()
        self._every, self._save = every, save
        self._last = 0

    def _on_training_start(self) -> None:
        self._last = self.num_timesteps

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps - self._last >= self._every:
            self._save()
            self._last = self.num_timesteps
