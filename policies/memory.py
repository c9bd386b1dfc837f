"""The step before, as part of an observation: what policies that remember are trained on."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from hrmgym.envs.interfaces.edit import BUDGET
from hrmgym.errors import ConfigError
from hrmgym.policies.base import Observation

#: What the numbers of `last_outcome` say. All are 0 at the first step of an episode.
OUTCOME = (
    "present",
    "changed",  # the canvas is another one: the action was not refused
    "tested_before",  # the visible tests had been run on the files as they then were
    "passed_before",  # share of them that passed; 0 where they had not been run
    "tested",  # the same of the files as they are now
    "passed",
)


def what_came(before: Observation, now: Observation) -> npt.NDArray[np.float32]:
    """Features of a step's outcome, named by `OUTCOME`, from what was seen around it: [F]."""
    changed = not np.array_equal(before["tokens"], now["tokens"])
    values = [1.0, float(changed), *_tests(before), *_tests(now)]
    return np.array(values, dtype=np.float32)


def _tests(observation: Observation) -> tuple[float, float]:
    budget = observation["budget"]
    passed, total = (int(budget[BUDGET.index(f"tests_{name}")]) for name in ("passed", "total"))
    return (1.0, passed / total) if total else (0.0, 0.0)


class PreviousStep(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds the step before to the observations of the `edit` interface.

    The further keys: `previous_tokens` and `previous_roles` [L], `previous_budget` [8],
    `previous_action` [3 + R], all int32, and `last_outcome` float32 [F] (see `OUTCOME`).
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        space, actions = env.observation_space, env.action_space
        if not isinstance(space, spaces.Dict) or not isinstance(actions, spaces.MultiDiscrete):
            raise ConfigError("PreviousStep needs the observations of interface='edit'")
        parts: dict[str, spaces.Space[Any]] = dict(space.spaces)
        for key in ("tokens", "roles", "budget"):
            parts[f"previous_{key}"] = space[key]
        high = actions.nvec.astype(np.int32) - 1
        parts["previous_action"] = spaces.Box(np.zeros_like(high), high, dtype=np.int32)
        parts["last_outcome"] = spaces.Box(0.0, 1.0, (len(OUTCOME),), np.float32)
        self.observation_space = spaces.Dict(parts)
        self._last: Observation = {}

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """As the environment's own."""
        observation, info = self.env.reset(**options)
        self._last = observation
        space = self.observation_space
        assert isinstance(space, spaces.Dict)
        nothing = {
            key: np.zeros_like(part.low)
            for key, part in space.spaces.items()
            if isinstance(part, spaces.Box) and key not in observation
        }
        return {**observation, **nothing}, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the environment's own."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        before, self._last = self._last, observation
        return (
            {
                **observation,
                **{f"previous_{key}": before[key] for key in ("tokens", "roles", "budget")},
                "previous_action": np.asarray(action).astype(np.int32),
                "last_outcome": what_came(before, observation),
            },
            reward,
            terminated,
            truncated,
            info,
        )
