"""Inputs of the graph programs keep to what the programs ask for."""

from __future__ import annotations

import sys
from graphlib import TopologicalSorter
from itertools import islice
from types import ModuleType
from typing import Any

import pytest

from hrmgym.experiments.inputs import graph_driver
from hrmgym.experiments.inputs.graphs import GENERATORS, driver, graph_inputs


def drawn(program: str, most: int = 300) -> list[tuple[Any, ...]]:
    return list(islice(graph_inputs(program, "a"), most))


@pytest.mark.parametrize("program", sorted(GENERATORS))
def test_there_are_enough_and_they_follow_from_the_seed(program: str) -> None:
    found = drawn(program, 200)
    assert len({repr(one) for one in found}) >= (76 if program == "detect_cycle" else 200)
    assert found == drawn(program, 200)
    assert found != list(islice(graph_inputs(program, "b"), 200))
    assert hasattr(graph_driver, program)
    assert f"def {program}(" in driver()


def test_the_shortest_list_is_among_them() -> None:
    assert (0, None) in drawn("detect_cycle", 100)


def test_nodes_to_be_ordered_have_no_cycle() -> None:
    for count, edges, order in drawn("topological_ordering"):
        assert sorted(order) == list(range(count))
        before: dict[int, list[int]] = {}
        for start, end in edges:
            before.setdefault(end, []).append(start)
        TopologicalSorter(before).prepare()  # raises on a cycle


def test_lengths_of_edges_never_tie_where_an_answer_would() -> None:
    for (weights,) in drawn("minimum_spanning_tree"):
        assert len(set(weights.values())) == len(weights)
        assert all(start < end for start, end in weights)
    for _, lengths, _, _ in drawn("shortest_path_length"):
        assert len(set(lengths.values())) == len(lengths)
        assert min(lengths.values()) > 0


@pytest.mark.parametrize("program", ["shortest_path_lengths", "shortest_paths"])
def test_some_lengths_are_negative_and_no_cycle_is(program: str) -> None:
    negative = 0
    for first, lengths in drawn(program, 100):
        nodes = range(first if program == "shortest_path_lengths" else 8)
        way = {(a, b): lengths.get((a, b), float("inf")) for a in nodes for b in nodes}
        for middle in nodes:
            for a in nodes:
                for b in nodes:
                    way[a, b] = min(way[a, b], way[a, middle] + way[middle, b])
        assert all(way[node, node] >= 0 for node in nodes)
        negative += any(length < 0 for length in lengths.values())
    assert negative > 50


def test_the_driver_builds_what_the_program_is_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Any] = []

    def noting(*args: Any) -> Any:
        got[:] = args
        return args[0]

    for program in ("reverse_linked_list", "topological_ordering", "shortest_path_length"):
        module = ModuleType(program)
        setattr(module, program, noting)
        monkeypatch.setitem(sys.modules, f"python_programs.{program}", module)
    assert graph_driver.reverse_linked_list(3) == [0, 1, 2]
    assert graph_driver.reverse_linked_list(0) == []
    assert graph_driver.topological_ordering(3, [(0, 2), (1, 2)], [2, 0, 1]) == [2, 0, 1]
    last = got[0][0]
    assert [node.value for node in last.incoming_nodes] == [0, 1]
    assert [node.value for node in got[0][1].outgoing_nodes] == [2]
    lengths = graph_driver.shortest_path_length(2, {(0, 1): 7}, 0, 1)
    ((edge, length),) = lengths.items()
    assert (edge[0].value, edge[1].value, length) == (0, 1, 7)
    assert got[1:] == [edge[0], edge[1]]
