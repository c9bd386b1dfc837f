"""How an action changes the state of an episode, and what a step came to.

Nothing here knows of hidden tests: a transition depends on the state, the action, and what the
visible tests say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from hrmgym.envs.editable import may_edit
from hrmgym.envs.interfaces.base import Interface, RefusedError, ToolCall
from hrmgym.envs.outcome import visible_part
from hrmgym.envs.state import State
from hrmgym.envs.task import FailureCode, Outcome, Reason, Task
from hrmgym.envs.workspace import Files
from hrmgym.errors import ConfigError, SandboxError

UNDO_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """What actions do, by the rules of one environment."""

    interface: Interface
    run_visible: Callable[[State], Outcome]
    """Runs the visible tests."""
    run_command: Callable[[State, str], State]
    """Runs a shell command."""
    auto_test: bool
    """Whether every change is tested."""
    keep_edits: Literal["always", "if_better"]
    """Whether a change stays after which no more visible tests pass than before."""
    speaks: bool
    """Whether the interface shows what commands print, and so why an action is refused."""

    def __call__(self, state: State, action: object) -> State:
        """The state after an action; a refused one costs a step.

        Raises:
            ActionError: the action is not in the action space.
            SandboxError: the sandbox failed.
        """
        before, tool = _begun(state), ""
        try:
            call = self.interface.decode(action, before)
            tool = call.tool
            after = self._tested(self._execute(call, before), before)
        except RefusedError as error:
            after = replace(self.said(before, f"refused: {error}"), refused=str(error))
        return replace(after, tool=tool, steps=before.steps + 1)

    def edited(self, state: State, path: str, text: str) -> State:
        """The state after one edit that makes a file read so, wherever the agent looks.

        Raises:
            ConfigError: there can be no such file.
            SandboxError: the sandbox failed.
        """
        before = _begun(state)
        after = self._tested(changed(before, before.files.with_text(path, text)), before)
        return replace(after, tool="edit", steps=before.steps + 1)

    def failed(self, state: State, failure: FailureCode) -> State:
        """The state after an action of which nothing is known, since the sandbox failed."""
        after = self.said(_begun(state), f"the sandbox failed: {failure.value}")
        return replace(after, steps=state.steps + 1)

    def _tested(self, after: State, before: State) -> State:
        """The state with its tests run where that is due, or the one before with what it cost."""
        if not self.auto_test or after.files == before.files or after.outcome is not None:
            return after
        after = with_outcome(after, self.run_visible(after), counted=True)
        if self.keep_edits == "if_better" and after.passing <= before.passing:
            cost = {name: getattr(after, name) for name in ("test_runs", "output", "exit_code")}
            return replace(before, **cost, ran=after.ran, kept=False)
        return after

    def _execute(self, call: ToolCall, state: State) -> State:
        if call.tool == "edit":
            text = state.files.get(call.path, "")
            edited = text[: call.start] + call.text + text[call.end :]
            try:
                return changed(state, state.files.with_text(call.path, edited))
            except ConfigError as error:  # a command has made a folder, or a link, of the path
                raise RefusedError(str(error)) from error
        if call.tool in ("run_tests", "submit"):  # of a shell, perhaps after other commands
            state = self.run_command(state, call.text) if call.text else self.said(state, "")
        if call.tool == "run_tests":
            return with_outcome(state, self.run_visible(state), counted=True)
        if call.tool == "undo":
            files, outcome = state.undo[-1]
            undone = replace(state, files=files, undo=state.undo[:-1], outcome=None)
            return undone if outcome is None else with_outcome(undone, outcome)
        if call.tool == "submit":
            return state
        if call.tool == "shell":
            return self.run_command(state, call.text)
        return self.interface.look(call, state)

    def said(self, state: State, text: str) -> State:
        """The state with a text in the place of what the last command printed, in a shell."""
        return replace(state, output=text) if self.speaks else state


def start_files(task: Task, texts: Mapping[str, str]) -> Files:
    """What an episode begins with: the task's own files, and other texts of editable ones.

    Raises:
        ConfigError: a file that the agent may not edit.
    """
    files = task.workspace.start
    for path, text in texts.items():
        if not may_edit(task.editable, path):
            raise ConfigError(
                f"reset option files: task {task.id!r} lets nobody edit {path!r}, only "
                f"{', '.join(task.editable)}"
            )
        files = files.with_text(path, text)
    return files


def _begun(state: State) -> State:
    """The state with nothing in it of the last action."""
    return replace(state, exit_code=-1, tool="", refused="", kept=True, ran=None)


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
        ran=outcome if counted else state.ran,
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


def reason(state: State, grade: Outcome | None = None, truncated: bool = False) -> str:
    """What a step came to; empty where nothing is known, or all visible tests pass."""
    if grade is not None:
        return grade.reason.value
    if state.refused:
        return Reason.REFUSED.value
    if state.outcome is not None and not state.outcome.resolved:
        return state.outcome.reason.value
    return Reason.FAILED.value if truncated else ""
