"""How a task's function is asked: where it is called, with which plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hrmgym.envs.benchmarks.quixbugs import QuixBugs
from hrmgym.envs.task import CallCase, CallTests, Task
from hrmgym.experiments.inputs.graphs import DRIVER, GENERATORS, driver, graph_inputs
from hrmgym.experiments.inputs.shapes import drawn_inputs


@dataclass(frozen=True, slots=True)
class Asking:
    """Calls of a function."""

    path: str
    """File that defines it."""
    function: str
    inputs: Iterable[tuple[Any, ...]]
    """Argument lists, all different, made as they are asked for."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What lies beside the program to call it: path -> text."""
    consume: bool = False
    """Whether it returns something to go through, whose items count."""
    tolerance: float | None = None
    """How far numbers may be from the reference's; None: not at all."""


def asking(task: Task, seed: int) -> Asking | None:
    """How to ask a task's function; None where it takes no plain values that are known.

    The examples are the calls of its visible and hidden tests: this is for judges alone.

    Args:
        task: The whole task.
        seed: With the task's id, all that the inputs depend on.
    """
    told = f"{seed} {task.benchmark} {task.id}"
    if task.benchmark == QuixBugs.name and task.id in GENERATORS:
        return Asking(DRIVER, task.id, graph_inputs(task.id, told), {DRIVER: driver()})
    visible, hidden = task.visible_tests, task.hidden_tests
    if not isinstance(visible, CallTests) or not isinstance(hidden, CallTests):
        return None
    if (visible.path, visible.function) != (hidden.path, hidden.function):
        return None
    cases = [one for one in (*visible.cases, *hidden.cases) if not one.raises]
    drawn = drawn_inputs([one.args for one in cases], told)
    return Asking(
        path=hidden.path,
        function=hidden.function,
        inputs=drawn,
        consume=any(one.consume for one in cases),
        tolerance=_tolerance(cases),
    )


def _tolerance(cases: list[CallCase]) -> float | None:
    """The strictest that a case has; None if one has none."""
    if not cases or any(one.compare == "equal" for one in cases):
        return None
    return min(one.tolerance for one in cases)
