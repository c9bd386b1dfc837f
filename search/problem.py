"""What a tree search is given: states, their actions, and what each action leads to."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

State = TypeVar("State")
Action = TypeVar("Action")


@dataclass(frozen=True, slots=True)
class Evaluation(Generic[Action]):
    """What a policy and a value say of one state."""

    actions: Sequence[Action]
    """The most probable first; none where a state is an end."""
    priors: Sequence[float]
    """Their probabilities, as many, none 0."""
    value: float
    """What a search from there may expect, between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Step(Generic[State]):
    """What an action leads to."""

    state: State
    reward: float = 0.0
    done: bool = False
    """Whether nothing can follow."""
    proven: bool = False
    """Whether it is a success that nothing can take back: the search is through."""
    runs: int = 0
    """Test runs that it took."""


class Problem(Protocol[State, Action]):
    """A deterministic problem with rewards and values between 0 and 1."""

    def evaluate(self, states: Sequence[State]) -> Sequence[Evaluation[Action]]:
        """What is known of some states, of several trees perhaps: one batch for a network."""

    def step(self, state: State, action: Action) -> Step[State]:
        """What an action leads to. The same action of the same state leads to the same.

        Raises:
            SandboxError: nothing is known of it; the search is not to go on.
        """

    def key(self, state: State) -> Hashable:
        """The same for states from which everything is the same, however they were reached."""
