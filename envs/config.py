"""How a task becomes an episode: the keys of `SoftwareEnv`, and of an experiment's `env:` block."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hrmgym.config import Block, Count, Seconds
from hrmgym.envs.rewards import RewardConfig

#: Tokens of the shortest canvas, and of the longest: attention over that takes some 16 GiB a layer
#: and head.
SHORTEST, LONGEST = 64, 65_536

KeepEdits = Literal["always", "if_better"]


class EnvConfig(Block):
    """How a task becomes an episode."""

    interface: Literal["edit", "shell"] = "edit"
    """How the policy sees and acts: token canvas and whole edits, or text and commands."""
    canvas: Annotated[int, Field(ge=SHORTEST, le=LONGEST)] = 256
    """Tokens that the `edit` interface shows at once, L."""
    max_steps: Count = 8
    """Actions of one episode; then it is truncated."""
    max_test_runs: Count | None = None
    """Runs of the visible tests in one episode, which is then truncated; null allows as many as
    `max_steps`."""
    max_seconds: Seconds | None = None
    """Wall-clock seconds of one episode, checked after each step; null sets no limit. A machine's
    speed then decides, so runs with it cannot be reproduced exactly."""
    auto_test: bool = True
    """Run the visible tests at the start (not counted) and after every change (counted)."""
    auto_submit: bool = True
    """Submit as soon as every visible test passes."""
    keep_edits: KeepEdits = "always"
    """`if_better` takes back a change after which no more visible tests pass than before; it needs
    `auto_test`."""
    rewards: RewardConfig = RewardConfig()
    """Weights of the reward's terms."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.auto_test and self.keep_edits == "if_better":
            raise ValueError("keep_edits: if_better needs auto_test: true")
        return self
