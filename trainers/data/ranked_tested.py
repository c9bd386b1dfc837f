"""Bugs that tests see, with what the failing ones say and which lines each of them runs.

The tests are those that were found by calling the functions. Only some of them are shown, sometimes
one alone, and sometimes none that passes: users have few tests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hrmgym.envs.edits.screen import Coverage, spectrum
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.outcome import Outcome
from hrmgym.envs.sandboxes.executor import TestRunner
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallTests, Task, TestSpec
from hrmgym.trainers.data.bug_stream import Program, first_paragraph
from hrmgym.trainers.data.found_tests import CheckedFunction
from hrmgym.trainers.data.ranked_bugs import LIMITS, Broken, RankedBugs, task_of

_SEED_STEP = 500_009
_FAILURE_SHARE = 0.9
_LINES_SHARE = 0.9


class RankedTested(RankedBugs):
    """As `RankedBugs`, of functions with tests; a bug that none of them sees is left out.

    Args:
        functions: With their tests.
        interface: Lays out the canvases.
        kinds: Kind -> number, for the network.
        seed: With the index, all that a sample depends on.
        dressed: Share of the functions that are shown in a file with more in it.

    Raises:
        ConfigError: there are no functions.
    """

    def __init__(
        self,
        functions: Sequence[CheckedFunction],
        interface: EditInterface,
        kinds: Mapping[str, int],
        *,
        seed: int,
        dressed: float = 0.0,
    ) -> None:
        programs = [
            Program(one.name, one.imports + one.code, first_paragraph(one.docstring), one.docstring)
            for one in functions
        ]
        super().__init__(programs, interface, kinds, seed=seed + _SEED_STEP, dressed=dressed)
        self._tests = [one.tests for one in functions]
        self._sandbox: tuple[int, Sandbox] | None = None

    def _tested(self, at: int, broken: Broken, rng: np.random.Generator) -> Broken | None:
        if self._sandbox is None or self._sandbox[0] != os.getpid():
            self._sandbox = (os.getpid(), Sandbox())
        return with_tests(broken, self._tests[at], self._sandbox[1], rng)


def checked_solutions(tasks: Sequence[Task]) -> list[CheckedFunction]:
    """The Python solutions of tasks with call tests, each once, with the tests that agents see."""
    found: dict[str, CheckedFunction] = {}
    for task in tasks:
        tests, path = task.visible_tests, next(iter(task.reference), "")
        if isinstance(tests, CallTests) and tests.path == path and task.language == "python":
            code = task.reference[path]
            if tests.function == path.removesuffix(".py"):
                one = CheckedFunction(tests.function, code, "", task.prompt, tests.cases)
                found.setdefault(code, one)
    return list(found.values())


def with_tests(
    broken: Broken, tests: CallTests, sandbox: TestRunner, rng: np.random.Generator
) -> Broken | None:
    """A broken program with what some of its tests say; None where none of them fails.

    Raises:
        SandboxError: the sandbox failed, so nothing is known.
    """
    task = task_of(broken, tests)
    files = task.workspace.start
    every = spectrum(_Plain(), task, files, broken.path, sandbox).tests
    failing = [name for name, one in every.items() if not one.passed]
    if not failing:
        return None
    shown = _thinned(list(every), failing, rng)
    few = replace(tests, cases=tuple(case for case in tests.cases if case.id in shown))
    outcome = sandbox.run_tests(files, few, LIMITS)
    if outcome.resolved or outcome.trouble:
        return None
    if rng.random() > _FAILURE_SHARE:
        outcome = replace(outcome, message="", path="", line=0)
    lines = {name: every[name] for name in shown} if rng.random() < _LINES_SHARE else {}
    return replace(broken, outcome=outcome, coverage=Coverage(lines))


def _thinned(names: Sequence[str], failing: Sequence[str], rng: np.random.Generator) -> set[str]:
    """Some of the tests, each number of them alike, one that fails among them."""
    first = failing[int(rng.integers(len(failing)))]
    rest = [name for name in names if name != first]
    more = int(rng.integers(len(rest) + 1))
    return {first, *(rest[at] for at in rng.permutation(len(rest))[:more].tolist())}


class _Plain:
    """A grader without rules of its own."""

    own_rules = False

    def run_tests(
        self, task: Task, tests: TestSpec, files: Mapping[str, str], sandbox: TestRunner
    ) -> Outcome:
        return sandbox.run_tests(files, tests, task.limits)
