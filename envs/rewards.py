"""Rewards: named terms that sum to the reward, so that each can be weighed and logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from hrmgym.config import Block
from hrmgym.envs.state import State
from hrmgym.errors import ConfigError, UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step, as reward terms see it."""

    before: State
    after: State
    refused: bool
    """Whether the action was not legal here."""
    terminated: bool
    solved: bool
    """Whether this step ended the episode with every hidden test passing."""


RewardTerm = Callable[[Transition], float]


@dataclass(frozen=True, slots=True)
class Term:
    """Marks a key of `RewardConfig` with what its weight multiplies."""

    function: RewardTerm


class RewardConfig(Block):
    """Weights of the reward's terms; the reward of a step is their sum."""

    solved: Annotated[float, Term(lambda step: float(step.solved))] = 1.0
    """Given once, when the hidden tests pass."""
    progress: Annotated[float, Term(lambda step: step.after.passing - step.before.passing)] = 0.2
    """Times the change in the share of visible tests that pass."""
    illegal: Annotated[float, Term(lambda step: float(step.refused))] = -0.05
    """Given for an action that is refused."""
    step: Annotated[float, Term(lambda step: 1.0)] = -0.01
    """Given for every step."""
    wrong_submit: Annotated[
        float, Term(lambda step: float(step.terminated and not step.solved))
    ] = 0.0
    """Given when the episode is submitted and the hidden tests do not pass."""


#: The terms that can be named; a weight multiplies each.
TERMS: Mapping[str, RewardTerm] = MappingProxyType(
    {
        name: mark.function
        for name, field in RewardConfig.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Term)
    }
)

DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {name: weight for name, weight in RewardConfig().model_dump().items() if weight}
)


class Rewards:
    """A sum of named terms.

    Args:
        terms: Name -> weight of one of `TERMS`, or name -> a function of the caller's own.

    Raises:
        UnknownNameError: a weight for a name that is not in `TERMS`.
        ConfigError: neither a number nor a function.
    """

    def __init__(self, terms: Mapping[str, float | RewardTerm] | None = None) -> None:
        self._terms: dict[str, tuple[float, RewardTerm]] = {}
        for name, term in (DEFAULT_WEIGHTS if terms is None else terms).items():
            if callable(term):
                self._terms[name] = (1.0, term)
            elif isinstance(term, bool) or not isinstance(term, int | float):
                raise ConfigError(f"reward term {name!r}: a weight or a function, got {term!r}")
            elif name not in TERMS:
                raise UnknownNameError("reward term", name, TERMS)
            else:
                self._terms[name] = (float(term), TERMS[name])

    @property
    def zero(self) -> dict[str, float]:
        """Name -> 0.0 of each term: what has been earned before the first step."""
        return dict.fromkeys(self._terms, 0.0)

    def __call__(self, step: Transition) -> dict[str, float]:
        """Name -> weighted value of each term."""
        return {name: weight * float(term(step)) for name, (weight, term) in self._terms.items()}
