"""Staged time limits in training: an episode's runs are short, and what timed out is repeated last.

An edit that makes a program run for ever costs the task's whole time at every step that tries it.
With `sandbox.stages` the visible tests of a step get the first stage only. Before an episode is
given up, the steps that it cut off are taken again from where they were, in their order and under
the task's own limits, for as many test runs as the budget has left. The first after which the
visible tests pass ends the episode, in the place of the last step.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import Snapshot
from hrmgym.envs.task import Reason
from hrmgym.search.stages import is_near
from hrmgym.search.steps import Step, step_within


def with_stages(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """A `SoftwareEnv` with the stages of its sandbox's configuration; as it is without any."""
    if isinstance(env, SoftwareEnv) and env.sandbox_config.stages and env.auto_test:
        return StagedSteps(env)
    return env


class StagedSteps(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Takes steps under the first stage, and those that it cut off again before the end.

    Two more keys are in every info, both counted from the episode's start: `repeats`, steps that
    were taken again (they are in `test_runs`), and `near_limit`, runs that ended within a factor of
    two of the stage. Where there are none of these, the episode is the same on a machine of another
    speed.

    Args:
        env: Its sandbox's configuration has the stages.
    """

    def __init__(self, env: SoftwareEnv) -> None:
        super().__init__(env)
        self._base = env
        self._cut: list[tuple[Snapshot, Any]] = []
        self._repeats = self._near_limit = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """As the environment's own."""
        self._cut.clear()
        self._repeats = self._near_limit = 0
        observation, info = self._base.reset(seed=seed, options=options)
        return observation, info | self._counts()

    def step(self, action: Any) -> Step:
        """As the environment's own, but what the stage cuts off is not the last word.

        `info["reason"]` is `timeout` at the end of an episode in which a step stays cut off.
        """
        before, stages = self._base.save(), self._base.sandbox_config.stages
        ran = step_within(self._base, action, stages[0])
        self._near_limit += is_near(ran, stages[:1])
        own_s = self._base.state.task.limits.cpu_s
        if ran.cut and stages[0] < own_s:
            self._cut.append((before, action))
        found = ran.result
        if found[3] and self._cut and not found[4]["failure"]:
            found = self._repeated(found)
        return *found[:4], found[4] | self._counts()

    def _repeated(self, last: Step) -> Step:
        """The end of an episode that is to be given up."""
        end, test_runs = self._base.save(), int(last[4]["test_runs"])
        most, own_s = self._base.state.test_runs_left, self._base.state.task.limits.cpu_s
        for before, action in self._cut[:most]:
            self._base.restore(before)
            found = step_within(self._base, action, own_s).result
            self._repeats += 1
            counted = found[4] | {
                "test_runs": test_runs + self._repeats,
                "steps": last[4]["steps"],
            }
            # The end, whatever the hidden tests say.
            if self._base.state.passes or found[2] or found[4]["failure"]:
                return found[0], found[1], found[2], not found[2], counted
        self._base.restore(end)
        info = last[4] | {"test_runs": test_runs + self._repeats}
        if self._cut[most:]:
            info["reason"] = Reason.TIMEOUT.value
        return *last[:4], info

    def _counts(self) -> dict[str, int]:
        return {"repeats": self._repeats, "near_limit": self._near_limit}
