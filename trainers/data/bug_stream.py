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

from hrmgym.envs.bugs.making import Bug, Mix, make_bug, mix
from hrmgym.envs.interfaces.edit import BUDGET, EditInterface, Observation
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import CallTests, PublicTask, Workspace
from hrmgym.errors import ConfigError
from hrmgym.trainers.data.corpus import CorpusFunction, stdlib_functions
from hrmgym.trainers.data.dressing import Surroundings, dress
from hrmgym.trainers.data.packages import package_functions
from hrmgym.trainers.data.selector import Selector, kind_of

#: Seldom needed: a drawn program has no bug that the canvas can show and one action can undo.
_ATTEMPTS = 50
_CANDIDATES = 2  # bugs of one program that a selector chooses from
_PROMPT_SHARE = 0.5


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
    """What the repair writes first: one of `hrmgym.trainers.data.selector.KINDS`."""
    others: tuple[npt.NDArray[np.int64], ...] = ()
    """Actions that repair further broken places of the same canvas, as good as `action`."""


class BugStream:
    """Samples from programs with a bug just made.

    Args:
        programs: Working programs.
        interface: Lays out the canvases.
        seed: With the index, all that a sample depends on.
        max_span: Most tokens that an action may replace.
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
        recipe: Mix | None = None,
        selector: Selector | None = None,
        every_place: bool = False,
        dressed: float = 0.0,
    ) -> None:
        if not programs:
            raise ConfigError("the bug stream holds no programs")
        self._programs, self._interface = programs, interface
        self._seed, self._max_span = seed, max_span
        self._recipe, self._selector = recipe or mix("hand"), selector
        self._every_place, self._dressed = every_place, dressed

    def sample(self, index: int) -> Sample:
        """Sample number `index`."""
        rng = np.random.default_rng((self._seed, index))
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
        sample.observation["budget"] = draw_budget(sample.observation["budget"], rng)
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
    task = PublicTask(
        id=name,
        benchmark="self-made",
        language="python",
        split="train",
        prompt=prompt,
        workspace=Workspace(files={path: code}),
        editable=(path,),
        visible_tests=nothing,
    )
    return State(task=task, files=task.workspace.start, cursor=Cursor(path))


def draw_budget(budget: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int32]:
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
