"""What a tree costs beside its network and its environment.

    python benchmarks/search.py [--json]

CPU microseconds for a simulation of 128, with 64 actions in every state, an in-memory problem and a
table for a network: the least of several rounds, less what the problem's own calls take when they
are made alone. Once with transpositions, widening, virtual loss and log off, once with all on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any

from hrmgym.search.problem import Evaluation, Step
from hrmgym.search.settings import Rule, TreeSettings
from hrmgym.search.together import search_together
from hrmgym.search.tree import Tree

ACTIONS, SIMULATIONS, LENGTH = 64, 128, 6
RULES: tuple[Rule, ...] = ("puct", "gumbel")
State = tuple[int, ...]


class Walk:
    """States are the actions so far; every third action returns a little, and none is a success."""

    def __init__(self) -> None:
        weights = [1 / (1 + at) ** 2 for at in range(ACTIONS)]
        self.priors = [one / sum(weights) for one in weights]
        self.actions = range(ACTIONS)

    def evaluate(self, states: Sequence[State]) -> Sequence[Evaluation[int]]:
        return [Evaluation(self.actions, self.priors, 0.1) for _ in states]

    def step(self, state: State, action: int) -> Step[State]:
        after = (*state, action)
        return Step(after, 0.0 if action % 3 else 0.4 / LENGTH, len(after) >= LENGTH)

    def key(self, state: State) -> Hashable:
        return frozenset(state)


def measured(rule: Rule, seed: int, *, everything: bool) -> float:
    """CPU microseconds a simulation, of one search."""
    problem = Walk()
    settings = TreeSettings(
        rule=rule,
        transpositions=everything,
        widening=(2.0, 0.7) if everything else None,
        virtual_loss=1.0 if everything else 0.0,
    )
    log = partial(_write, []) if everything else None
    tree: Tree[State, int] = Tree(problem, (), settings, seed, log)
    began = time.process_time_ns()
    if everything:
        search_together([tree], SIMULATIONS, in_flight=4)
    else:
        tree.simulate(SIMULATIONS)
    took = time.process_time_ns() - began
    _look_at(tree)
    return (took - _alone(problem, tree)) / SIMULATIONS / 1e3


def _write(lines: list[str], told: Mapping[str, Any]) -> None:
    lines.append(json.dumps(told))


def _look_at(tree: Tree[State, int]) -> None:
    """Whether it was a search: all visits, and states below the second level."""
    deepest, left = 0, [tree.root]
    while left:
        node = left.pop()
        deepest = max(deepest, node.depth)
        left += [child for child in node.children if child is not None]
    assert sum(tree.root.visits) == SIMULATIONS, "visits are lost"
    assert deepest > 2, f"{tree.settings}: no state below level {deepest}"


def _alone(problem: Walk, tree: Tree[State, int]) -> int:
    """Nanoseconds of the problem's own calls of a search."""
    steps: list[tuple[State, int]] = []
    left = [tree.root]
    while left:
        node = left.pop()
        for edge, child in enumerate(node.children):
            if child is not None:
                steps.append((node.state, node.actions[edge]))
                left.append(child)
    began = time.process_time_ns()
    for state, action in steps:
        problem.evaluate([problem.step(state, action).state])
        if tree.settings.transpositions:
            problem.key(state)
    return time.process_time_ns() - began


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python benchmarks/search.py")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    options = parser.parse_args(arguments)
    least: dict[str, float] = {}
    for seed in range(options.rounds):  # in turn, so that a slow spell of the machine meets all
        for rule in RULES:
            for suffix, everything in (("", False), ("_all_on", True)):
                name = f"{rule}_us_per_sim{suffix}"
                took = measured(rule, seed, everything=everything)
                least[name] = min(least.get(name, took), took)
    found = {name: round(value, 2) for name, value in least.items()}
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:>30}  {value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
