"""What scores are made of: one record for each task, a line of `scores/score.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Number = int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a task: an episode, or a list of proposals tried in their order."""

    solved: bool
    """Whether what was submitted passes the hidden tests."""
    plausible: bool
    """Whether it passes the visible tests."""
    test_runs: int
    """Runs of the visible tests. Where nothing is run, as in `edits`, proposals looked at."""
    solved_after: int | None
    """How many of them were made up to the solution; None: it is not solved."""
    reason: str
    """How it ended: a `hrmgym.envs.task.Reason`."""
    failure: str = ""
    """Why there is no verdict: a `hrmgym.envs.task.FailureCode`; empty where there is one."""
    correct: bool | None = None
    """Whether it also returns what the reference does on inputs that stand in no test, see
    `correct.py`; None: that was not asked, or could not be judged."""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    """What else was counted, by name; None: there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """All attempts at one task."""

    task: str
    tags: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    seconds: float = field(default=0.0, compare=False)
    """Wall-clock time of all attempts; no part of a report."""

    @property
    def judged(self) -> tuple[Attempt, ...]:
        """The attempts that have a verdict."""
        return tuple(one for one in self.attempts if not one.failure)

    @property
    def solved(self) -> int:
        """Number of attempts that solved it."""
        return sum(one.solved for one in self.judged)

    @property
    def failures(self) -> tuple[str, ...]:
        """The codes of the attempts without a verdict."""
        return tuple(one.failure for one in self.attempts if one.failure)
