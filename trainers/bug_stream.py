"""An endless, reproducible stream of self-made bugs as supervised samples.

Sample i depends on the seed and on i alone, so a run that stopped after sample i goes on with
sample i + 1, whatever the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from hrmgym.envs.bugs.corpus import stdlib_functions
from hrmgym.envs.bugs.edits import apply, inverse
from hrmgym.envs.bugs.operators import sample_mutation
from hrmgym.envs.interfaces.edit import BUDGET, EditInterface, Observation
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import CallTests, Task, Workspace
from hrmgym.errors import ConfigError

#: Seldom needed: a drawn program has no bug that the canvas can show and one action can undo.
_ATTEMPTS = 50
_PROMPT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Program:
    """A working program to break."""

    name: str
    code: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One observation and the action that repairs what it shows."""

    observation: Observation
    action: npt.NDArray[np.int64]
    operator: str


class BugStream:
    """Samples from programs with a bug just made, mixed with ready-made ones.

    Args:
        programs: Working programs.
        interface: Lays out the canvases.
        seed: With the index, all that a sample depends on.
        max_span: Most tokens that an action may replace.
        examples: Ready-made samples, for example of a benchmark's train split.
        example_share: Share of samples drawn from `examples`.

    Raises:
        ConfigError: nothing to draw from.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        interface: EditInterface,
        *,
        seed: int,
        max_span: int,
        examples: Sequence[Sample] = (),
        example_share: float = 0.0,
    ) -> None:
        if (not programs and example_share < 1) or (not examples and example_share > 0):
            raise ConfigError("the bug stream has a share of programs or examples but holds none")
        self._programs, self._examples = programs, examples
        self._interface, self._seed, self._share = interface, seed, example_share
        self._max_span = max_span

    def sample(self, index: int) -> Sample:
        """Sample number `index`."""
        rng = np.random.default_rng((self._seed, index))
        if rng.random() < self._share:
            return self._examples[int(rng.integers(len(self._examples)))]
        for _ in range(_ATTEMPTS):
            program = self._programs[int(rng.integers(len(self._programs)))]
            made = broken(program, self._interface, rng, self._max_span)
            if made is not None:
                return made
        raise ConfigError(
            f"{_ATTEMPTS} programs in a row have no bug that fits a canvas of "
            f"{self._interface.length} tokens; use a larger canvas"
        )

    def __call__(self, start: int) -> Iterator[Sample]:
        """Samples from number `start` on, without end."""
        index = start
        while True:
            yield self.sample(index)
            index += 1


def broken(
    program: Program, interface: EditInterface, rng: np.random.Generator, max_span: int
) -> Sample | None:
    """The program with one bug, and the action that takes it out; None where that cannot be."""
    mutation = sample_mutation(program.code, rng)
    if mutation is None:
        return None
    buggy = apply(program.code, mutation.edit)
    repair = inverse(program.code, mutation.edit)
    prompt = program.prompt if rng.random() < _PROMPT_SHARE else ""
    state = _state(program.name, buggy, prompt)
    windows = int(interface.observe(state)["budget"][BUDGET.index("other_windows")]) + 1
    for window in range(windows):
        shown = State(task=state.task, files=state.files, cursor=Cursor(state.cursor.path, window))
        action = interface.encode_edit(shown, repair.start, repair.end, repair.text)
        if action is not None and action[2] - action[1] <= max_span:
            observation = interface.observe(shown)
            observation["budget"] = _budget(observation["budget"], rng)
            return Sample(observation, action, mutation.operator)
    return None


def _state(name: str, code: str, prompt: str) -> State:
    path = f"{name}.py"
    nothing = CallTests(path=path, function=name, cases=())
    task = Task(
        id=name,
        benchmark="self-made",
        language="python",
        split="train",
        prompt=prompt,
        workspace=Workspace(files={path: code}),
        editable=(path,),
        visible_tests=nothing,
        hidden_tests=nothing,
    )
    return State(task=task, files=task.workspace.files, cursor=Cursor(path))


def _budget(budget: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Counts as an episode could show them, so that none of them predicts the bug."""
    drawn = budget.copy()
    steps = int(rng.integers(1, 17))
    total = int(rng.integers(1, 9))
    drawn[BUDGET.index("steps_left")] = steps
    drawn[BUDGET.index("test_runs_left")] = steps
    drawn[BUDGET.index("tests_total")] = total
    drawn[BUDGET.index("tests_passed")] = int(rng.integers(0, total))
    return drawn


def stdlib_programs(max_lines: int = 30) -> list[Program]:
    """The standard library's functions of 3 to `max_lines` lines."""
    return [
        Program(function.name, function.code, _first_paragraph(function.docstring))
        for function in stdlib_functions()
        if function.code.count("\n") <= max_lines
    ]


def _first_paragraph(docstring: str | None) -> str:
    return " ".join((docstring or "").strip().partition("\n\n")[0].split())


def solved_examples(env: gymnasium.Env[Any, Any], tasks: Sequence[Task]) -> list[Sample]:
    """One sample per task that one action solves: its first observation, and that action.

    The observations hold what the visible tests said, for they come from real episodes.
    """
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    assert isinstance(base.interface, EditInterface)
    samples = []
    for task in tasks:
        observation, _ = base.reset(options={"task": task.id})
        action = base.interface.toward(base.state, task.reference)
        if action[0] == 0:
            samples.append(Sample(observation, action, task.tags[0] if task.tags else ""))
    return samples
