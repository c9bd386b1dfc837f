"""SoftwareEnv: any benchmark's tasks as a Gymnasium environment."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt

from hrmgym.config import read_keywords, takes_keys_of
from hrmgym.envs.benchmark import Benchmark, benchmark_in_use, find_task, make_benchmark
from hrmgym.envs.config import EnvConfig, KeepEdits
from hrmgym.envs.copying import Copied
from hrmgym.envs.editable import first_shown, may_edit
from hrmgym.envs.interfaces import Interface, make_interface
from hrmgym.envs.outcome_cache import Remembered
from hrmgym.envs.rendering import render, verdict_text
from hrmgym.envs.rewards import Rewards, RewardTerm, Transition
from hrmgym.envs.sandboxes.config import ExecutorConfig, sandbox_config
from hrmgym.envs.sandboxes.executor import TestRunner
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.pool import Pool, acquire, drop, release
from hrmgym.envs.sandboxes.verdicts.trial import shown_apart
from hrmgym.envs.snapshots import PICKLED, check_snapshot, sound
from hrmgym.envs.state import Cursor, Snapshot, State
from hrmgym.envs.task import FailureCode, Outcome, Reason, Task
from hrmgym.envs.transitions import (
    Transitions,
    changed,
    reason,
    start_files,
    verdict,
    with_grade,
    with_outcome,
)
from hrmgym.envs.workspace import Files
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

    @takes_keys_of(EnvConfig)
    def __init__(
        self,
        benchmark: str | Benchmark,
        *,
        task: str | None = None,
        tasks: Sequence[str] | None = None,
        split: str | None = None,
        sandbox: str | Mapping[str, Any] | ExecutorConfig = "local",
        rewards: Mapping[str, float | RewardTerm] | None = None,
        benchmark_path: str | None = None,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        """Makes the environment; the sandbox starts at the first test run.

        Args:
            benchmark: A registered name, `module:Class`, or a benchmark.
            task: The one task to play; by default each reset draws one.
            tasks: The tasks to draw from; by default all of the split.
            split: The benchmark's split; by default that of `task`, else the first with tasks.
            sandbox: A sandbox type, or its config block.
            rewards: Term -> weight or function; see `hrmgym.envs.rewards`.
            benchmark_path: Data file or folder, for benchmarks that take one.
            render_mode: `ansi` (render returns text), `human` (printed after every step) or
                `rgb_array` (render returns the same as a picture of a fixed size). With another
                one `render` warns and returns None, as in Gymnasium's own environments.
            **options: Keys of `hrmgym.envs.config.EnvConfig`:

        Raises:
            UnknownNameError: no such benchmark, split, task or interface.
            UnexpectedKeywordError: no such option.
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
        config = read_keywords(EnvConfig, options, "SoftwareEnv")
        self.benchmark = benchmark
        self.interface: Interface = make_interface(config.interface, config.canvas)
        self.interface_name = config.interface
        self.observation_space = self.interface.observation_space
        self.action_space = self.interface.action_space
        self.render_mode = render_mode
        self.max_steps, self.max_seconds = config.max_steps, config.max_seconds
        self.max_test_runs = config.max_test_runs or config.max_steps
        self.auto_test, self.auto_submit = config.auto_test, config.auto_submit
        self.keep_edits: KeepEdits = config.keep_edits
        self.rewards = Rewards(rewards)
        self.sandbox_config = sandbox_config(sandbox)
        self._sandbox: Pool | None = None
        self._session: Sandbox | None = None
        self._place = self.sandbox_config.model_dump_json()
        self._on_collection: weakref.finalize[..., SoftwareEnv] | None = None
        self._selection = task, tasks, split
        self._tasks = self._select(*self._selection)
        self._state: State | None = None
        self._task: Task | None = None
        self._done, self._success = True, False
        self._failure: FailureCode | None = None
        #: CPU seconds of a step's runs of the visible tests, if less than the task's own.
        self.visible_cpu_s = math.inf
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
        splits = (split,) if split is not None else self.benchmark.splits
        found = next((some for one in splits if (some := self.benchmark.tasks(one))), None)
        if found is None:
            which = "no split" if split is None else f"split {split!r}"
            raise ConfigError(f"benchmark {self.benchmark.name!r}: {which} has no tasks")
        return found

    @property
    def tasks(self) -> Sequence[Task]:
        """The tasks that episodes are drawn from."""
        return self._tasks

    @property
    def task(self) -> Task:
        """The task being played, with its hidden tests and its solution: for no policy to see."""
        return self._task_of(self.state.task.id)

    # --- the episode -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The present state."""
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
        self._task, files = task, start_files(task, (options or {}).get("files", {}))
        state = State(
            task=task.public,
            files=files,
            cursor=Cursor(first_shown(task.editable, files, task.focus)),
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
        before, failure, graded = self.state, self._failure, None
        if self._done:
            raise gymnasium.error.ResetNeeded("the episode has ended: call reset()")
        if failure is not None:
            after = self._transitions().failed(before, failure)
        else:
            try:
                after = self.transition(before, action, cpu_s=self.visible_cpu_s)
                ends = after.tool == "submit" or (self.auto_submit and after.passes)
                if ends and not after.refused:
                    graded = self.grade(after)
                    after = with_grade(after, graded)
            except SandboxUnavailableError:
                raise
            except SandboxError as error:
                failure, graded = FailureCode(error.code), None
                after = self._transitions().failed(before, failure)
        terminated, solved = graded is not None, graded is not None and graded.resolved
        spent = not after.steps_left or (self.auto_test and not after.test_runs_left)
        truncated = not terminated and (failure is not None or spent or self._seconds_spent())
        rewards = self.rewards(
            Transition(
                before=before,
                after=after,
                refused=bool(after.refused),
                terminated=terminated,
                solved=solved,
            )
        )
        observation = self.interface.observe(after)
        # From here on nothing can fail: a step that raises leaves the episode as it was.
        self._state, self._done, self._success = after, terminated or truncated, solved
        self._failure = failure
        info = self._info(after) | {"rewards": rewards}
        if failure is None:
            info["reason"] = reason(after, graded, truncated)
        if self.render_mode == "human":
            print(render(self.state, self._verdict_text()))
        return observation, float(sum(rewards.values())), terminated, truncated, info

    def transition(self, state: State, action: Any, *, cpu_s: float = math.inf) -> State:
        """The state after an action; neither the episode nor anything else of it changes.

        It depends on the state, the action, the visible tests and this environment's rules. It
        submits nothing, and asks for no budget: `state.steps_left` and `test_runs_left` tell.

        Args:
            state: Of a task of this environment's benchmark.
            action: As `step` takes it.
            cpu_s: CPU seconds of a run of the visible tests, if less than the task's own.

        Raises:
            ActionError: the action is not in the action space.
            SandboxError: the sandbox failed.
        """
        return self._transitions(cpu_s)(state, action)

    def edited(
        self,
        state: State,
        path: str,
        text: str,
        *,
        cpu_s: float = math.inf,
        known: Outcome | None = None,
    ) -> State:
        """The state after one edit that makes an editable file read `text`; see `transition`.

        Where it is `known` what the visible tests come to, they are not run.
        """
        assert may_edit(state.task.editable, path), f"nobody may edit {path!r}"
        rules = self._transitions(cpu_s)
        rules = rules if known is None else replace(rules, run_visible=lambda _: known)
        return rules.edited(state, path, text)

    def grade(self, state: State) -> Outcome:
        """What the hidden tests say of a state, and then the visible ones, in fresh sandboxes.

        Raises:
            SandboxError: the sandbox failed, so there is no verdict.
        """
        task = self._task_of(state.task.id)
        return verdict(self.benchmark.grade(task, state.candidate(), self._runner()))

    def _transitions(self, cpu_s: float = math.inf) -> Transitions:
        return Transitions(
            interface=self.interface,
            run_visible=partial(self._visible, cpu_s=cpu_s),
            run_command=self._run_command,
            auto_test=self.auto_test,
            keep_edits=self.keep_edits,
            speaks=self.interface_name == "shell",
        )

    def _run_command(self, state: State, command: str) -> State:
        if self._session is None:
            self._session = Sandbox(self.sandbox_config)
        session = self._session.within(state.task.environment)
        done = session.change(state.files, command, state.task.limits.wall_s)
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

    def _runner(self, candidate: Files | None = None, cpu_s: float = math.inf) -> TestRunner:
        """Where tests run, with a memory; those on `candidate` in no more than `cpu_s`."""
        return Remembered(self.sandbox, self._place, candidate=candidate, cpu_s=cpu_s)

    def _visible(self, state: State, cpu_s: float = math.inf) -> Outcome:
        task, files = self._task_of(state.task.id), state.candidate()
        runner = self._runner(files, cpu_s)
        return verdict(self.benchmark.run_tests(task, task.visible_tests, files, runner))

    def _task_of(self, name: str) -> Task:
        """The whole task; states hold only its public part."""
        if self._task is None or self._task.id != name:
            self._task = find_task(self.benchmark, name)
        return self._task

    def _seconds_spent(self) -> bool:
        elapsed = time.monotonic() - self._started_s
        return self.max_seconds is not None and elapsed >= self.max_seconds

    def _info(self, state: State) -> dict[str, Any]:
        mode, why = shown_apart(self._task_of(state.task.id), self._runner())
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
            **{"tool": state.tool, "refused": state.refused, "kept": state.kept},
            "rewards": self.rewards.zero,  # `step` puts its own in their place
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
        task = check_snapshot(snapshot, self.benchmark, self.np_random.bit_generator, self._task)
        self._task = task
        return snapshot.state(task.public, self.max_steps, self.max_test_runs)

    def _go_back(self, state: State, snapshot: Snapshot) -> None:
        self._state = state
        self._done, self._success = snapshot.done, snapshot.is_success
        self._failure = snapshot.failure
        self._started_s = time.monotonic() - snapshot.elapsed_s
        self.np_random.bit_generator.state = dict(snapshot.rng)

    # --- copies: see `Copied` --------------------------------------------------------------------

    _not_copied: ClassVar = {"_sandbox": None, "_session": None, "_on_collection": None}
    # A benchmark always says the same, so copies may ask one and the same.
    _shared_by_copies: ClassVar = frozenset(
        {"benchmark", "interface", "spec", "_tasks", "_task", "_state"}
    )
    _pickled: ClassVar = PICKLED

    def _before_copying(self) -> dict[str, Any]:
        _ = self.np_random  # drawn at its first use: a copy made before that would draw another
        return super()._before_copying()

    def _packed(self, attributes: dict[str, Any]) -> dict[str, Any]:
        attributes["_state"] = None if self._state is None else self.save()
        del attributes["_tasks"], attributes["_task"]
        if self._benchmark_name:
            del attributes["benchmark"]
        return attributes

    def _unpack(self, attributes: dict[str, Any]) -> None:
        snapshot = attributes.pop("_state")
        super()._unpack(attributes)
        if self._benchmark_name:
            self.benchmark = benchmark_in_use(*self._benchmark_name)
        self._tasks = self._select(*self._selection)
        self._state = self._task = None
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
        return verdict_text(self._success, self._failure) if self._done else ""

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
