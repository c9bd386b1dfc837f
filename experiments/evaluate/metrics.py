"""What is scored: for each mode, names of scores and their values for one task, from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from hrmgym.envs.scoring import pass_at_k
from hrmgym.experiments.evaluate.records import Attempt, TaskRecord

#: Score -> value; None where too few attempts have a verdict.
Values = Mapping[str, float | None]

#: Numbers of test runs that every report says the share of solved tasks for.
WITHIN = (1, 10, 100, 1000)


def _episodes(record: TaskRecord, ks: Sequence[int]) -> Values:
    judged = len(record.judged)
    return {f"pass@{k}": pass_at_k(judged, record.solved, k) if judged >= k else None for k in ks}


def _proposals(record: TaskRecord, ks: Sequence[int]) -> Values:
    """`solved@k`: the first of k to pass the visible tests solves it; `oracle@k`: any of them;
    `plausible@k`: one of them passes the visible tests. Means over the seeds."""
    every = record.attempts
    solved: list[float | None] = [one.solved_after for one in every]
    oracle = [one.numbers.get("first_solving", one.solved_after) for one in every]
    passing = [one.numbers.get("first_passing", one.solved_after) for one in every]
    named: dict[str, list[float | None]] = {
        "solved": solved,
        "oracle": oracle,
        "plausible": passing,
    }
    return {
        f"{name}@{k}": sum(_within(one, k) for one in found) / len(every)
        for name, found in named.items()
        for k in ks
    }


def _edits(record: TaskRecord, ks: Sequence[int]) -> Values:
    one = _only(record)
    rank, location = one.solved_after, one.numbers.get("location", one.solved_after)
    return {
        **{f"exact@{k}": _within(rank, k) for k in ks},
        "location@1": _within(location, 1),
        "mrr": 0.0 if rank is None else 1 / rank,
    }


def _only(record: TaskRecord) -> Attempt:
    (one,) = record.attempts
    return one


def _within(number: float | None, most: int) -> float:
    return float(number is not None and number <= most)


#: Mode of a score -> its values for one task.
METRICS: Mapping[str, Callable[[TaskRecord, Sequence[int]], Values]] = {
    "episodes": _episodes,
    "proposals": _proposals,
    "edits": _edits,
}


def values(mode: str, record: TaskRecord, ks: Sequence[int]) -> Values:
    """A task's part of every score of a mode; None for those that it has no verdict for."""
    if mode != "episodes" and record.failures:
        return dict.fromkeys(bounds(mode, record, ks, solved=False))
    return METRICS[mode](record, ks)


def bounds(mode: str, record: TaskRecord, ks: Sequence[int], *, solved: bool) -> dict[str, float]:
    """The same, had every attempt without a verdict been solved at once, or none of them."""
    attempts = tuple(
        replace(
            one,
            failure="",
            solved=solved,
            plausible=solved,
            solved_after=1 if solved else None,
            numbers={},
        )
        if one.failure
        else one
        for one in record.attempts
    )
    found = METRICS[mode](replace(record, attempts=attempts), ks)
    return {name: value for name, value in found.items() if value is not None}


def within(record: TaskRecord, most: int) -> float | None:
    """Share of a task's attempts that solve it within so many test runs; None without a verdict."""
    judged = record.judged
    if not judged:
        return None
    return sum(_within(one.solved_after, most) for one in judged) / len(judged)
