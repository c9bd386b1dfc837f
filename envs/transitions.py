"""How a step changes the state of an episode, and what it came to."""

from __future__ import annotations

from dataclasses import replace

from hrmgym.envs.outcome import visible_part
from hrmgym.envs.state import State
from hrmgym.envs.task import Outcome, Reason
from hrmgym.envs.workspace import Files
from hrmgym.errors import SandboxError

UNDO_DEPTH = 64


def changed(state: State, files: Files) -> State:
    """The state with other files; the ones before can be had back."""
    undo = (*state.undo, (state.files, state.outcome))[-UNDO_DEPTH:]
    return replace(state, files=files, undo=undo, outcome=None)


def with_outcome(state: State, outcome: Outcome, *, counted: bool = False) -> State:
    """The state once its visible tests have run; `counted`: the run is one of the budget's."""
    return replace(
        state,
        outcome=outcome,
        passing=outcome.passed / outcome.total if outcome.total else 0.0,
        test_runs=state.test_runs + counted,
    )


def with_grade(state: State, grade: Outcome) -> State:
    """The state with the visible tests as the grade saw them, so that what is shown agrees.

    Where the reference skips every visible test, none of them counts: the hidden ones decide.
    """
    visible = visible_part(grade)
    if visible is None:
        return state
    seen = with_outcome(state, visible)
    return replace(seen, passing=1.0) if grade.resolved else seen


def verdict(outcome: Outcome) -> Outcome:
    """The outcome, if it is a verdict.

    Raises:
        SandboxError: the sandbox is to blame, not the code.
    """
    if outcome.failure is not None:
        raise SandboxError(outcome.message, outcome.failure)
    return outcome


def reason(
    state: State, grade: Outcome | None = None, refused: str = "", truncated: bool = False
) -> str:
    """What a step came to; empty where nothing is known, or all visible tests pass."""
    if grade is not None:
        return grade.reason.value
    if refused:
        return Reason.REFUSED.value
    if state.outcome is not None and not state.outcome.resolved:
        return state.outcome.reason.value
    return Reason.FAILED.value if truncated else ""
