"""The root of a Gumbel search: noise, sequential halving, and which action it ends with.

Danihelka et al., "Policy improvement by planning with Gumbel", ICLR 2022, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

import numpy as np

from hrmgym.search.node import Node
from hrmgym.search.problem import Action, State
from hrmgym.search.selection import C_SCALE, C_VISIT, halving


class GumbelRoot(Generic[State, Action]):
    """Chooses the root's edges.

    Args:
        considered: How many actions are considered at first.
        noise: Scale of the noise.
        rng: Where it comes from.
    """

    def __init__(self, considered: int, noise: float, rng: np.random.Generator) -> None:
        self._considered, self._noise, self._rng = considered, noise, rng
        self._scores: list[float] = []  # logits and noise [actions]
        self._plan: Sequence[int] = ()
        self._begun = 0

    def order(self, priors: Sequence[float]) -> list[int]:
        """Numbers of the root's actions, the best by log-probability and noise first [actions]."""
        logits = np.log(np.asarray(priors, dtype=np.float64))
        scores = logits + self._noise * self._rng.gumbel(size=len(logits))
        order = np.argsort(-scores, kind="stable")
        self._scores = scores[order].tolist()
        return [int(at) for at in order]

    def plan(self, actions: int, simulations: int) -> None:
        """Spreads so many simulations over the best of so many actions."""
        self._plan = halving(min(self._considered, actions), simulations)
        self._begun = 0

    def choose(self, root: Node[State, Action]) -> int:
        """The root's edge for the next simulation."""
        at = self._plan[min(self._begun, len(self._plan) - 1)]
        self._begun += 1
        last = len(root.visits) - 1
        fresh = root.children[last] is None
        alive = [edge for edge in range(last + (not fresh)) if not root.closed[edge]]
        if fresh and (at == 0 or not alive):
            return last
        visits = [n + waits for n, waits in zip(root.visits, root.pending, strict=True)]
        wanted = [edge for edge in alive if visits[edge] == at]
        if not wanted:
            wanted = [edge for edge in alive if visits[edge] < at] or alive
        if len(wanted) == 1:
            return wanted[0]
        scores = self.scores(root)
        return max(wanted, key=scores.__getitem__)

    def scores(self, root: Node[State, Action]) -> list[float]:
        """Logits, noise and sigma(q) of the root's edges [open]."""
        scale = (C_VISIT + max(root.visits, default=0)) * C_SCALE
        return [
            score + scale * total / max(1, n)
            for score, total, n in zip(self._scores, root.sums, root.visits, strict=False)
        ]

    def best(self, root: Node[State, Action]) -> int:
        """The best of the most visited edges."""
        most, scores = max(root.visits), self.scores(root)
        return max((at for at, n in enumerate(root.visits) if n == most), key=scores.__getitem__)
