"""The Policy protocol: what acts, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
import numpy.typing as npt

Observation = Mapping[str, npt.NDArray[Any]]
#: An action as its environment's `action_space` has it.
Action = Any
#: What a policy carries through an episode; None at the first step. Opaque to everybody else.
PolicyState = Any


@dataclass(frozen=True, slots=True)
class Spaces:
    """All that a policy is told of the environment that it is made for."""

    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    interface: str
    """Name of the `SoftwareEnv` interface whose spaces these are; empty where it is none's."""

    @staticmethod
    def of(env: gymnasium.Env[Any, Any]) -> Spaces:
        """Those of an environment."""
        base = env.unwrapped
        same = env.action_space == base.action_space  # else a wrapper has others
        name = getattr(base, "interface_name", "") if same else ""
        return Spaces(env.observation_space, env.action_space, name)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One complete action with its log-probability under the policy."""

    action: npt.NDArray[np.int64]
    log_prob: float


@dataclass(frozen=True, slots=True)
class Proposals:
    """The best actions, most probable first, and the value of the state that they start from."""

    actions: Sequence[Proposal]
    value: float


@runtime_checkable
class Policy(Protocol):
    """Acts in one environment."""

    def act(
        self, observation: Observation, *, state: PolicyState = None, deterministic: bool = False
    ) -> tuple[Action, PolicyState]:
        """One action, and the state to pass at the next step of the same episode."""
        ...


@runtime_checkable
class Proposer(Policy, Protocol):
    """A policy that can be searched with."""

    def propose(self, observation: Observation, k: int) -> Proposals:
        """The k best complete actions from one forward pass."""
        ...

    def propose_batch(self, observations: Sequence[Observation], k: int) -> list[Proposals]:
        """What `propose` says of each observation, from one forward pass over all."""
        ...


@runtime_checkable
class KnowsSolutions(Policy, Protocol):
    """A bound and no competitor: it alone is given the environment, and so sees everything."""

    knows_solutions: bool

    def begin(self, env: gymnasium.Env[Any, Any]) -> None:
        """Plays in this environment from here on; called after each reset."""
        ...
