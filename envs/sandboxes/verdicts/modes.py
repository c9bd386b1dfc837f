"""Where tests run, seen from the code that they test: see `hrmgym.envs.testkinds.base.Mode`."""

from __future__ import annotations

from hrmgym.envs.kinds import Mode, kind_of
from hrmgym.envs.testspecs import TestSpec

__all__ = ["Mode", "tests_apart"]


def tests_apart(tests: TestSpec, *, keeps_apart: bool) -> tuple[Mode, str]:
    """How tests run, and why so.

    Nothing is run for it: the answer follows from the tests and the kind of sandbox. Of a task, ask
    `trial.task_apart`, which also tries what cannot be told from the tests.

    Args:
        tests: The tests.
        keeps_apart: Whether the sandbox can run tests in another process than the code.

    Returns:
        The mode and one line that says why; the line is empty for "apart", the best there is.
    """
    return kind_of(tests).mode(tests, keeps_apart=keeps_apart)
