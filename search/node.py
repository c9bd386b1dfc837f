"""A node of a search tree, and the statistics of its edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Generic

from hrmgym.search.problem import Action, Evaluation, State


class Node(Generic[State, Action]):
    """A state that was reached, with an edge for each action, opened as they are followed.

    Arrays are of the opened edges, which are those of the most probable actions, and of the next
    one, if there is one: [open], the opened ones and one more.
    """

    __slots__ = (
        *(
            "actions",
            "chances",
            "children",
            "closed",
            "counts",
            "depth",
            "edge",
            "evaluated",
            "left",
            "means",
        ),
        *("parent", "pending", "priors", "rewards", "state", "sums", "total", "value"),
        *("visits", "worth"),
    )

    def __init__(self, state: State, parent: Node[State, Action] | None, edge: int = 0) -> None:
        self.state, self.parent, self.edge = state, parent, edge
        self.depth: int = parent.depth + 1 if parent is not None else 0
        self.evaluated = False
        self.actions: Sequence[Action] = ()
        self.priors: Sequence[float] = ()
        self.value = 0.0
        self.total = 0
        """How many simulations went on from here."""
        self.worth = 0.0
        """Sum of what those returned, from here on."""
        self.left = 0
        """How many edges may still be followed, opened or not."""
        self.chances: list[float] = []
        """Priors of these edges."""
        self.visits: list[int] = []
        self.sums: list[float] = []
        self.counts: list[float] = []
        """Visits, and those that pending simulations count as."""
        self.means: list[float] = []
        """Mean returns of these, those of pending ones 0; -inf where nothing is left."""
        self.pending: list[int] = []
        self.rewards: list[float] = []
        self.children: list[Node[State, Action] | None] = []
        self.closed: list[bool] = []

    def take(self, evaluation: Evaluation[Action], most: int) -> None:
        """Takes in what is known of the state, with no more than so many of its actions."""
        self.actions, self.priors = evaluation.actions, evaluation.priors
        if most < len(self.actions):
            self.actions, self.priors = self.actions[:most], self.priors[:most]
        self.value = evaluation.value
        self.left = len(self.actions)
        self.evaluated = True
        self._open()

    def reorder(self, order: Sequence[int]) -> None:
        """Puts the actions into another order, before any is followed [actions]."""
        self.actions = [self.actions[at] for at in order]
        self.priors = [self.priors[at] for at in order]
        self.chances[:] = self.priors[:1]

    @property
    def expected(self) -> float:
        """What simulations from here returned on average, the evaluation's value among them."""
        return (self.value + self.worth) / (1 + self.total)

    def follow(self, edge: int, child: Node[State, Action], reward: float) -> None:
        """Takes in where an edge leads; if it was the next one, there is another next one."""
        self.children[edge], self.rewards[edge] = child, reward
        if edge == len(self.visits) - 1:
            self._open()

    def _open(self) -> None:
        at = len(self.visits)
        if at == len(self.actions):
            return
        self.chances.append(self.priors[at])
        self.visits.append(0)
        self.counts.append(0)
        self.sums.append(0.0)
        self.means.append(0.0)
        self.pending.append(0)
        self.rewards.append(0.0)
        self.children.append(None)
        self.closed.append(False)

    def close(self, edge: int) -> None:
        """Notes that nothing is left below an edge."""
        if not self.closed[edge]:
            self.closed[edge] = True
            self.means[edge] = -math.inf
            self.left -= 1

    def wait(self, edge: int, loss: float) -> None:
        """Counts a pending simulation as `loss` lost ones, so that others go elsewhere."""
        self.pending[edge] += 1
        self._count(edge, loss)

    def back_up(self, edge: int, returned: float, loss: float = 0.0) -> None:
        """Adds what a simulation through an edge returned, from this node on.

        Args:
            edge: The edge.
            returned: Reward, and what came later.
            loss: As `wait` was told of this simulation; 0 if it was not.
        """
        self.total += 1
        self.worth += returned
        self.visits[edge] += 1
        self.sums[edge] += returned
        if self.pending[edge]:
            self.pending[edge] -= 1
            self._count(edge, loss)
            return
        self.counts[edge] = count = self.visits[edge]
        if not self.closed[edge]:
            self.means[edge] = self.sums[edge] / count

    def _count(self, edge: int, loss: float) -> None:
        self.counts[edge] = count = self.visits[edge] + loss * self.pending[edge]
        if count and not self.closed[edge]:
            self.means[edge] = self.sums[edge] / count
