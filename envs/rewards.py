"""Rewards: named terms that sum to the reward, so that each can be weighed and logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

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


def _progress(step: Transition) -> float:
    return step.after.passing - step.before.passing


#: The terms that can be named; a weight multiplies each.
TERMS: Mapping[str, RewardTerm] = MappingProxyType(
    {
        "solved": lambda step: float(step.solved),
        "progress": _progress,  # change in the share of visible tests that pass
        "illegal": lambda step: float(step.refused),
        "step": lambda step: 1.0,
        "wrong_submit": lambda step: float(step.terminated and not step.solved),
    }
)

DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"solved": 1.0, "progress": 0.2, "illegal": -0.05, "step": -0.01}
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
