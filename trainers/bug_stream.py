"""An endless, reproducible stream of self-made bugs as supervised samples.

Sample i depends on the seed and on i alone, so a run that stopped after sample i goes on with
sample i + 1, whatever the number of workers. Only a selector changes that: it chooses by what the
trainer has reported so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hrmgym.envs.bugs.corpus import CorpusFunction, stdlib_functions
from hrmgym.envs.bugs.dressing import Surroundings, dress
from hrmgym.envs.bugs.edits import apply, inverse
from hrmgym.envs.bugs.making import Bug, Mix, make_bug, mix
from hrmgym.envs.bugs.operators import Mutation, mutations
from hrmgym.envs.bugs.packages import package_functions
from hrmgym.envs.bugs.selector import Selector, kind_of
from hrmgym.envs.interfaces.edit import BUDGET, EditInterface, Observation
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import CallTests, Task, Workspace
from hrmgym.envs.workspace import Files
from hrmgym.errors import ConfigError

#: An endless loop among the made bugs costs this much, not the task's whole limit.
_LOOP_CPU_S = 0.1
#: Seldom needed: a drawn program has no bug that the canvas can show and one action can undo.
_ATTEMPTS = 50
_CANDIDATES = 2  # bugs of one program that a selector chooses from
_PROMPT_SHARE = 0.5
_FAILURE_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Program:
    """A working program to break."""

    name: str
    code: str
    prompt: str
    docstring: str = ""
    """Whole; the prompt is its first paragraph."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One observation and the action that repairs what it shows."""

    observation: Observation
    action: npt.NDArray[np.int64]
    operator: str
    kind: str = "nothing"
    """What the repair writes first: one of `hrmgym.envs.bugs.selector.KINDS`."""
    others: tuple[npt.NDArray[np.int64], ...] = ()
    """Actions that repair further broken places of the same canvas, as good as `action`."""


class BugStream:
    """Samples from programs with a bug just made, mixed with ready-made ones.

    Args:
        programs: Working programs.
        interface: Lays out the canvases.
        seed: With the index, all that a sample depends on.
        max_span: Most tokens that an action may replace.
        examples: Ready-made samples, for example of a benchmark's train split.
        example_share: Share of samples drawn from `examples`.
        recipe: Which operators make the bugs; by default the mix `hand`.
        selector: Chooses among bugs by what the model missed; None takes them as they come.
        every_place: Show a bug with all its places broken, each of which is a target.
        dressed: Share of the programs that are shown in a file with docstring, imports, and the
            programs before and after them in the list.

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
        recipe: Mix | None = None,
        selector: Selector | None = None,
        every_place: bool = False,
        dressed: float = 0.0,
    ) -> None:
        if (not programs and example_share < 1) or (not examples and example_share > 0):
            raise ConfigError("the bug stream has a share of programs or examples but holds none")
        self._programs, self._examples = programs, examples
        self._interface, self._seed, self._share = interface, seed, example_share
        self._max_span = max_span
        self._recipe, self._selector = recipe or mix("hand"), selector
        self._every_place, self._dressed = every_place, dressed

    def sample(self, index: int) -> Sample:
        """Sample number `index`."""
        rng = np.random.default_rng((self._seed, index))
        if rng.random() < self._share:
            return self._examples[int(rng.integers(len(self._examples)))]
        for _ in range(_ATTEMPTS):
            at = int(rng.integers(len(self._programs)))
            made = broken(
                self._programs[at],
                self._interface,
                rng,
                self._max_span,
                self._recipe,
                self._selector,
                self._every_place,
                self._around(at) if self._dressed and rng.random() < self._dressed else None,
            )
            if made is not None:
                return made
        raise ConfigError(
            f"{_ATTEMPTS} programs in a row have no bug that fits a canvas of "
            f"{self._interface.length} tokens; use a larger canvas"
        )

    def _around(self, at: int) -> Surroundings:
        programs = self._programs
        before, after = programs[at - 1], programs[(at + 1) % len(programs)]
        return Surroundings(programs[at].docstring, before.code, after.code)

    def __call__(self, start: int) -> Iterator[Sample]:
        """Samples from number `start` on, without end."""
        index = start
        while True:
            yield self.sample(index)
            index += 1


def broken(
    program: Program,
    interface: EditInterface,
    rng: np.random.Generator,
    max_span: int,
    recipe: Mix | None = None,
    selector: Selector | None = None,
    every_place: bool = False,
    around: Surroundings | None = None,
) -> Sample | None:
    """The program with a bug, and an action that takes a part of it out; None: cannot be.

    A bug of several parts is shown with a random number of them repaired already, the first ones
    first, so that every step of its repair is learned; with `every_place`, with none repaired, and
    whatever repairs one of them is a target. With `around`, it stands in a file that holds more.
    """
    bug = _drawn(program, rng, recipe or mix("hand"), selector)
    if bug is None:
        return None
    if len(bug.repairs) > 1 and not every_place:
        bug = bug.after(int(rng.integers(len(bug.repairs))))
    if around is not None:
        bug = dress(bug, around, rng)
    prompt = program.prompt if rng.random() < _PROMPT_SHARE else ""
    state = _state(program.name, bug.code, prompt)
    sample = target_sample(state, bug, interface, max_span, rng if every_place else None)
    if sample is not None:
        sample.observation["budget"] = _budget(sample.observation["budget"], rng)
    return sample


def target_sample(
    state: State,
    bug: Bug,
    interface: EditInterface,
    max_span: int,
    rng: np.random.Generator | None,
) -> Sample | None:
    """What a state shows, with repairs of its bug for targets; None where no window shows one.

    Args:
        state: Its cursor's window is looked at first.
        bug: What the file at the cursor holds.
        interface: Lays out the canvas.
        max_span: Most tokens that an action may replace.
        rng: Orders the targets; None: the first repair alone is one.
    """
    windows = int(interface.observe(state)["budget"][BUDGET.index("other_windows")]) + 1
    order = [0] if rng is None else rng.permutation(len(bug.repairs)).tolist()
    first_window = state.cursor.window
    for window in sorted(range(windows), key=lambda number: number != first_window):
        shown = replace(state, cursor=Cursor(state.cursor.path, window))
        found = []
        for at in order:
            repair = bug.repairs[at]
            action = interface.encode_edit(shown, repair.start, repair.end, repair.text)
            if action is not None and action[2] - action[1] <= max_span:
                found.append((at, action))
        if found:
            (first, action), others = found[0], tuple(other for _, other in found[1:])
            kind, operator = kind_of(bug.repairs[first]), bug.operators[first]
            return Sample(interface.observe(shown), action, operator, kind, others)
    return None


def _drawn(
    program: Program, rng: np.random.Generator, recipe: Mix, selector: Selector | None
) -> Bug | None:
    if selector is None:
        return make_bug(program.code, rng, recipe)
    made = [make_bug(program.code, rng, recipe) for _ in range(_CANDIDATES)]
    found = [one for one in made if one is not None]
    if not found:
        return None
    classes = [(one.operators[0], kind_of(one.repairs[0])) for one in found]
    return found[selector.choose(classes, rng)]


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
    return State(task=task, files=task.workspace.start, cursor=Cursor(path))


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
    return _programs(stdlib_functions(), max_lines)


def package_programs(max_lines: int = 30, split: str = "train") -> list[Program]:
    """Functions of 3 to `max_lines` lines of a split's packages, none of the standard library's.

    Raises:
        UnknownNameError: no such split.
        DataError: a package is not cached and cannot be downloaded.
    """
    known = {function.code for function in stdlib_functions()}
    return _programs([f for f in package_functions(split) if f.code not in known], max_lines)


def _programs(functions: Sequence[CorpusFunction], max_lines: int) -> list[Program]:
    return [
        Program(
            function.name,
            function.code,
            first_paragraph(function.docstring),
            function.docstring or "",
        )
        for function in functions
        if function.code.count("\n") <= max_lines
    ]


def first_paragraph(docstring: str | None) -> str:
    """On one line."""
    return " ".join((docstring or "").strip().partition("\n\n")[0].split())


def benchmark_examples(
    env: SoftwareEnv,
    tasks: Sequence[Task],
    *,
    seed: int,
    max_span: int,
    per_program: int = 80,
    dressed: float = 0.0,
) -> list[Sample]:
    """Samples of a benchmark's training tasks, with what their visible tests really said.

    Every task gives one, its first step towards the known solution; every solution gives up to
    `per_program` more, with a bug just made in it that a visible test sees.

    Args:
        env: Of the benchmark, with the `edit` interface; its sandbox runs the tests.
        tasks: Tasks to learn from; never those that scores are made on.
        seed: Draws the bugs.
        max_span: Most tokens that an action may replace.
        per_program: Most bugs made in one solution.
        dressed: Share of these that are shown in a file with more in it, the prompt for docstring.
    """
    rng = np.random.default_rng(seed)
    samples: list[Sample] = []
    solutions: dict[str, Task] = {}
    for task in tasks:
        state = _begun(env, task, task.workspace.start)
        action = env.interface.toward(state, task.reference)
        if action[0] == 0:
            operator = task.tags[0] if task.tags else ""
            samples.append(Sample(env.interface.observe(state), action, operator))
        if task.language == "python" and len(task.reference) == 1:
            solutions.setdefault(next(iter(task.reference.values())), task)
    for code, task in solutions.items():
        found = mutations(code)
        chosen = rng.permutation(len(found))[:per_program]
        samples += filter(
            None, (_made(env, task, code, found[index], rng, dressed) for index in chosen)
        )
    return [one for one in samples if one.action[2] - one.action[1] <= max_span]


def _made(
    env: SoftwareEnv,
    task: Task,
    code: str,
    mutation: Mutation,
    rng: np.random.Generator,
    dressed: float = 0.0,
) -> Sample | None:
    """The known solution with one bug; None where no visible test sees it."""
    (path,) = task.reference
    bug = Bug(apply(code, mutation.edit), (inverse(code, mutation.edit),), (mutation.operator,))
    if rng.random() < dressed:
        bug = dress(bug, Surroundings(task.prompt), rng)
    (repair,) = bug.repairs
    state = _begun(env, task, task.workspace.start.with_text(path, bug.code))
    outcome = state.outcome
    assert outcome is not None, "_begun has run the tests"
    if outcome.resolved:
        return None
    # Few programs, many bugs: without prompt or failure at times, neither is learned by heart.
    if rng.random() > _PROMPT_SHARE:
        state = replace(state, task=replace(task, prompt=""))
    if rng.random() > _FAILURE_SHARE:
        state = replace(state, outcome=replace(outcome, message=""))
    interface = env.interface
    assert isinstance(interface, EditInterface)
    action = interface.encode_edit(state, repair.start, repair.end, repair.text)
    if action is None:
        return None
    observation = interface.observe(state)
    observation["budget"][:2] = int(rng.integers(1, 17))
    return Sample(observation, action, mutation.operator)


def _begun(env: SoftwareEnv, task: Task, files: Files) -> State:
    """The state that an episode of the task would begin in if it began with these files."""
    limits = replace(task.limits, cpu_s=min(task.limits.cpu_s, _LOOP_CPU_S))
    outcome = env.sandbox.run_tests(files, task.visible_tests, limits)
    state = State(
        task=task,
        files=files,
        cursor=Cursor(next(iter(task.reference))),
        outcome=outcome,
        max_steps=env.max_steps,
        max_test_runs=env.max_test_runs,
    )
    return env.interface.start(state)
