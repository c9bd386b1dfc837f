"""From what the tests say of an old body to the tests of a task."""

from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from hrmgym.envs.benchmarks.fixes.changes import parsed
from hrmgym.envs.benchmarks.fixes.layout import Layout
from hrmgym.envs.benchmarks.fixes.mining.runs import Observed
from hrmgym.envs.benchmarks.fixes.recipe import Side
from hrmgym.envs.benchmarks.fixes.testfiles import function_of

#: Functions of tests of one side: those that the old body fails, and those that it passes.
MOST_FAILING, MOST_PASSING = 4, 8
#: Passing ones that the hidden side must have beside a failing one that both sides share.
LEAST_PASSING = 2
#: Seconds that one function of tests may take.
_MOST_SECONDS = 0.25
#: Exceptions that say that something is not there at all: no bug, but another release.
_ABSENT = frozenset({"NameError", "ImportError", "ModuleNotFoundError"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_MISFIT = ("unexpected keyword argument", "positional argument", "required keyword-only argument")


def order(seed: int, names: Iterable[str]) -> list[str]:
    """Names in an order that a seed decides, whatever else there is."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).hexdigest())


def by_function(tests: Mapping[str, Observed]) -> dict[str, list[Observed]]:
    """Function of tests -> what became of it with each of its parameters."""
    found: dict[str, list[Observed]] = defaultdict(list)
    for name, test in tests.items():
        found[function_of(name)].append(test)
    return dict(found)


def all_passed(tests: Mapping[str, Observed]) -> set[str]:
    """Functions of tests that pass with all of their parameters."""
    functions = by_function(tests).items()
    return {name for name, some in functions if all(one.status == "passed" for one in some)}


def is_coupled(failed: Collection[Observed]) -> bool:
    """Whether every failure says that something is not there, or is called in another way."""
    return all(
        test.exception in _ABSENT
        or (test.exception == "TypeError" and any(one in test.message for one in _MISFIT))
        for test in failed
    )


def is_new(function: str, old: Layout, new: Layout) -> bool:
    """Whether a function of tests is new in the newer release, or changed."""
    path, _, inside = function.partition("::")
    name = inside.rpartition("::")[2]
    here = _tests_in(new.tests.get(path, "")).get(name)
    there = next(
        (one for one in old.tests if one == path or one.endswith("/" + path.rpartition("/")[2])), ""
    )
    return here != _tests_in(old.tests.get(there, "")).get(name)


@lru_cache(maxsize=64)
def _tests_in(text: str) -> dict[str, str]:
    """Test function -> what it does; several of one name together."""
    found: dict[str, str] = defaultdict(str)
    tree = parsed(text)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, _FUNCTIONS) and node.name.startswith("test"):
            found[node.name] += ast.dump(node)
    return dict(found)


def sides(
    failing: Mapping[str, float],
    passing: Mapping[str, float],
    covering: Collection[str],
    new: Collection[str],
    seed: int,
) -> tuple[Side, Side] | None:
    """The visible and the hidden tests of a task.

    Failing tests alternate, a new or changed one first, visible first. Where there is but one, both
    sides have it, and the hidden side is told apart by passing tests that are not visible. Passing
    tests alternate, too, hidden first; those that run the function come before others of the same
    files.

    Args:
        failing: Functions of tests that the old body fails, and the seconds that they take.
        passing: Those that pass with both bodies.
        covering: Those that run the function.
        new: Those that are new in the newer release, or changed.
        seed: Decides the order of equals.

    Returns:
        The two sides, how they run left open; None where there are too few tests.
    """
    quick = [one for one in order(seed, failing) if failing[one] <= _MOST_SECONDS]
    quick.sort(key=lambda one: one not in new)
    if not quick or quick[0] not in new:
        return None
    files = {one.partition("::")[0] for one in quick}
    others = [one for one in order(seed, passing) if passing[one] <= _MOST_SECONDS]
    near = [one for one in others if one in covering]
    if len(near) < 2 * LEAST_PASSING:
        near += [one for one in others if one not in covering and one.partition("::")[0] in files]
        near = near[: 2 * LEAST_PASSING]
    if len(quick) == 1:
        if len(near) < LEAST_PASSING:
            return None
        first = second = tuple(quick)
    else:
        first, second = tuple(quick[0::2][:MOST_FAILING]), tuple(quick[1::2][:MOST_FAILING])
    hidden, visible = near[0::2][:MOST_PASSING], near[1::2][:MOST_PASSING]
    if not hidden:
        return None
    return (
        Side(fail_to_pass=first, pass_to_pass=tuple(visible)),
        Side(fail_to_pass=second, pass_to_pass=tuple(hidden)),
    )
