"""Steps and transitions whose visible tests have a limited time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, SupportsFloat

from hrmgym.envs.task import Outcome, Status
from hrmgym.search.stages import Ran, Result

if TYPE_CHECKING:  # the command line imports this, and no sandbox
    from hrmgym.envs.software import SoftwareEnv
    from hrmgym.envs.state import State

#: Observation, reward, terminated, truncated, info.
Step = tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]


def step_within(env: SoftwareEnv, action: Any, cpu_s: float) -> Ran[Step]:
    """Takes a step whose visible tests have at most `cpu_s` CPU seconds; a grade has all its time.

    Raises:
        ActionError: As `SoftwareEnv.step` does, and all else that it raises.
    """
    env.visible_cpu_s = cpu_s
    try:
        found = env.step(action)
    finally:
        env.visible_cpu_s = math.inf
    return within(env.state, cpu_s, found)


def within(after: State, cpu_s: float, result: Result) -> Ran[Result]:
    """What an action came to whose visible tests had at most `cpu_s` CPU seconds.

    Args:
        after: The state after it.
        cpu_s: The limit.
        result: Whatever the caller makes of it.
    """
    ran = after.ran or Outcome(tests={})  # a refused edit runs nothing
    # A process that the tests started may have met the limit and made them fail: time tells.
    timed_out = Status.TIMEOUT in ran.tests.values() or ran.cpu_s >= cpu_s
    return Ran(result, ran.cpu_s, timed_out and not ran.resolved)


def passed(state: State) -> bool:
    """Whether a try was an edit after which all visible tests pass."""
    return state.tool == "edit" and not state.refused and state.passes
