"""Runs the tests of a task in a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hrmgym.envs.sandboxes import calltests
from hrmgym.envs.task import CallTests, Limits, Outcome, TestSpec


async def run_tests(
    runtime: Any, files: Mapping[str, str], tests: TestSpec, limits: Limits
) -> Outcome:
    """The outcome of `tests` on a workspace that holds `files` and nothing else."""
    if isinstance(tests, CallTests):
        return calltests.judge(tests, await runtime.run_calls(files, tests, limits), limits)
    raise NotImplementedError
