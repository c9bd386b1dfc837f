"""Inputs for the programs of QuixBugs that have no cases in JSON: graphs and linked lists.

Each generator keeps to what its program asks for: no cycle of negative length, no cycle at all
where nodes are to be ordered, and lengths that differ, so that no answer depends on a tie.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from importlib import resources
from itertools import permutations
from typing import Any

Edge = tuple[int, int]

#: File of the workspace that calls the programs: see `graph_driver`.
DRIVER = "graph_driver.py"
_MOST = 8  # nodes
_MOST_DRAWS = 1_000


def driver() -> str:
    """The text of the file that calls the programs."""
    return resources.files("hrmgym.experiments.inputs").joinpath(DRIVER).read_text("utf-8")


def _edges(rng: random.Random, count: int, *, forward: bool = False) -> list[Edge]:
    """Some of the possible edges, in a random order.

    Args:
        rng: Where chance comes from.
        count: Number of nodes.
        forward: Whether every edge leads to a node with a larger number, so that none is a cycle.
    """
    every = [edge for edge in permutations(range(count), 2) if not forward or edge[0] < edge[1]]
    return rng.sample(every, rng.randint(min(count - 1, len(every)), min(3 * count, len(every))))


def _search(rng: random.Random) -> tuple[Any, ...]:
    count = rng.randint(1, _MOST)
    edges = _edges(rng, count)
    edges = rng.sample(edges, rng.randint(len(edges) // 3, len(edges)))  # some goals out of reach
    return count, edges, rng.randrange(count), rng.randrange(count)


def _cycle(rng: random.Random) -> tuple[Any, ...]:
    count = rng.randint(0, 40) if rng.random() < 0.9 else 0  # an empty list is easily forgotten
    return count, rng.randrange(count) if count and rng.random() < 0.5 else None


def _list(rng: random.Random) -> tuple[Any, ...]:
    return (rng.randint(0, 400),)


def _ordering(rng: random.Random) -> tuple[Any, ...]:
    count = rng.randint(1, _MOST)
    names = rng.sample(range(count), count)
    edges = [(names[one], names[other]) for one, other in _edges(rng, count, forward=True)]
    return count, edges, rng.sample(range(count), count)


def _tree(rng: random.Random) -> tuple[Any, ...]:
    count = rng.randint(2, _MOST)
    edges = _edges(rng, count, forward=True)
    return (dict(zip(edges, rng.sample(range(1, 100), len(edges)), strict=True)),)


def _length(rng: random.Random) -> tuple[Any, ...]:
    count = rng.randint(2, _MOST)
    edges = _edges(rng, count)
    lengths = dict(zip(edges, rng.sample(range(1, 10_000), len(edges)), strict=True))
    return count, lengths, rng.randrange(count), rng.randrange(count)


def _balanced(rng: random.Random, count: int, edges: list[Edge]) -> dict[Edge, int]:
    """Lengths, some of them negative, of which no cycle's sum is."""
    heights = [rng.randint(-8, 8) for _ in range(count)]
    return {(a, b): rng.randint(0, 9) + heights[a] - heights[b] for a, b in edges}


def _lengths(rng: random.Random) -> tuple[Any, ...]:
    count = rng.randint(1, _MOST - 1)
    return count, _balanced(rng, count, _edges(rng, count))


def _paths(rng: random.Random) -> tuple[Any, ...]:
    count = rng.randint(2, _MOST)
    edges = _edges(rng, count)
    known = {0} | {end for _, end in edges}  # the program knows no other node
    edges = [edge for edge in edges if edge[0] in known]
    return 0, _balanced(rng, count, edges)


#: Program -> draws the arguments of a call of the driver's function of that name.
GENERATORS: dict[str, Callable[[random.Random], tuple[Any, ...]]] = {
    "breadth_first_search": _search,
    "depth_first_search": _search,
    "detect_cycle": _cycle,
    "minimum_spanning_tree": _tree,
    "reverse_linked_list": _list,
    "shortest_path_length": _length,
    "shortest_path_lengths": _lengths,
    "shortest_paths": _paths,
    "topological_ordering": _ordering,
}


def graph_inputs(program: str, seed: str) -> Iterator[tuple[Any, ...]]:
    """Different arguments for the driver's function of a program, as long as there are new ones."""
    rng = random.Random(seed)
    seen: set[str] = set()
    for _ in range(_MOST_DRAWS):
        made = GENERATORS[program](rng)
        if (told := repr(made)) not in seen:
            seen.add(told)
            yield made
