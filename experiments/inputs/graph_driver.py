"""Calls the graph programs of QuixBugs with plain values. Runs inside the sandbox only.

It lies at the root of the workspace, beside `python_programs`. Nodes are numbers; what a program is
given are objects with the attributes that QuixBugs' own `Node` has. Standard library only.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

_MOST_NODES = 1000  # of a list that a program returns: it may have no end

Edges = Sequence[tuple[int, int]]


class Node:
    """What stands for a node."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.successor: Node | None = None
        self.successors: list[Node] = []
        self.predecessors: list[Node] = []
        self.incoming_nodes: list[Node] = []
        self.outgoing_nodes: list[Node] = []


def _program(name: str) -> Any:
    return getattr(importlib.import_module(f"python_programs.{name}"), name)


def _graph(count: int, edges: Edges) -> list[Node]:
    nodes = [Node(number) for number in range(count)]
    for start, end in edges:
        nodes[start].successors.append(nodes[end])
        nodes[start].outgoing_nodes.append(nodes[end])
        nodes[end].predecessors.append(nodes[start])
        nodes[end].incoming_nodes.append(nodes[start])
    return nodes


def _chain(count: int, back: int | None) -> Node | None:
    """The first of so many nodes in a row; the last one's successor is number `back`."""
    nodes = [Node(number) for number in range(count)]
    for one, after in pairwise(nodes):
        one.successor = after
    if nodes and back is not None:
        nodes[-1].successor = nodes[back]
    return nodes[0] if nodes else None


def breadth_first_search(count: int, edges: Edges, start: int, goal: int) -> Any:
    nodes = _graph(count, edges)
    return _program("breadth_first_search")(nodes[start], nodes[goal])


def depth_first_search(count: int, edges: Edges, start: int, goal: int) -> Any:
    nodes = _graph(count, edges)
    return _program("depth_first_search")(nodes[start], nodes[goal])


def detect_cycle(count: int, back: int | None) -> Any:
    return _program("detect_cycle")(_chain(count, back))


def reverse_linked_list(count: int) -> Any:
    node: Any = _program("reverse_linked_list")(_chain(count, None))
    found: list[int] = []
    while node is not None and len(found) < _MOST_NODES:
        found.append(node.value)
        node = node.successor
    return found


def topological_ordering(count: int, edges: Edges, order: Sequence[int]) -> Any:
    nodes = _graph(count, edges)
    found = _program("topological_ordering")([nodes[number] for number in order])
    return [node.value for node in found]


def minimum_spanning_tree(weights: dict[tuple[int, int], int]) -> Any:
    return set(_program("minimum_spanning_tree")(weights))


def shortest_path_length(
    count: int, lengths: dict[tuple[int, int], int], start: int, goal: int
) -> Any:
    nodes = _graph(count, list(lengths))
    by_edge = {(nodes[one], nodes[other]): length for (one, other), length in lengths.items()}
    return _program("shortest_path_length")(by_edge, nodes[start], nodes[goal])


def shortest_path_lengths(count: int, lengths: dict[tuple[int, int], int]) -> Any:
    return dict(_program("shortest_path_lengths")(count, lengths))


def shortest_paths(source: int, weights: dict[tuple[int, int], int]) -> Any:
    return dict(_program("shortest_paths")(source, weights))
