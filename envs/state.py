"""The state of an episode: what interfaces show, tools change, and `save` keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hrmgym.envs.task import FailureCode, Outcome, PublicTask
from hrmgym.envs.workspace import Files


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the agent looks."""

    path: str
    window: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything an episode depends on, immutable: a transition makes a new one.

    It holds the public part of its task alone, so whoever searches over states sees no hidden test.
    """

    task: PublicTask
    files: Files
    """The whole workspace; read as a mapping, path -> text of each regular file."""
    cursor: Cursor
    outcome: Outcome | None = None
    """Visible tests on exactly these files; None where they have not been run on them."""
    passing: float = 0.0
    """Share of the visible tests that passed when they were last run, on whatever files."""
    output: str = ""
    """What the last shell command printed."""
    exit_code: int = -1
    """Exit code of the last action's shell command; -1 where it ran none."""
    undo: tuple[tuple[Files, Outcome | None], ...] = ()
    """Earlier `files` and `outcome`, oldest first."""
    steps: int = 0
    test_runs: int = 0
    max_steps: int = 1
    max_test_runs: int = 1
    tool: str = field(default="", compare=False)
    """The tool that the last action called; empty where its call could not be read."""
    refused: str = field(default="", compare=False)
    """Why the last action was refused; empty where it was not."""
    kept: bool = field(default=True, compare=False)
    """Whether the last action's change was kept."""
    ran: Outcome | None = field(default=None, compare=False)
    """What the visible tests said that the last action ran, of a change that was not kept too."""

    @property
    def steps_left(self) -> int:
        """Steps until truncation."""
        return max(0, self.max_steps - self.steps)

    @property
    def test_runs_left(self) -> int:
        """Test runs until truncation."""
        return max(0, self.max_test_runs - self.test_runs)

    @property
    def passes(self) -> bool:
        """Whether every visible test passes on these very files."""
        return self.outcome is not None and self.outcome.resolved

    def candidate(self) -> Files:
        """The files that a grade is given on: the task's own, and the agent's editable ones."""
        own = Files.of(self.files, self.task.workspace.base())
        return own.limited_to(self.task.editable)


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Snapshot:
    """An episode's state for `SoftwareEnv.restore`: exact, picklable, and free of tests.

    It names its task instead of holding it, so neither the hidden tests nor the reference leave
    the process that owns the benchmark. Its pickle holds what has changed, not the task's own
    files; those it finds again through the task.
    """

    benchmark: str
    task: str
    files: Files
    cursor: Cursor
    outcome: Outcome | None
    passing: float
    output: str
    undo: tuple[tuple[Files, Outcome | None], ...]
    steps: int
    test_runs: int
    done: bool
    is_success: bool
    failure: FailureCode | None = None
    """Why the sandbox gave no verdict at the last step or reset."""
    exit_code: int = -1
    elapsed_s: float = field(compare=False)
    rng: Mapping[str, Any] = field(repr=False)
    """State of the environment's bit generator."""

    @staticmethod
    def of(state: State, **rest: Any) -> Snapshot:
        """The snapshot of a state, with the fields that a state does not have."""
        return Snapshot(task=state.task.id, **_both(state), **rest)

    def state(self, task: PublicTask, max_steps: int, max_test_runs: int) -> State:
        """The state that it was made of, under these budgets."""
        return State(task=task, max_steps=max_steps, max_test_runs=max_test_runs, **_both(self))

    @property
    def key(self) -> str:
        """Hash of what the workspace holds: equal for equal files, however they came about."""
        return files_key(self.task, self.files)


# What the last action did is no part of it: nothing that follows depends on that.
_BOTH = (
    *("files", "cursor", "outcome", "passing"),
    *("output", "exit_code", "undo", "steps", "test_runs"),
)


def _both(one: State | Snapshot) -> dict[str, Any]:
    """What a state and its snapshot have in common."""
    return {name: getattr(one, name) for name in _BOTH}


def files_key(task: str, files: Files) -> str:
    """Hash of a task's id and of the files' own key, as 64 hex digits."""
    return hashlib.sha256(f"{files.key} {task}".encode("utf-8", "surrogateescape")).hexdigest()
