"""Several searches side by side, their new states evaluated in one batch."""

from __future__ import annotations

from collections.abc import Sequence

from hrmgym.search.node import Node
from hrmgym.search.problem import Action, State
from hrmgym.search.tree import Tree


def search_together(trees: Sequence[Tree[State, Action]], count: int, in_flight: int = 1) -> None:
    """Makes `count` simulations in each of several trees.

    With `in_flight` above 1 several simulations of one tree are pending at once, and what a tree
    finds differs from what it finds one after the other: see `TreeSettings.virtual_loss`.

    Args:
        trees: Searches of one problem.
        count: Simulations of each.
        in_flight: Of one tree, at most.

    Raises:
        SandboxError: the problem could not take a step.
    """
    for tree in trees:
        tree.plan(count)
    left = dict.fromkeys(range(len(trees)), count)
    while left:
        waiting: list[tuple[Tree[State, Action], Node[State, Action]]] = []
        for at in list(left):
            tree = trees[at]
            for _ in range(min(in_flight, left[at])):
                leaf = None if tree.through else tree.descend(pending=in_flight > 1)
                if leaf is None:
                    break
                waiting.append((tree, leaf))
                left[at] -= 1
            if tree.through or not left[at]:
                del left[at]
        unknown = [leaf for tree, leaf in waiting if tree.known(leaf) is None]
        evaluated = trees[0].problem.evaluate([leaf.state for leaf in unknown]) if unknown else ()
        found = {id(leaf): one for leaf, one in zip(unknown, evaluated, strict=True)}
        for tree, leaf in waiting:
            known = found.get(id(leaf)) or tree.known(leaf)
            assert known is not None, "it was known, or has been evaluated"
            tree.finish(leaf, known, pending=in_flight > 1)
