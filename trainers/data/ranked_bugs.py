"""Samples to learn the order of legal edits from: a program, its legal edits, and which is right.

Sample i depends on the seed and on i alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from hrmgym.envs.bugs.inverted import FIX_WEIGHTS, MOST_TOKENS, OTHER_WEIGHT, UNMAKES
from hrmgym.envs.bugs.making import Bug
from hrmgym.envs.edits.edit import Edit, apply, inverse
from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.envs.edits.screen import Coverage
from hrmgym.envs.focus import span_of
from hrmgym.envs.interfaces.edit import EditInterface, Observation
from hrmgym.envs.outcome import Outcome
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import CallTests, Limits, Task, Workspace
from hrmgym.errors import ConfigError, DataError
from hrmgym.policies.listing import Listing, listed
from hrmgym.policies.trace import trace
from hrmgym.trainers.data.bug_stream import Program, draw_budget
from hrmgym.trainers.data.dressing import Surroundings, dress

MOST = 1200
"""Edits of one sample; of those of bulky kinds, a random choice."""
_LOOKED_AT = 5_000  # edits that are made at most, to choose from
_SEED = 7_000_003
_ATTEMPTS = 90
_PATIENCE = 3  # attempts at one program
_PER_PROGRAM = 4  # samples in a row of one program, whose edits are then made once
_PROMPT_SHARE = 0.5
_BLEND = 0.5
_STEPS = 2  # counts of a budget that are steps and runs left
_MOST_STEPS = 8
LIMITS = Limits(cpu_s=0.1, wall_s=2.0, memory_mb=256)
"""Of one run of a program's tests."""


@dataclass(frozen=True, slots=True)
class RankSample:
    """One canvas, the legal edits that it shows, and the one that repairs it."""

    observation: Observation
    """With `trace`: see `hrmgym.policies.trace`."""
    listing: Listing
    answer: int
    """Number of the right one among the listing's edits."""
    kind: str
    """Its kind."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """A program with a bug in one function."""

    code: str
    """The whole file."""
    fixed: str
    """The file without the bug."""
    function: str
    """Name of the function in which edits are looked for."""
    prompt: str = ""
    path: str = "program.py"
    outcome: Outcome | None = None
    """What the visible tests say; None: there are none."""
    coverage: Coverage | None = None
    """What they run."""


def repair_weights() -> dict[str, float]:
    """Kind of repair -> how often it is wanted.

    Half of it as in published real fixes, which seldom are slips of logic, since tests catch those
    before a release; half of it all kinds alike.
    """
    kinds = list(UNMAKES)
    real = {kind: FIX_WEIGHTS.get(kind, OTHER_WEIGHT) for kind in kinds}
    total = sum(real.values())
    return {kind: (1 - _BLEND) * real[kind] / total + _BLEND / len(kinds) for kind in kinds}


class RankedBugs:
    """Bugs just made in working programs, each with the legal edits of the broken one.

    Args:
        programs: Working functions.
        interface: Lays out the canvases.
        kinds: Kind -> number, for the network.
        seed: With the index, all that a sample depends on.
        weights: Kind of repair -> how often it is wanted; by default `repair_weights`.
        dressed: Share of the programs that are shown in a file with more in it.

    Raises:
        ConfigError: there are no programs.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        interface: EditInterface,
        kinds: Mapping[str, int],
        *,
        seed: int,
        weights: Mapping[str, float] | None = None,
        dressed: float = 0.0,
    ) -> None:
        if not programs:
            raise ConfigError("there are no programs to make bugs in")
        self._programs, self._interface, self._kinds = programs, interface, kinds
        self._seed, self._dressed = seed, dressed
        self._weights = weights or repair_weights()
        self._last: tuple[int, dict[str, list[LegalEdit]]] | None = None

    def sample(self, index: int) -> RankSample:
        """Sample number `index`."""
        turn, number = divmod(index, _PER_PROGRAM)
        draws = np.random.default_rng((self._seed + _SEED, turn))
        rng = np.random.default_rng((self._seed + _SEED, turn, number))
        at = 0
        for attempt in range(_ATTEMPTS):
            if attempt % _PATIENCE == 0:
                at = int(draws.integers(len(self._programs)))
            made = self._made(at, rng)
            if made is not None:
                return made
        raise ConfigError(
            f"{_ATTEMPTS // _PATIENCE} programs in a row have no bug that a canvas of "
            f"{self._interface.length} tokens shows; use a larger canvas"
        )

    def _made(self, at: int, rng: np.random.Generator) -> RankSample | None:
        program = self._programs[at]
        edit = draw_edit(self._edits(at), self._weights, rng)
        if edit is None:
            return None
        bug = Bug(apply(program.code, edit), (inverse(program.code, edit),), ("",))
        if rng.random() < self._dressed:
            before, after = self._programs[at - 1], self._programs[(at + 1) % len(self._programs)]
            bug = dress(bug, Surroundings(program.docstring, before.code, after.code), rng)
        prompt = program.prompt if rng.random() < _PROMPT_SHARE else ""
        broken = Broken(bug.code, bug.fixed, program.name, prompt, f"{program.name}.py")
        seen = self._tested(at, broken, rng)
        return None if seen is None else rank_sample(seen, self._interface, self._kinds, rng)

    def _tested(self, at: int, broken: Broken, rng: np.random.Generator) -> Broken | None:
        """With what tests of program number `at` say; None where none fails."""
        return broken

    def _edits(self, at: int) -> dict[str, list[LegalEdit]]:
        """By kind, the legal edits of a working program."""
        if self._last is None or self._last[0] != at:
            found: dict[str, list[LegalEdit]] = {}
            program = self._programs[at]
            legal = legal_edits(program.code, within=span_of(program.code, program.name))
            for one in islice(chain(legal.lean(), legal.bulky()), _LOOKED_AT):
                found.setdefault(one.kind, []).append(one)
            self._last = at, found
        return self._last[1]


def draw_edit(
    edits: Mapping[str, Sequence[LegalEdit]],
    weights: Mapping[str, float],
    rng: np.random.Generator,
) -> Edit | None:
    """An edit of a working program that a repair of a wanted kind may unmake; None: there is none.

    Args:
        edits: Kind -> legal edits of the program.
        weights: Kind of repair -> how often it is wanted.
        rng: Where chance comes from.
    """
    possible = {
        kind: [one for one in UNMAKES[kind] if one in edits] for kind in weights if kind in UNMAKES
    }
    wanted = [kind for kind, sources in possible.items() if sources]
    if not wanted:
        return None
    shares = np.array([weights[kind] for kind in wanted])
    sources = possible[wanted[int(rng.choice(len(wanted), p=shares / shares.sum()))]]
    among = edits[sources[int(rng.integers(len(sources)))]]
    return among[int(rng.integers(len(among)))].edit


def rank_sample(
    broken: Broken,
    interface: EditInterface,
    kinds: Mapping[str, int],
    rng: np.random.Generator | None,
    most: int = MOST,
) -> RankSample | None:
    """What a broken program shows; None where no legal edit that its canvas shows repairs it.

    Args:
        broken: The program.
        interface: Lays out the canvas.
        kinds: Kind -> number, for the network.
        rng: Chooses among edits where there are many, and draws the budget; None takes the first
            edits and leaves the budget.
        most: Edits of the sample.
    """
    span = span_of(broken.code, broken.function)
    if span is None:
        return None
    try:
        legal = legal_edits(broken.code, within=span)
        edits = list(islice(chain(legal.lean(), legal.bulky()), _LOOKED_AT if rng else most))
        right = legal.among(edits, broken.fixed)
    except DataError:
        return None
    if right is None or len(edits[right].edit.text) > 20 * MOST_TOKENS:
        return None
    answer = edits[right]
    if rng is not None and len(edits) > most:
        lean = sum(1 for _ in legal.lean())
        edits = _thinned(edits, lean, answer, most, rng)
    state = _shown(broken, interface)
    canvas = interface.canvas(state)
    listing = listed(canvas, edits, kinds)
    found = np.flatnonzero(listing.kept == edits.index(answer))
    if not len(found):
        return None
    observation = interface.observe(state)
    outcome = broken.outcome
    failed = outcome.line if outcome is not None and outcome.path == broken.path else 0
    observation["trace"] = trace(canvas, broken.coverage, failed)
    if rng is not None:
        drawn = draw_budget(observation["budget"], rng)
        # What the tests really say stays; the steps that an episode has say nothing of the bug.
        steps = len(drawn) if outcome is None else _STEPS
        observation["budget"][:steps] = drawn[:steps]
    return RankSample(observation, listing, int(found[0]), answer.kind, broken.function)


def _thinned(
    edits: Sequence[LegalEdit], lean: int, answer: LegalEdit, most: int, rng: np.random.Generator
) -> list[LegalEdit]:
    """The lean ones and a random choice of the others, `most` in all, the answer among them."""
    first, rest = list(edits[:lean]), edits[lean:]
    if lean > most:
        first = [first[at] for at in sorted(rng.choice(lean, most, replace=False).tolist())]
    room = max(0, most - len(first))
    chosen = sorted(rng.choice(len(rest), min(room, len(rest)), replace=False).tolist())
    found = first + [rest[at] for at in chosen]
    return found if answer in found else [answer, *found[: most - 1]]


def task_of(broken: Broken, tests: CallTests) -> Task:
    """The task of repairing a broken program, whose tests are all visible."""
    return Task(
        id=broken.function,
        benchmark="self-made",
        language="python",
        split="train",
        prompt=broken.prompt,
        workspace=Workspace(files={broken.path: broken.code}),
        editable=(broken.path,),
        visible_tests=tests,
        hidden_tests=tests,
        focus=f"{broken.path}::{broken.function}",
        limits=LIMITS,
    )


def _shown(broken: Broken, interface: EditInterface) -> State:
    """The state in which an episode of the broken program begins."""
    none = CallTests(path=broken.path, function=broken.function, cases=())
    task = task_of(broken, none).public
    cursor = Cursor(broken.path)
    state = State(task=task, files=task.workspace.start, cursor=cursor, outcome=broken.outcome)
    return interface.start(replace(state, max_steps=_MOST_STEPS, max_test_runs=_MOST_STEPS))
