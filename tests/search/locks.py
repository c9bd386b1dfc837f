"""An in-memory problem for tree searches: a lock whose digits have to be set in the right order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from hrmgym.search.problem import Evaluation, Step

State = tuple[int, ...]


@dataclass
class Lock:
    """States are the digits so far; each right one in its place returns 1 / length at once.

    Args:
        code: The digits that open it; nothing does if one is no digit.
        digits: How many there are to choose from.
        right: Prior of the right digit; the others share the rest. 0: all alike.
        unordered: Whether states of the same digits are the same.
        goes_on: Whether a wrong digit can be followed by others.
    """

    code: State
    digits: int = 8
    right: float = 0.0
    unordered: bool = False
    goes_on: bool = True
    steps: list[tuple[State, int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def evaluate(self, states: Sequence[State]) -> Sequence[Evaluation[int]]:
        self.batches.append(len(states))
        return [self._evaluation(state) for state in states]

    def _evaluation(self, state: State) -> Evaluation[int]:
        best = self.code[len(state)] if len(state) < len(self.code) else 0
        known = self.right and best < self.digits
        best = best if known else 0
        actions = [best, *(digit for digit in range(self.digits) if digit != best)]
        share = self.right if known else 1 / self.digits
        priors = [share, *[(1 - share) / (self.digits - 1)] * (self.digits - 1)]
        return Evaluation(actions, priors, 0.0)

    def step(self, state: State, action: int) -> Step[State]:
        self.steps.append((state, action))
        after = (*state, action)
        right = after == self.code[: len(after)]
        proven = after == self.code
        done = proven or len(after) >= len(self.code) or not (right or self.goes_on)
        return Step(after, right / len(self.code), done, proven, runs=1)

    def key(self, state: State) -> Hashable:
        return tuple(sorted(state)) if self.unordered else state
