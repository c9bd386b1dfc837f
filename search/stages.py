"""Trying proposals under staged time limits: short first, and what timed out again with more.

An endless loop is found out after its task's whole time; most other programs need a fraction of
that. So every proposal first gets a short limit. Those that it cuts off wait, and are repeated
under the next limit, last under the task's own: no verdict depends on how fast the machine is.
While there are proposals that have not run, one run in `TURN` is such a repeat, so that a slow fix
is found although there are more proposals than runs; afterwards all are. Counts of runs can depend
on speed, where a program needs about as long as a limit is; such runs are counted (`near`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Within this factor of a limit, a faster or slower machine may have cut a run off, or not.
NEAR = 2.0
#: Of so many runs, one is a repeat while there are proposals that have not run. More would take
#: runs from good proposals, since most of what is cut off is an endless loop.
TURN = 8


@dataclass(frozen=True, slots=True)
class Ran(Generic[Result]):
    """One run of a proposal's tests."""

    result: Result
    """Whatever the caller makes of it."""
    cpu_s: float = 0.0
    """CPU seconds that it took; 0 where they are not known."""
    cut: bool = False
    """Whether it did not pass and ran out of time, so that a longer limit may say otherwise."""
    again: bool = False
    """Whether it passes, but only a run of the final kind, which follows at once, may say so."""
    runs: int = 1
    """Test runs that it took."""


@dataclass(frozen=True, slots=True)
class Try(Generic[Result]):
    """One run among those of a task."""

    run: int
    """How many runs there have been, this one and repeats included."""
    number: int
    """Number of the proposal, from 1."""
    repeats: int
    """Runs among those of this try that were of a proposal that had run before."""
    open: bool
    """Whether it has no verdict: it ran out of time, under less than the task's own limit, or it
    is run again at once."""
    near: bool
    """Whether it came to its end within a factor of `NEAR` of a stage's limit."""
    result: Result


@dataclass(slots=True)
class TestRuns:
    """How many runs a task took, and of what kind."""

    __test__ = False  # not a pytest class

    proposals: int = 0
    """Proposals that have run at least once."""
    runs: int = 0
    """All runs, with those that came before the first proposal's."""
    repeats: int = 0
    """Runs of proposals that had run before."""
    near_limit: int = 0
    """Runs whose repeats, and so the counts here, may differ on another machine."""
    _open: set[int] = field(default_factory=set)

    def add(self, one: Try[Any]) -> None:
        """Counts a try, in the order in which they come."""
        self.proposals = max(self.proposals, one.number)
        self.runs = one.run
        self.repeats += one.repeats
        self.near_limit += one.near
        (self._open.add if one.open else self._open.discard)(one.number)

    @property
    def timed_out(self) -> int:
        """Proposals without a verdict: they have not run under the task's own limits."""
        return len(self._open)

    def to_dict(self) -> dict[str, int]:
        """The counts by name, with `test_runs`, repeats included."""
        return {
            "test_runs": self.runs,
            "repeats": self.repeats,
            "timed_out": self.timed_out,
            "near_limit": self.near_limit,
        }


def limits_of(stages: Sequence[float], own_s: float) -> tuple[float, ...]:
    """The limits that a task's runs go through: the stages below its own, and that one.

    Args:
        stages: CPU seconds, increasing.
        own_s: The task's own limit, in CPU seconds.
    """
    return (*(stage for stage in stages if stage < own_s), own_s)


def is_near(ran: Ran[Any], stages: Sequence[float]) -> bool:
    """Whether a run came to its end within a factor of `NEAR` of a stage."""
    return not ran.cut and any(stage / NEAR <= ran.cpu_s <= stage * NEAR for stage in stages)


def in_stages(
    items: Iterable[Item],
    run: Callable[[Item, float, bool], Ran[Result]],
    limits: Sequence[float],
    budget: int,
    spent: int = 0,
) -> Iterator[Try[Result]]:
    """Runs proposals in their order, and repeats those that were cut off.

    What waits is repeated by limit and then by rank: every `TURN`th run, and all of them once the
    proposals are through. The last run of the budget, which nothing can follow, is under the task's
    own limit. Whoever has found what they want stops asking. What is still `open` when the budget
    is spent has timed out; it has not failed.

    Args:
        items: The proposals, best first.
        run: Runs one under a limit, in CPU seconds; True: with a verdict that is final. Otherwise
            it may run in a way of which a pass has to be confirmed: it then says `again`, and the
            next run is that one, under the task's own limit.
        limits: The limits, increasing; the last one is the task's own, whose verdict is final.
        budget: Most runs, repeats included.
        spent: Runs of the budget that were made before.

    Yields:
        Each run as it is done.
    """
    stages, own = limits[:-1], limits[-1]
    fresh = enumerate(items, start=1)
    waiting: list[tuple[int, int, Item]] = []  # numbers differ, so items are never compared
    passing: tuple[int, Item] | None = None
    done = spent
    while done < budget:
        confirms = passing is not None
        turn = bool(waiting) and (done + 1) % TURN == 0
        new = None if turn or confirms else next(fresh, None)
        if passing is not None:
            at, (number, item) = len(limits), passing
        elif new is not None:
            at, (number, item) = 0, new
        elif waiting:
            at, number, item = heappop(waiting)
        else:
            return
        final = confirms or done + 1 == budget
        limit = own if final else limits[at]
        ran = run(item, limit, final)
        done += ran.runs
        passing = (number, item) if ran.again and not final else None
        still = ran.cut and limit < own
        if still:
            heappush(waiting, (at + 1, number, item))
        unsaid = still or passing is not None
        repeats = ran.runs - (at == 0)
        yield Try(done, number, repeats, unsaid, is_near(ran, stages), ran.result)
