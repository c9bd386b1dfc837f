"""Trees over an in-memory problem: what is counted, what ends, what is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hrmgym.search.node import Node
from hrmgym.search.settings import RULES, Rule, TreeSettings
from hrmgym.search.together import search_together
from hrmgym.search.tree import Tree
from hrmgym.tests.search.locks import Lock, State

LockTree = Tree[State, int]
NO_NOISE = {"noise": 0.0}
NO_CODE = (3, 1, 4, 9)


def searched(lock: Lock, count: int, **settings: Any) -> LockTree:
    tree: LockTree = Tree(lock, (), TreeSettings(**settings))
    tree.simulate(count)
    return tree


def nodes(node: Node[State, int]) -> Iterator[Node[State, int]]:
    yield node
    for child in node.children:
        if child is not None:
            yield from nodes(child)


@pytest.mark.parametrize("rule", RULES)
def test_visits_sum_to_the_simulations_and_returns_add_up(rule: Rule) -> None:
    lock = Lock((3, 1, 4, 1, 9), right=0.3)
    tree = searched(lock, 60, rule=rule)
    assert tree.simulations == sum(tree.root.visits) == tree.root.total == 60
    assert len(lock.steps) == tree.runs == 60
    for node in nodes(tree.root):
        assert node.total == sum(node.visits)
        assert node.worth == pytest.approx(sum(node.sums))
        for edge, child in enumerate(node.children):
            if child is None:
                assert edge == len(node.children) - 1 < len(node.actions)
                assert node.visits[edge] == 0
                continue
            assert node.visits[edge] == 1 + child.total
            below = node.rewards[edge] * node.visits[edge] + child.value + child.worth
            assert node.sums[edge] == pytest.approx(below)
    assert max(node.depth for node in nodes(tree.root)) > 2


@pytest.mark.parametrize("rule", RULES)
def test_a_success_ends_the_search_and_its_way_is_told(rule: Rule) -> None:
    lock = Lock((3, 1, 4), right=0.5)
    tree = searched(lock, 5000, rule=rule, **NO_NOISE)
    assert tree.proven is not None
    assert tree.actions_to(tree.proven) == [3, 1, 4]
    assert tree.root.actions[tree.best()] == 3
    assert tree.through
    steps = len(lock.steps)
    tree.simulate(10)
    assert len(lock.steps) == steps


@pytest.mark.parametrize("rule", RULES)
def test_everything_is_tried_once_where_nothing_succeeds(rule: Rule) -> None:
    lock = Lock((9, 9, 9), digits=4)  # no such digit
    tree = searched(lock, 10_000, rule=rule)
    assert tree.proven is None
    assert tree.through
    assert len(set(lock.steps)) == len(lock.steps) == 4 + 16 + 64


def test_returns_guide_the_search() -> None:
    """Every right digit returns something: the search finds the code among 8^4 soon."""
    lock = Lock((7, 6, 5, 4), goes_on=False)
    assert searched(lock, 300).proven is not None
    assert len(lock.steps) <= 4 * 8


def test_the_prior_guides_the_search() -> None:
    few, many = (Lock((7, 6, 5, 4), right=right) for right in (0.9, 0.13))
    for lock in (few, many):
        assert searched(lock, 5000).proven is not None
    assert len(few.steps) < len(many.steps)


def test_discount_prefers_what_comes_soon() -> None:
    tree = searched(Lock((1, 2)), 1, discount=0.5)
    node = tree.root
    node.rewards[0] = 0.0
    child = node.children[0]
    assert child is not None
    for value, wanted in ((0.5, 0.25), (1.0, 0.5)):
        child.value = value
        before = node.sums[0]
        tree.finish(child, tree.known(child) or tree.problem.evaluate([child.state])[0])
        assert node.sums[0] - before == wanted


def test_states_of_one_key_are_evaluated_once_and_counted_each() -> None:
    shared, apart = (Lock((9, 9, 9), digits=4, unordered=True) for _ in range(2))
    one = searched(shared, 10_000)
    searched(apart, 10_000, transpositions=False)
    assert sum(shared.batches) < sum(apart.batches)
    assert one.simulations == len(shared.steps) == len(apart.steps)


def test_widening_opens_edges_as_visits_grow() -> None:
    lock = Lock((9, 9, 9, 9), digits=50)
    wide = searched(lock, 100)
    narrow = searched(Lock((9, 9, 9, 9), digits=50), 100, widening=(1.0, 0.5))
    assert len(narrow.root.visits) <= 12 < len(wide.root.visits)
    assert searched(Lock((9,), digits=5), 99, widening=(1.0, 0.5)).simulations == 5


def test_nothing_is_looked_for_below_the_most_depth() -> None:
    tree = searched(Lock((9,) * 6, digits=3), 10_000, most_depth=2)
    assert tree.through
    assert {node.depth for node in nodes(tree.root)} == {0, 1, 2}


def test_a_taken_edge_keeps_what_was_learnt_below_it() -> None:
    lock = Lock((3, 1, 4, 1, 9), right=0.3)
    tree = searched(lock, 40)
    edge = tree.best()
    child = tree.root.children[edge]
    assert child is not None
    known, action = child.total, tree.root.actions[edge]
    tree.advance(edge)
    assert tree.root.total == known > 0
    steps = len(lock.steps)
    tree.simulate(10)
    assert tree.root.total == known + 10
    assert all(state[0] == action for state, _ in lock.steps[steps:])


@pytest.mark.parametrize("rule", ["puct", "ucb1", "gumbel"])
def test_a_search_goes_on_to_the_end_edge_by_edge(rule: Rule) -> None:
    lock = Lock((3, 1, 4, 9), right=0.5)
    tree = searched(lock, 30, rule=rule, **NO_NOISE)
    taken = []
    for _ in range(3):
        edge = tree.best()
        taken.append(tree.root.actions[edge])
        tree.advance(edge)
        assert tree.root.depth == len(taken) or rule == "gumbel"
        tree.simulate(30)
    assert taken == [3, 1, 4]


def test_noise_at_the_root_is_not_what_equal_states_get() -> None:
    lock = Lock((9, 9, 9), digits=6, unordered=True)
    tree = searched(lock, 12, rule="gumbel")
    assert tree.root.actions != list(range(6))
    assert list(tree.problem.evaluate([()])[0].actions) == list(range(6))
    (root,) = [known for key, known in tree._known.items() if key == ()]
    assert list(root.actions) == list(range(6))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("in_flight", [1, 4])
def test_trees_side_by_side_share_batches(rule: Rule, in_flight: int) -> None:
    lock = Lock(NO_CODE, right=0.3)
    trees = [
        Tree[State, int](lock, (), TreeSettings(rule=rule, transpositions=False), seed)
        for seed in range(3)
    ]
    search_together(trees, 40, in_flight)
    assert [tree.simulations for tree in trees] == [40, 40, 40]
    assert max(lock.batches) > 2
    for tree in trees:
        for node in nodes(tree.root):
            assert not any(node.pending)
            assert node.total == sum(node.visits)
    if in_flight == 1:
        alone = searched(Lock(NO_CODE, right=0.3), 40, rule=rule, transpositions=False)
        assert alone.root.visits == trees[0].root.visits


def test_virtual_loss_sends_pending_simulations_elsewhere() -> None:
    def met(loss: float) -> int:
        tree: LockTree = Tree(Lock((9,) * 3, right=0.6), (), TreeSettings(virtual_loss=loss))
        tree.simulate(20)
        leaves = [tree.descend(pending=True) for _ in range(6)]
        return sum(leaf is not None for leaf in leaves)

    assert met(3.0) > met(0.0)


def test_the_log_has_every_simulation() -> None:
    told: list[Any] = []
    tree: LockTree = Tree(Lock((3, 1, 4), right=0.3), (), log=told.append)
    tree.simulate(500)
    assert [one["simulation"] for one in told] == list(range(1, tree.simulations + 1))
    assert [one["proven"] for one in told].count(True) == 1
    assert told[-1]["proven"]
    assert told[0]["path"] == [0]


def test_gumbel_without_noise_is_the_same_for_all_seeds_and_with_it_is_not() -> None:
    def visits(seed: int, noise: float) -> list[tuple[int, int]]:
        settings = TreeSettings(rule="gumbel", noise=noise, considered=4)
        tree: LockTree = Tree(Lock((9, 9, 9)), (), settings, seed)
        tree.simulate(16)
        return list(zip(tree.root.actions, tree.root.visits, strict=False))

    assert visits(0, 0.0) == visits(1, 0.0)
    assert visits(0, 1.0) == visits(0, 1.0) != visits(1, 1.0)


def test_targets_favour_what_returned_something() -> None:
    tree = searched(Lock((2, 2, 2), digits=4), 40)
    policy = dict(zip(tree.root.actions, tree.improved(), strict=False))
    assert max(policy, key=policy.__getitem__) == 2
    assert sum(policy.values()) == pytest.approx(1.0)
