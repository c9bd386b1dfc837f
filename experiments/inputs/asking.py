"""How a task's function is asked: where it is called, with which plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from hrmgym.envs.benchmarks.quixbugs import QuixBugs
from hrmgym.envs.focus import parts_of
from hrmgym.envs.task import CallCase, CallTests, PytestTests, Task
from hrmgym.experiments.inputs.graphs import DRIVER, GENERATORS, driver, graph_inputs
from hrmgym.experiments.inputs.literals import calls_in
from hrmgym.experiments.inputs.shapes import drawn_inputs

#: File of the workspace that calls a function of a package.
CALL_DRIVER = "call_driver.py"


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

    The examples are the calls of its visible and hidden tests, or those that stand in its test
    files: this is for judges alone.

    Args:
        task: The whole task.
        seed: With the task's id, all that the inputs depend on.
    """
    told = f"{seed} {task.benchmark} {task.id}"
    if task.benchmark == QuixBugs.name and task.id in GENERATORS:
        return Asking(DRIVER, task.id, graph_inputs(task.id, told), {DRIVER: driver()})
    visible, hidden = task.visible_tests, task.hidden_tests
    if isinstance(visible, PytestTests) and isinstance(hidden, PytestTests):
        return _from_tests(task, [*visible.files.values(), *hidden.files.values()], told)
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


def _from_tests(task: Task, texts: Sequence[str], told: str) -> Asking | None:
    """How to ask the function that a task is about, by the calls that its tests write out."""
    path, name = parts_of(task.focus)
    if not name or "." in name or not path.endswith(".py"):
        return None  # a method: what it is called on is not plain
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    text = resources.files("hrmgym.experiments.inputs").joinpath(CALL_DRIVER).read_text("utf-8")
    asked = text.replace('("module", "function")', repr((module, name)))
    inputs = drawn_inputs(calls_in(texts, name), told)
    return Asking(CALL_DRIVER, "ask", inputs, {CALL_DRIVER: asked})


def _tolerance(cases: list[CallCase]) -> float | None:
    """The strictest that a case has; None if one has none."""
    if not cases or any(one.compare == "equal" for one in cases):
        return None
    return min(one.tolerance for one in cases)
