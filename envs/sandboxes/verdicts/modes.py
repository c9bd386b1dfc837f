"""Where tests run, seen from the code that they test: apart from it, together with it, or in a
harness of their own. What the tested code can forge follows from that.
"""

from __future__ import annotations

from typing import Literal

from hrmgym.envs.sandboxes.verdicts import together
from hrmgym.envs.task import CommandTests, PytestTests, TestSpec

Mode = Literal["apart", "together", "harness"]


def tests_apart(tests: TestSpec, *, sandbox: str) -> tuple[Mode, str]:
    """How tests run, and why so.

    Nothing is run for it: the answer follows from the tests and the kind of sandbox. Of a task, ask
    `trial.task_apart`, which also tries what cannot be told from the tests.

    Args:
        tests: The tests.
        sandbox: The sandbox's `type`, as its config block has it.

    Returns:
        The mode and one line that says why; the line is empty for "apart", the best there is.

        - "apart": expected values and verdict are out of the tested code's reach.
        - "together": one process runs both, which the tested code can fool.
        - "harness": one command decides, which may let the tested code do anything.
    """
    if isinstance(tests, CommandTests):
        return "harness", f"the exit status of {tests.command[0]!r} decides"
    if not isinstance(tests, PytestTests):
        return "apart", ""
    if sandbox != "local":
        return "together", f"pytest runs in one process with the code in a {sandbox!r} sandbox"
    why = together.reason(tests)
    return ("together", why) if why else ("apart", "")
