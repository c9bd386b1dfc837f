"""SoftwareEnv: any benchmark's tasks as a Gymnasium environment."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt

from hrmgym.envs.benchmark import Benchmark, benchmark_in_use, find_task, make_benchmark
from hrmgym.envs.copying import Copied
from hrmgym.envs.interfaces import Interface, RefusedError, ToolCall, make_interface
from hrmgym.envs.outcome_cache import Capped, Remembered
from hrmgym.envs.rendering import render
from hrmgym.envs.rewards import Rewards, RewardTerm, Transition
from hrmgym.envs.sandboxes.config import SandboxConfig, sandbox_config
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.pool import Pool, acquire, drop, release
from hrmgym.envs.sandboxes.verdicts.trial import task_apart
from hrmgym.envs.snapshots import PICKLED, check_snapshot, sound
from hrmgym.envs.state import Cursor, Snapshot, State
from hrmgym.envs.task import FailureCode, Outcome, Reason, Task
from hrmgym.envs.transitions import changed, reason, verdict, with_grade, with_outcome
from hrmgym.errors import ConfigError, SandboxError, SandboxUnavailableError, UnknownNameError


class SoftwareEnv(Copied, gymnasium.Env[Any, Any]):
    """Repair or write software until its tests pass.

    ## Description
    Each episode is one task: files, a prompt, and visible tests that guide. The agent edits the
    files (`interface="edit"`) or runs commands on them (`interface="shell"`). All foreign code
    runs in a sandbox. Hidden tests decide, in a fresh process, over the editable files only.

    ## Observation Space, Action Space
    The interface's: see `hrmgym.envs.interfaces.edit` and `.shell`.

    ## Rewards
    Named terms that sum to the reward: see `hrmgym.envs.rewards`.

    ## Episode End
    Terminated when the agent submits or, with `auto_submit`, as soon as every visible test passes;
    the hidden tests then decide about `info["is_success"]`. Truncated when the steps, the test
    runs or the seconds are spent, and where the sandbox fails: `info["failure"]` then says why, and
    the step should not be learnt from. A reset whose sandbox fails is followed by such a step.

    ## Info
    The same keys from `reset`, `step` and `restore`, all of them numbers, texts, or a dict of
    numbers: see docs/environments.md for each.

    ## Arguments
    See `__init__`.

    ## Version History
    v0: first version.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["ansi", "human", "rgb_array"],
        "render_fps": 4,
    }

    def __init__(
        self,
        benchmark: str | Benchmark,
        *,
        task: str | None = None,
        tasks: Sequence[str] | None = None,
        split: str | None = None,
        interface: Literal["edit", "shell"] = "edit",
        sandbox: str | Mapping[str, Any] | SandboxConfig = "local",
        canvas: int = 256,
        max_steps: int = 8,
        max_test_runs: int | None = None,
        max_seconds: float | None = None,
        auto_test: bool = True,
        auto_submit: bool = True,
        keep_edits: Literal["always", "if_better"] = "always",
        rewards: Mapping[str, float | RewardTerm] | None = None,
        benchmark_path: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Makes the environment; the sandbox starts at the first test run.

        Args:
            benchmark: A registered name, `module:Class`, or a benchmark.
            task: The one task to play; by default each reset draws one.
            tasks: The tasks to draw from; by default all of the split.
            split: The benchmark's split; by default that of `task`, else the first.
            interface: `edit` (token canvas, whole edits) or `shell` (text, any command).
            sandbox: A sandbox type, or its config block.
            canvas: Tokens of the `edit` interface's canvas, L.
            max_steps: Steps until truncation.
            max_test_runs: Runs of the visible tests until truncation; by default `max_steps`.
            max_seconds: Wall-clock seconds until truncation, checked after each step. A machine's
                speed then decides, so runs with it cannot be reproduced exactly.
            auto_test: Run the visible tests at reset (free) and after every change (counted).
            auto_submit: Submit as soon as every visible test passes.
            keep_edits: `always`, or `if_better`: take back a change after which no more visible
                tests pass than before (needs `auto_test`).
            rewards: Term -> weight or function; see `hrmgym.envs.rewards`.
            benchmark_path: Data file or folder, for benchmarks that take one.
            render_mode: `ansi` (render returns text), `human` (printed after every step) or
                `rgb_array` (render returns the same as a picture of a fixed size). With another
                one `render` warns and returns None, as in Gymnasium's own environments.

        Raises:
            UnknownNameError: no such benchmark, split, task or interface.
            ConfigError: an option out of range, or options that contradict each other.
        """
        self._benchmark_name: tuple[str, str | None] | None = None
        if isinstance(benchmark, str):
            benchmark = make_benchmark(benchmark, benchmark_path)
            # The class, not the name: another process may not have seen its registration.
            kind = type(benchmark)
            self._benchmark_name = f"{kind.__module__}:{kind.__qualname__}", benchmark_path
        elif benchmark_path is not None:
            raise ConfigError("benchmark_path goes with a benchmark's name, not with a benchmark")
        if max_steps < 1 or (max_test_runs is not None and max_test_runs < 1):
            raise ConfigError("max_steps and max_test_runs must be at least 1")
        if keep_edits not in ("always", "if_better"):
            raise UnknownNameError("keep_edits", keep_edits, ("always", "if_better"))
        if keep_edits == "if_better" and not auto_test:
            raise ConfigError("keep_edits='if_better' needs auto_test=True")
        self.benchmark = benchmark
        self.interface: Interface = make_interface(interface, canvas)
        self.interface_name = interface
        self.observation_space = self.interface.observation_space
        self.action_space = self.interface.action_space
        self.render_mode = render_mode
        self.max_steps = max_steps
        self.max_test_runs = max_steps if max_test_runs is None else max_test_runs
        self.max_seconds = max_seconds
        self.auto_test, self.auto_submit, self.keep_edits = auto_test, auto_submit, keep_edits
        self.rewards = Rewards(rewards)
        self.sandbox_config = sandbox_config(sandbox)
        self._sandbox: Pool | None = None
        self._session: Sandbox | None = None
        self._place = self.sandbox_config.model_dump_json()
        self._on_collection: weakref.finalize[..., SoftwareEnv] | None = None
        self._selection = task, tasks, split
        self._tasks = self._select(*self._selection)
        self._state: State | None = None
        self._done, self._success = True, False
        self._failure: FailureCode | None = None
        #: CPU seconds of runs of visible tests, if less than the task's own; and the last outcome.
        self.visible_cpu_s, self.last_run = float("inf"), Outcome(tests={})
        self._started_s = 0.0

    def _select(
        self, task: str | None, tasks: Sequence[str] | None, split: str | None
    ) -> Sequence[Task]:
        if split is not None:
            self.benchmark.check_split(split)
        if task is not None and tasks is not None:
            raise ConfigError("give task or tasks, not both")
        chosen = [task] if task is not None else tasks
        if chosen is not None:
            return [find_task(self.benchmark, one, [split] if split else None) for one in chosen]
        found = self.benchmark.tasks(split or self.benchmark.splits[0])
        if not found:
            raise ConfigError(f"benchmark {self.benchmark.name!r}: split {split!r} has no tasks")
        return found

    @property
    def tasks(self) -> Sequence[Task]:
        """The tasks that episodes are drawn from."""
        return self._tasks

    # --- the episode -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The present state; it holds the task with its reference, so it is no observation."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("call reset() first")
        return self._state

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: Seeds the choice of tasks.
            options: `task`: the id of a task of the environment's benchmark, in any split, to play.
                `files`: path -> text of editable files to start from, in place of the task's own.

        Raises:
            UnknownNameError: no such option or task.
            ConfigError: `files` names a file that the agent may not edit.
        """
        super().reset(seed=seed)
        unknown = set(options or {}) - {"task", "files"}
        if unknown:
            raise UnknownNameError("reset option", min(unknown), ["task", "files"])
        if options and options.get("task") is not None:
            task = find_task(self.benchmark, options["task"])
        else:
            task = self._tasks[int(self.np_random.integers(len(self._tasks)))]
        files = task.workspace.start
        for path, text in (options or {}).get("files", {}).items():
            if path not in task.editable:
                raise ConfigError(
                    f"reset option files: task {task.id!r} lets nobody edit {path!r}, only "
                    f"{', '.join(task.editable)}"
                )
            files = files.with_text(path, text)
        state = State(
            task=task,
            files=files,
            cursor=Cursor(task.editable[0]),
            max_steps=self.max_steps,
            max_test_runs=self.max_test_runs,
        )
        failure = None
        if self.auto_test:
            try:
                state = with_outcome(state, self._visible(state))
            except SandboxUnavailableError:
                raise
            except SandboxError as error:
                failure = FailureCode(error.code)
        state = self.interface.start(state)
        observation = self.interface.observe(state)
        self._state, self._done, self._success, self._failure = state, False, False, failure
        self._started_s = time.monotonic()
        if self.render_mode == "human":
            print(render(self.state, self._verdict_text()))
        return observation, self._info(state)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Executes one action.

        Raises:
            ActionError: the action is not in the action space.
            gymnasium.error.ResetNeeded: the episode has ended.
            SandboxUnavailableError: this machine cannot give the isolation that is asked for.
        """
        before = replace(self.state, exit_code=-1)  # no command has run in this step yet
        if self._done:
            raise gymnasium.error.ResetNeeded("the episode has ended: call reset()")
        tool, refused, kept, failure = "", "", True, self._failure
        after, graded = before, None
        if failure is None:
            try:
                call = self.interface.decode(action, before)
                tool = call.tool
                after, kept = self._tested(self._execute(call, before), before)
                if tool == "submit" or (self.auto_submit and after.passes):
                    graded = self._graded(after)
                    after = with_grade(after, graded)
            except RefusedError as error:
                after, refused = self._said(before, f"refused: {error}"), str(error)
            except SandboxUnavailableError:
                raise
            except SandboxError as error:
                failure, graded = FailureCode(error.code), None
                after = self._said(before, f"the sandbox failed: {failure.value}")
        after = replace(after, steps=before.steps + 1)
        terminated, solved = graded is not None, graded is not None and graded.resolved
        spent = not after.steps_left or (self.auto_test and not after.test_runs_left)
        truncated = not terminated and (failure is not None or spent or self._seconds_spent())
        rewards = self.rewards(
            Transition(
                before=before,
                after=after,
                refused=bool(refused),
                terminated=terminated,
                solved=solved,
            )
        )
        observation = self.interface.observe(after)
        # From here on nothing can fail: a step that raises leaves the episode as it was.
        self._state, self._done, self._success = after, terminated or truncated, solved
        self._failure = failure
        info = self._info(after) | {
            "tool": tool,
            "refused": refused,
            "kept": kept,
            "rewards": rewards,
        }
        if failure is None:
            info["reason"] = reason(after, graded, refused, truncated)
        if self.render_mode == "human":
            print(render(self.state, self._verdict_text()))
        return observation, float(sum(rewards.values())), terminated, truncated, info

    def _tested(self, after: State, before: State) -> tuple[State, bool]:
        """The state with its tests run, where that is due, and whether the change was kept."""
        if not self.auto_test or after.files == before.files or after.outcome is not None:
            return after, True
        after = with_outcome(after, self._visible(after), counted=True)
        if self.keep_edits == "if_better" and after.passing <= before.passing:
            ran = {name: getattr(after, name) for name in ("test_runs", "output", "exit_code")}
            return replace(before, **ran), False
        return after, True

    def _said(self, state: State, text: str) -> State:
        """The state with a text in the place of what the last command printed, in a shell."""
        return replace(state, output=text) if self.interface_name == "shell" else state

    def _execute(self, call: ToolCall, state: State) -> State:
        if call.tool == "edit":
            text = state.files.get(call.path, "")
            edited = text[: call.start] + call.text + text[call.end :]
            try:
                return changed(state, state.files.with_text(call.path, edited))
            except ConfigError as error:  # a command has made a folder, or a link, of the path
                raise RefusedError(str(error)) from error
        if call.tool in ("run_tests", "submit"):  # of a shell, perhaps after other commands
            state = self._run_command(call.text, state) if call.text else self._said(state, "")
        if call.tool == "run_tests":
            return with_outcome(state, self._visible(state), counted=True)
        if call.tool == "undo":
            files, outcome = state.undo[-1]
            undone = replace(state, files=files, undo=state.undo[:-1], outcome=None)
            return undone if outcome is None else with_outcome(undone, outcome)
        if call.tool == "submit":
            return state
        if call.tool == "shell":
            return self._run_command(call.text, state)
        return self.interface.look(call, state)

    def _run_command(self, command: str, state: State) -> State:
        if self._session is None:
            self._session = Sandbox(self.sandbox_config)
        done = self._session.change(state.files, command, state.task.limits.wall_s)
        status = done.status if done.status >= -1 else 128 - done.status  # a signal, as bash has it
        output = f"{done.output}\n(exit code {status})" if status else done.output
        after = state if done.files == state.files else changed(state, done.files)
        return replace(after, output=output, exit_code=status)

    # --- tests -----------------------------------------------------------------------------------

    @property
    def sandbox(self) -> Pool:
        """Where the tests run: started on first use, shared by the environments of a process."""
        if self._sandbox is None:
            self._sandbox = acquire(self.sandbox_config)
            self._on_collection = weakref.finalize(self, drop, self._sandbox)
            self._on_collection.atexit = False
        return self._sandbox

    def _runner(self) -> Remembered:
        return Remembered(self.sandbox, self._place)

    def _visible(self, state: State) -> Outcome:
        task, files = state.task, state.candidate()
        runner = Capped(self._runner(), files, self.visible_cpu_s)
        self.last_run = self.benchmark.run_tests(task, task.visible_tests, files, runner)
        return verdict(self.last_run)

    def _graded(self, state: State) -> Outcome:
        return verdict(self.benchmark.grade(state.task, state.candidate(), self._runner()))

    def _seconds_spent(self) -> bool:
        elapsed = time.monotonic() - self._started_s
        return self.max_seconds is not None and elapsed >= self.max_seconds

    def _info(self, state: State) -> dict[str, Any]:
        mode, why = task_apart(state.task, self._runner())
        return {
            "is_success": self._success,
            "task": state.task.id,
            "tests": "" if state.outcome is None else str(state.outcome),
            "tests_passed": state.passing,
            "tests_apart": mode,
            "tests_apart_why": why,
            "steps": state.steps,
            "test_runs": state.test_runs,
            "reason": reason(state) if self._failure is None else Reason.INFRASTRUCTURE.value,
            "failure": "" if self._failure is None else self._failure.value,
            "exit_code": state.exit_code,
            # What a step did: `step` puts its own in the place of these.
            **{"tool": "", "refused": "", "kept": True, "rewards": self.rewards.zero},
        }

    # --- search ----------------------------------------------------------------------------------

    def save(self) -> Snapshot:
        """The episode's state, exact and picklable; it costs microseconds."""
        made = Snapshot.of(
            self.state,
            benchmark=self.benchmark.name,
            done=self._done,
            is_success=self._success,
            failure=self._failure,
            elapsed_s=time.monotonic() - self._started_s,
            rng=self.np_random.bit_generator.state,
        )
        return sound(made)

    def restore(self, snapshot: Snapshot) -> tuple[Any, dict[str, Any]]:
        """Goes back to a snapshot, of this environment or of another one over the same benchmark.

        Returns:
            Observation and info, as `reset` does.

        Raises:
            ConfigError: it is no snapshot, or of another benchmark or other data; nothing changes.
        """
        state = self.checked(snapshot)
        observation = self.interface.observe(state)
        self._go_back(state, snapshot)  # nothing can fail any more
        return observation, self._info(state)

    def checked(self, snapshot: Snapshot) -> State:
        """The state that `restore` goes back to; it raises what that raises."""
        known = None if self._state is None else self._state.task
        task = check_snapshot(snapshot, self.benchmark, self.np_random.bit_generator, known)
        return snapshot.state(task, self.max_steps, self.max_test_runs)

    def _go_back(self, state: State, snapshot: Snapshot) -> None:
        self._state = state
        self._done, self._success = snapshot.done, snapshot.is_success
        self._failure = snapshot.failure
        self._started_s = time.monotonic() - snapshot.elapsed_s
        self.np_random.bit_generator.state = dict(snapshot.rng)

    # --- copies: see `Copied` --------------------------------------------------------------------

    _not_copied: ClassVar = {"_sandbox": None, "_session": None, "_on_collection": None}
    # A benchmark always says the same, so copies may ask one and the same.
    _shared_by_copies: ClassVar = frozenset({"benchmark", "interface", "spec", "_tasks", "_state"})
    _pickled: ClassVar = PICKLED

    def _before_copying(self) -> dict[str, Any]:
        _ = self.np_random  # drawn at its first use: a copy made before that would draw another
        return super()._before_copying()

    def _packed(self, attributes: dict[str, Any]) -> dict[str, Any]:
        attributes["_state"] = None if self._state is None else self.save()
        del attributes["_tasks"]
        if self._benchmark_name:
            del attributes["benchmark"]
        return attributes

    def _unpack(self, attributes: dict[str, Any]) -> None:
        snapshot = attributes.pop("_state")
        super()._unpack(attributes)
        if self._benchmark_name:
            self.benchmark = benchmark_in_use(*self._benchmark_name)
        self._tasks = self._select(*self._selection)
        self._state = None
        if snapshot is not None:
            self._go_back(self.checked(snapshot), snapshot)

    # --- the rest --------------------------------------------------------------------------------

    def render(self) -> str | npt.NDArray[np.uint8] | None:
        """The episode as coloured text (`ansi`) or as a picture (`rgb_array`, uint8 [H, W, 3]).

        None in `human` mode, which has printed it already, and without a mode.
        """
        if self.render_mode == "ansi":
            return render(self.state, self._verdict_text())
        if self.render_mode == "rgb_array":
            from hrmgym.envs.picture import picture  # only those who look need Pillow

            return picture(self.state, self._verdict_text())
        if self.render_mode not in (None, "human"):
            gymnasium.logger.warn(
                f"render_mode {self.render_mode!r} shows nothing; SoftwareEnv has "
                f"{', '.join(self.metadata['render_modes'])}"
            )
        return None

    def _verdict_text(self) -> str:
        if not self._done:
            return ""
        if self._failure is not None:
            return f"no verdict: {self._failure.value}"
        return "solved" if self._success else "not solved"

    def close(self) -> None:
        """Gives the sandbox back; closing twice is fine."""
        sandbox, self._sandbox = self._sandbox, None
        session, self._session = self._session, None
        try:
            if session is not None:
                session.close()
        finally:
            if sandbox is not None:
                if self._on_collection is not None:
                    self._on_collection.detach()
                release(sandbox)
