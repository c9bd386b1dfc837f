"""Tree search over a deterministic problem.

Simulations follow a rule of `selection` from the root to an edge that nobody has followed, take its
action, evaluate the state that it leads to, and add reward and value to every edge on the way
(G = r + discount G). An edge below which nothing is left, be it a failure, is not followed again.
A proven success ends the search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Generic

import numpy as np

from hrmgym.search import selection
from hrmgym.search.gumbel import GumbelRoot
from hrmgym.search.node import Node
from hrmgym.search.problem import Action, Evaluation, Problem, State
from hrmgym.search.settings import TreeSettings

_DEFAULTS = TreeSettings()
_END: Evaluation[Any] = Evaluation((), (), 0.0)


class Tree(Generic[State, Action]):
    """One search.

    Args:
        problem: What is searched.
        state: Where it begins.
        settings: The rule and its constants.
        seed: Of the Gumbel rule's noise; the other rules draw nothing.
        log: Given one mapping of plain values for each simulation.
    """

    def __init__(
        self,
        problem: Problem[State, Action],
        state: State,
        settings: TreeSettings = _DEFAULTS,
        seed: int = 0,
        log: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.problem, self.settings = problem, settings
        self.root: Node[State, Action] = Node(state, None)
        self.simulations = 0
        self.runs = 0
        """Test runs."""
        self.proven: Node[State, Action] | None = None
        """The success that was found."""
        self._log = log
        self._gumbel: GumbelRoot[State, Action] | None = None
        if settings.rule == "gumbel":
            rng = np.random.default_rng(seed)
            self._gumbel = GumbelRoot(settings.considered, settings.noise, rng)
        self._known: dict[Hashable, Evaluation[Action]] = {}
        self._frontier: list[Node[State, Action]] = []  # of SWE-Search's rule

    @property
    def through(self) -> bool:
        """Whether there is nothing to search for: a success is proven, or all has been tried."""
        return self.proven is not None or (self.root.evaluated and not self.root.left)

    def simulate(self, count: int) -> None:
        """Makes `count` more simulations, one after the other, unless the search gets through.

        Raises:
            SandboxError: the problem could not take a step.
        """
        self.plan(count)
        for _ in range(count):
            if self.through:
                return
            leaf = self.descend()
            assert leaf is not None, "nothing is pending"
            self.finish(leaf, self.known(leaf) or self.problem.evaluate([leaf.state])[0])

    def plan(self, count: int) -> None:
        """Evaluates the root if that is still to be done, and spreads `count` simulations over its
        actions where the rule does."""
        gumbel = self._gumbel
        if not self.root.evaluated:
            found = self.problem.evaluate([self.root.state])[0]
            self._take(self.root, found)
            if gumbel is not None:
                self.root.reorder(gumbel.order(found.priors))
        if gumbel is not None:
            gumbel.plan(len(self.root.actions), count)

    def known(self, leaf: Node[State, Action]) -> Evaluation[Action] | None:
        """What is known of a new state: that it is an end, or what was said of an equal one."""
        if leaf.evaluated:
            return _END
        return self._known.get(self.problem.key(leaf.state)) if self._known else None

    def descend(self, *, pending: bool = False) -> Node[State, Action] | None:
        """Follows the rule to a new state; None if it leads to one that is still pending.

        A new state that is an end comes evaluated. Give each one to `finish`.

        Args:
            pending: Whether other simulations may begin before this one is finished.
        """
        node = self._best_anywhere() if self.settings.rule == "swe-search" else self.root
        while True:
            edge = self._choose(node)
            child = node.children[edge]
            if child is None:
                child = self._follow(node, edge)
                break
            if not child.left:  # not yet evaluated, or an end that is still to be finished
                return None
            node = child
        if pending:
            for one, at in _way(child):
                one.wait(at, self.settings.virtual_loss)
        return child

    def _choose(self, node: Node[State, Action]) -> int:
        """The edge to follow."""
        settings, means, counts, rule = self.settings, node.means, node.counts, self.settings.rule
        if node.children[-1] is None:  # the next one
            if rule == "swe-search":
                return len(means) - 1
            opens = settings.widening is None or self._may_open(node)
            means[-1] = (node.value + node.worth) / (1 + node.total) if opens else -math.inf
        if rule == "puct":
            c_init, c_base = settings.c_init, settings.c_base
            return selection.puct(means, counts, node.chances, node.total, c_init, c_base)
        if rule == "ucb1":
            return selection.ucb1(means, counts, settings.c)
        if self._gumbel is not None and node is self.root:
            return self._gumbel.choose(node)
        alive = [at for at, mean in enumerate(means) if mean > -math.inf]
        if len(alive) == len(means):
            return selection.gumbel_interior(means, counts, node.chances, node.value)
        chosen = selection.gumbel_interior(
            [means[at] for at in alive],
            [counts[at] for at in alive],
            [node.chances[at] for at in alive],
            node.value,
        )
        return alive[chosen]

    def _may_open(self, node: Node[State, Action]) -> bool:
        """Whether progressive widening lets a node open another edge."""
        assert self.settings.widening is not None
        factor, power = self.settings.widening
        alive = node.left - (len(node.actions) - len(node.visits) + 1)  # of the opened edges
        return bool(alive < max(1.0, factor * max(1, node.total) ** power))

    def _follow(self, node: Node[State, Action], edge: int) -> Node[State, Action]:
        """Takes an edge's action for the first time."""
        step = self.problem.step(node.state, node.actions[edge])
        child: Node[State, Action] = Node(step.state, node, edge)
        node.follow(edge, child, step.reward)
        self.runs += step.runs
        if step.proven:
            self.proven = child
        if step.done or step.proven:
            child.evaluated = True
        return child

    def finish(
        self, leaf: Node[State, Action], found: Evaluation[Action], *, pending: bool = False
    ) -> None:
        """Ends a simulation: takes in what is known of its new state, and backs it up."""
        self.simulations += 1
        self._take(leaf, found)
        loss = self.settings.virtual_loss if pending else 0.0
        returned, ended = leaf.value, not leaf.left
        discount, below, node = self.settings.discount, leaf, leaf.parent
        while node is not None:
            edge = below.edge
            returned = node.rewards[edge] + discount * returned
            if ended:
                node.close(edge)
                ended = not node.left
            node.back_up(edge, returned, loss)
            below, node = node, node.parent
        if self._log is not None:
            self._log(self._told(leaf))

    def _take(self, node: Node[State, Action], found: Evaluation[Action]) -> None:
        if node.evaluated:
            return
        node.take(found, most=len(found.actions) if node.depth < self.settings.most_depth else 0)
        if self.settings.transpositions:
            self._known.setdefault(self.problem.key(node.state), found)
        if self.settings.rule == "swe-search" and node.left:
            self._frontier.append(node)

    def _told(self, leaf: Node[State, Action]) -> dict[str, Any]:
        """What a log has of a simulation."""
        way = list(_way(leaf))[::-1]
        node, edge = way[-1]
        return {
            "simulation": self.simulations,
            "path": [edge for _, edge in way],
            "prior": node.priors[edge],
            "reward": node.rewards[edge],
            "value": leaf.value,
            "mean": node.sums[edge] / node.visits[edge],
            "runs": self.runs,
            "proven": self.proven is leaf,
        }

    def _best_anywhere(self) -> Node[State, Action]:
        """SWE-Search's rule: the node, anywhere in the tree, whose next edge is the best."""
        self._frontier = [one for one in self._frontier if one.children[-1] is None]
        chosen = selection.swe_search(
            [node.expected for node in self._frontier],
            [node.total for node in self._frontier],
            [1 + (node.parent or node).total for node in self._frontier],
            [node.depth + 1 for node in self._frontier],
            self.settings.c,
        )
        return self._frontier[chosen]

    def improved(self) -> list[float]:
        """The improved policy over the root's edges, to train on [open]."""
        root = self.root
        means = [total / max(1, n) for total, n in zip(root.sums, root.visits, strict=True)]
        return selection.improved_policy(means, root.visits, root.chances, root.value)

    def best(self) -> int:
        """The root's edge to take: the proven one, or the most visited, or Gumbel's best."""
        if self.proven is not None:
            return [edge for _, edge in _way(self.proven)][-1]
        root = self.root
        if self._gumbel is not None:
            return self._gumbel.best(root)
        means = [total / max(1, n) for total, n in zip(root.sums, root.visits, strict=True)]
        return max(range(len(means)), key=lambda edge: (root.visits[edge], means[edge]))

    def advance(self, edge: int) -> None:
        """Takes the root's edge. What was learnt below it stays, but with the Gumbel rule, which
        plans the simulations of a root from its first one."""
        child = self.root.children[edge]
        assert child is not None, "the edge has been followed"
        assert child.evaluated, "and not by a pending simulation"
        if self._gumbel is not None:
            child = Node(child.state, None)
        self.root, child.parent = child, None
        self._frontier = [node for node in self._frontier if self._is_below(node)]

    def _is_below(self, node: Node[State, Action]) -> bool:
        above = node
        while above.parent is not None:
            above = above.parent
        return above is self.root

    def actions_to(self, node: Node[State, Action]) -> list[Action]:
        """The actions from the root to a node."""
        return [one.actions[edge] for one, edge in _way(node)][::-1]


def _way(node: Node[State, Action]) -> Iterator[tuple[Node[State, Action], int]]:
    """The edges from a node up to the root, the last first."""
    while node.parent is not None:
        yield node.parent, node.edge
        node = node.parent
