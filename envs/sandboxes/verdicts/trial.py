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
from typing import TYPE_CHECKING

from hrmgym.envs.outcome import FailureCode, Outcome
from hrmgym.envs.sandboxes.verdicts.modes import tests_apart
from hrmgym.envs.task import Limits, PytestTests, TestSpec
from hrmgym.envs.workspace import Files

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.handle import TestRunner

_MOST = 4096


class _Memory:
    """What has been tried in this process."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.known: OrderedDict[tuple[int, str, str, Limits], tuple[TestSpec, TestSpec]]
        self.known = OrderedDict()


_memory = _Memory()


def tried(
    tests: TestSpec, files: Mapping[str, str], limits: Limits, runner: TestRunner
) -> TestSpec:
    """The tests as they are to run.

    Args:
        tests: A task's visible or hidden tests.
        files: The task's known solution; where there is none, its untouched workspace.
        limits: The task's.
        runner: Where they run; it gets `files` in sandboxes that serve nothing else.

    Returns:
        `tests` themselves where nothing is to be decided, or the sandbox fails. Else a copy: with
        `tried` where they run apart, and with `together`, the reason, where they have to run so.
    """
    mode, _ = tests_apart(tests, sandbox=runner.kind)
    if mode != "apart" or not isinstance(tests, PytestTests) or tests.tried:
        return tests
    files = Files.of(files)
    key = id(tests), runner.kind, files.key, limits
    with _memory.turn:
        known = _memory.known.get(key)
    if known is None:
        found = _try_out(tests, files, limits, runner)
        if found is None:
            return tests
        known = tests, found  # with the tests: their id is theirs while they live
        with _memory.turn:
            _memory.known[key] = known
            while len(_memory.known) > _MOST:
                _memory.known.popitem(last=False)
    return known[1]


def _try_out(
    tests: PytestTests, files: Files, limits: Limits, runner: TestRunner
) -> PytestTests | None:
    apart = runner.run_tests(files, tests, limits, fresh=True)
    if apart.failure not in (None, FailureCode.CANNOT_CROSS):
        return None
    if apart.resolved:
        return replace(tests, tried=True)
    one = runner.run_tests(files, replace(tests, together=True), limits, fresh=True)
    if one.failure is not None:
        return None
    if why := _difference(apart, one):
        return replace(tests, together=why)
    return replace(tests, tried=True)


def _difference(apart: Outcome, together: Outcome) -> str:
    """What says that two processes are not enough; empty where both runs agree."""
    if apart.failure is not None:
        return apart.message
    for name, status in together.tests.items():
        if apart.tests.get(name) is not status:
            return f"{name}: {status} together with the code, {apart.tests.get(name)} apart from it"
    return ""
