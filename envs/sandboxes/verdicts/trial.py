"""Whether a task's tests say the same apart from the tested code as together with it: tried out.

No list of what can cross between two processes is complete. So the tests run apart on the known
solution first, which nobody who is graded has a hand in. Where that does not pass they run together
on it too, and where the two differ the tests run together from then on. What the code under test
does has no part in the decision.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hrmgym.envs.outcome import FailureCode, Outcome, Status
from hrmgym.envs.sandboxes.verdicts.modes import Mode, tests_apart
from hrmgym.envs.task import NO_ENVIRONMENT, Limits, PytestTests, Task, TestSpec
from hrmgym.errors import SandboxError, SandboxUnavailableError

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.executor import TestRunner

_MOST = 4096
#: How many times a task's time a trial has, and the least seconds: the machine's speed must not
#: decide.
_PATIENCE, _LEAST_S = 4.0, 2.0
#: Statuses that do hang on it, which say nothing of what can cross.
_STARVED = (Status.TIMEOUT, Status.OUT_OF_MEMORY)


class _Memory:
    """What has been tried in this process."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.known: OrderedDict[tuple[int, ...], tuple[TestSpec, Any]] = OrderedDict()
        """Objects' ids -> what to run, and the objects themselves: their ids are theirs while they
        live."""


_memory = _Memory()


def task_apart(task: Task, runner: TestRunner) -> tuple[Mode, str]:
    """How a task's tests run, visible and hidden ones: the less safe of the two modes, and why.

    See `modes.tests_apart`. The first time, tests may run on the known solution: see `tried`.
    """
    return max(_modes(task, runner), key=_rank)


def shown_apart(task: Task, runner: TestRunner) -> tuple[Mode, str]:
    """`task_apart` for an agent to see: what keeps hidden tests together with the code is hidden.

    The reason may name a test or a value of it.
    """
    visible, hidden = _modes(task, runner)
    if _rank(visible) >= _rank(hidden):
        return visible
    return hidden[0], "the hidden tests do not run apart from the code"


def _modes(task: Task, runner: TestRunner) -> tuple[tuple[Mode, str], tuple[Mode, str]]:
    visible, hidden = (
        mode_of(tests, task, runner) for tests in (task.visible_tests, task.hidden_tests)
    )
    return visible, hidden


def _rank(mode: tuple[Mode, str]) -> int:
    return ("apart", "harness", "together").index(mode[0])


def mode_of(tests: TestSpec, task: Task, runner: TestRunner) -> tuple[Mode, str]:
    """How some of a task's tests run, and why: see `task_apart`."""
    keeps_apart = runner.keeps_apart(task.environment)
    return tests_apart(tried(tests, task, runner), keeps_apart=keeps_apart)


def tried(tests: TestSpec, task: Task, runner: TestRunner) -> TestSpec:
    """A task's tests as they are to run; what is tried for it is tried once in a process.

    Args:
        tests: Some of the task's tests.
        task: The task, with its known solution; where it has none, its untouched workspace serves.
        runner: Where the tests run; the solution gets sandboxes that serve nothing else.

    Returns:
        `tests` themselves where nothing is to be decided, or the sandbox fails. Else a copy: with
        `tried` where they run apart, and with `together`, the reason, where they have to run so.
    """
    mode, _ = tests_apart(tests, keeps_apart=runner.keeps_apart(task.environment))
    if mode != "apart" or not isinstance(tests, PytestTests) or tests.tried:
        return tests
    ids = id(tests), id(task.reference), id(task.workspace)
    with _memory.turn:
        known = _memory.known.get(ids)
    if known is None:
        try:
            runner = (
                runner if task.environment == NO_ENVIRONMENT else runner.within(task.environment)
            )
        except SandboxUnavailableError:
            raise
        except SandboxError:
            return tests
        found = try_out(tests, task.solution(), task.limits, runner)
        if found is tests:
            return tests
        known = found, (tests, task.reference, task.workspace)
        with _memory.turn:
            _memory.known[ids] = known
            while len(_memory.known) > _MOST:
                _memory.known.popitem(last=False)
    return known[0]


def try_out(
    tests: PytestTests, files: Mapping[str, str], limits: Limits, runner: TestRunner
) -> PytestTests:
    """`tried`, anew, with the known solution's files."""
    try:
        return _try_out(tests, files, limits, runner)
    except SandboxUnavailableError:
        raise
    except SandboxError:
        return tests


def _try_out(
    tests: PytestTests, files: Mapping[str, str], limits: Limits, runner: TestRunner
) -> PytestTests:
    limits = replace(
        limits,
        cpu_s=max(_LEAST_S, _PATIENCE * limits.cpu_s),
        wall_s=max(_LEAST_S, _PATIENCE * limits.wall_s),
    )
    apart = runner.run_tests(files, tests, limits, fresh=True)
    if apart.failure not in (None, FailureCode.CANNOT_CROSS):
        return tests
    if apart.resolved:
        return replace(tests, tried=True)
    one = runner.run_tests(files, replace(tests, together=True), limits, fresh=True)
    if one.failure is not None:
        return tests
    if why := _difference(apart, one):
        return replace(tests, together=why)
    return replace(tests, tried=True)


def _difference(apart: Outcome, together: Outcome) -> str:
    """What says that two processes are not enough; empty where both runs agree."""
    if apart.failure is not None:
        return apart.message
    for name, status in together.tests.items():
        other = apart.tests.get(name)
        if other is not status and status not in _STARVED and other not in _STARVED:
            return f"{name}: {status} together with the code, {other} apart from it"
    return ""
