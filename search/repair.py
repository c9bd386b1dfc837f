"""The repair of a program as a problem for a tree: edits on edits, each tried in the sandbox.

A position is a program as some edits have left it. Its actions are its legal edits, drawn one after
the other as its own belief has them, which learns from each outcome. An edit that turns a test, or
has a failing test come to another result, leaves a position that may be gone on from: by running
the visible tests on it and ranking its edits, an action of its own, since that costs test runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, overload

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.outcome_file import TaskOutcomes
from hrmgym.envs.state import State
from hrmgym.policies.ranked import RankedPolicy
from hrmgym.search.belief import Belief
from hrmgym.search.changes import Before, Change
from hrmgym.search.problem import Evaluation, Step
from hrmgym.search.screening import LearningScreening, look
from hrmgym.search.stages import Ran, Try
from hrmgym.search.steps import passed

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv

#: Change -> what a search may expect from an edit that has made it; from others nothing is looked
#: for. Chosen by hand: to be measured on training tasks.
VALUES: Mapping[Change, float] = {Change.ALL: 0.3, Change.SOME: 0.3, Change.OTHER: 0.03}


@dataclass(frozen=True, slots=True)
class Position:
    """A program as some edits have left it."""

    state: State
    edits: int = 0
    """How many made it."""
    before: State | None = None
    """What the last edit was made of, where its tests have not been run; None where they have."""
    path: str = ""
    """The file that it changed."""
    change: Change = Change.UNKNOWN
    """What it changed in the failing tests."""


#: An edit, or None: to run the visible tests and rank the edits of what they ran on.
Move = FileEdit | None


class _Drawn(Sequence[Move]):
    """Edits of a belief, drawn as they are asked for, and their probabilities then."""

    def __init__(self, belief: Belief) -> None:
        self._belief = belief
        self.edits: list[FileEdit] = []
        self.priors: list[float] = []

    def __len__(self) -> int:
        return len(self._belief.edits)

    @overload
    def __getitem__(self, at: int) -> Move: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Move]: ...
    def __getitem__(self, at: int | slice) -> Move | Sequence[Move]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        self.reach(at)
        return self.edits[at]

    def reach(self, at: int) -> None:
        """Draws as many as that takes."""
        if not 0 <= at < len(self):
            raise IndexError(at)
        while len(self.edits) <= at:
            number, probability = self._belief.draw()
            self.edits.append(self._belief.edits[number])
            self.priors.append(probability)


class _Priors(Sequence[float]):
    """The probabilities of drawn edits."""

    def __init__(self, drawn: _Drawn) -> None:
        self._drawn = drawn

    def __len__(self) -> int:
        return len(self._drawn)

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[float]: ...
    def __getitem__(self, at: int | slice) -> float | Sequence[float]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        self._drawn.reach(at)
        return self._drawn.priors[at]


class RepairProblem:
    """The repair of the program that an environment is at, within so many test runs.

    Args:
        env: Where edits are tried; it stays where it is.
        policy: Ranks the legal edits of each position.
        limits: CPU seconds of a first run, ..., and of the task: see `stages.limits_of`.
        budget: Most test runs; what would take more is not done.
        most_edits: Of one repair.
        outcomes: What other searches of the task have found, and gets what this one finds.
    """

    def __init__(
        self,
        env: SoftwareEnv,
        policy: RankedPolicy,
        limits: Sequence[float],
        budget: int,
        most_edits: int,
        outcomes: TaskOutcomes | None = None,
    ) -> None:
        self._env, self._policy, self._limits = env, policy, limits
        self._budget, self._most_edits, self._outcomes = budget, most_edits, outcomes
        self.runs = 0
        self._number = 0
        self._tried: deque[Try[State]] = deque()
        self._screens: dict[str, LearningScreening] = {}  # by a position's files
        self._seen = {env.state.files.key}
        self.cut: deque[tuple[int, LearningScreening, FileEdit]] = deque()
        """Edits that ran out of a first run's time."""

    @property
    def left(self) -> int:
        """Test runs that are left."""
        return self._budget - self.runs

    def tried(self) -> Iterator[Try[State]]:
        """The tries that have been made since this was last asked."""
        while self._tried:
            yield self._tried.popleft()

    def key(self, position: Position) -> Hashable:
        """Its program."""
        return position.state.files.key, position.before is None

    def evaluate(self, positions: Sequence[Position]) -> Sequence[Evaluation[Move]]:
        """See `Problem.evaluate`; to rank a position's edits may take test runs."""
        return [self._evaluation(position) for position in positions]

    def _evaluation(self, position: Position) -> Evaluation[Move]:
        if position.before is not None:
            return Evaluation((None,), (1.0,), VALUES[position.change])
        env, state = self._env, position.state
        ranked = self._policy.rank(state, partial(look, env, state, self._outcomes))
        self.runs += ranked.test_runs
        if not ranked.edits:
            return Evaluation((), (), 0.0)
        texts = {path: state.files[path] for path in ranked.spectra}
        belief = Belief(ranked.edits, ranked.log_probs, texts)
        before = {path: Before(coverage) for path, coverage in ranked.spectra.items()}
        self._screens[state.files.key] = LearningScreening(
            env, belief, before, self._limits[0], self._outcomes, state
        )
        drawn = _Drawn(belief)
        return Evaluation(drawn, _Priors(drawn), 0.0)

    def step(self, position: Position, move: Move) -> Step[Position]:
        """See `Problem.step`."""
        if move is None:
            return self._run(position)
        state, screen = position.state, self._screens[position.state.files.key]
        files = state.files.with_text(move.path, move.applied(state))
        if files.key in self._seen:  # edits in another order, or one that takes another back
            return Step(position, done=True)
        self._seen.add(files.key)
        self._number += 1
        last = self.left <= 1
        ran = screen(move, self._limits[-1 if last else 0], last)
        change = Change.UNKNOWN if last else screen.change
        self._note(self._number, ran, ran.runs - 1, open_=ran.again or (ran.cut and not last))
        if ran.again:
            if self.left < 1:
                return Step(position, done=True, runs=ran.runs)
            ran = screen(move, self._limits[-1], True)
            self._note(self._number, ran, 1)
        elif ran.cut and not last:
            self.cut.append((self._number, screen, move))
        after = Position(ran.result, position.edits + 1, state, move.path, change)
        proven = passed(ran.result)
        done = change not in VALUES or after.edits >= self._most_edits
        return Step(after, float(proven), done, proven, ran.runs)

    def _run(self, position: Position) -> Step[Position]:
        """Runs the visible tests on a position that was only screened."""
        if self.left < 2:  # to rank its edits takes the spectrum's run, too
            return Step(position, done=True)
        assert position.before is not None, "it has not been run"
        text = position.state.files[position.path]
        after = self._env.edited(position.before, position.path, text)
        self._note(self._number, Ran(after), 1)
        return Step(Position(after, position.edits), runs=1, proven=passed(after))

    def repeat(self) -> bool:
        """Tries the edit again, with all its time, that has waited longest; whether it passes."""
        number, screen, move = self.cut.popleft()
        ran = screen(move, self._limits[-1], True)
        self._note(number, ran, 1)
        return passed(ran.result)

    def _note(self, number: int, ran: Ran[State], repeats: int, *, open_: bool = False) -> None:
        self.runs += ran.runs
        self._tried.append(Try(self.runs, number, repeats, open_, False, ran.result))
