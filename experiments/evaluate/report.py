"""The report that every score is published as, made of its records.

It holds nothing that differs between two runs with the same seed; times are kept apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hrmgym.envs.failures import failures_block, modes_block
from hrmgym.envs.scoring import Estimate, estimate
from hrmgym.experiments.evaluate.metrics import WITHIN, Values, bounds, values, within
from hrmgym.experiments.evaluate.records import TaskRecord

#: Numbers of attempts that are summed over all tasks; of the others, means are told.
_SUMMED = ("repeats", "timed_out", "near_limit")
_MEANS = ("tests_passed", "steps", "test_runs", "reward")
#: Rows of tasks by how many visible tests they have: name, least and most.
_FEW = (("1", 1, 1), ("2 to 4", 2, 4), ("5 or more", 5, math.inf))


@dataclass(frozen=True, kw_only=True)
class Report:
    """A score with everything that it takes to believe it."""

    mode: str
    """What is scored: a key of `metrics.METRICS`."""
    benchmark: Mapping[str, Any]
    """Name, version, split, number of tasks."""
    policy: Mapping[str, Any]
    """The experiment's policy block."""
    environment: Mapping[str, Any]
    """The experiment's env block."""
    sandbox: Mapping[str, Any]
    """The experiment's sandbox block."""
    budget: Mapping[str, Any]
    """What each task may cost: attempts, and steps, test runs or proposals of each."""
    hashes: Mapping[str, str | None]
    """Of the checkpoint's weights, of the experiment, and of the tasks' ids."""
    seed: int
    k: tuple[int, ...]
    deterministic: bool
    confidence: float
    interval: str
    correct: bool = False
    """Whether it was asked what of the solved is correct, too."""
    shared_outcomes: bool = False
    """Whether edits that another score had run were not run again: seconds then mean nothing."""
    records: tuple[TaskRecord, ...]
    """Tasks that were attempted to the end, in the benchmark's order."""
    official: tuple[str, Estimate] | None = None
    """The benchmark's own metric, by its name; None without any verdict."""
    modes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Task -> how its tests run, and why so; see `hrmgym.envs.sandboxes.verdicts.modes`."""
    visible_tests: Mapping[str, int] = field(default_factory=dict)
    """Task -> how many visible tests it has; empty where nothing is run."""

    @property
    def complete(self) -> bool:
        """Whether every task was attempted."""
        return len(self.records) == int(self.benchmark["tasks"])

    @property
    def failures(self) -> int:
        """Number of attempts without a verdict."""
        return sum(len(record.failures) for record in self.records)

    def scores(self, records: Sequence[TaskRecord] | None = None) -> dict[str, Estimate | None]:
        """Every score over some records, by default over all; each task has the same weight.

        Tasks without enough verdicts are left out; None where that is all.
        """
        records = self.records if records is None else records
        return self._estimates([values(self.mode, one, self.k) for one in records])

    def solved_within(
        self, records: Sequence[TaskRecord] | None = None
    ) -> dict[str, Estimate | None]:
        """Shares of tasks that are solved within so many test runs, of those of the budget.

        Args:
            records: By default all.
        """
        records = self.records if records is None else records
        rows: list[Values] = [{str(n): within(one, n) for n in WITHIN} for one in records]
        return self._estimates(rows)

    def _estimates(self, rows: Sequence[Values]) -> dict[str, Estimate | None]:
        return {name: self._estimate(name, [row[name] for row in rows]) for name in _names(rows)}

    def _estimate(self, name: str, found: Sequence[float | None]) -> Estimate | None:
        judged = [one for one in found if one is not None]
        if not judged:
            return None
        return estimate(
            judged,
            binary=name != "mrr" and self.budget["attempts"] == 1,
            method="bootstrap" if name == "mrr" else self.interval,
            confidence=self.confidence,
            seed=self.seed,
        )

    def bounds(self, *, solved: bool) -> dict[str, float]:
        """Every score, had all attempts without a verdict been solved, or none."""
        rows = [bounds(self.mode, one, self.k, solved=solved) for one in self.records]
        return {name: math.fsum(row[name] for row in rows) / len(rows) for name in _names(rows)}

    def by_tag(self) -> dict[str, tuple[TaskRecord, ...]]:
        """The records with each tag, tags in alphabetical order."""
        tags = sorted({tag for one in self.records for tag in one.tags})
        return {tag: tuple(one for one in self.records if tag in one.tags) for tag in tags}

    def by_visible_tests(self) -> dict[str, tuple[TaskRecord, ...]]:
        """The records of tasks with 1, with 2 to 4, and with more visible tests."""
        counts = self.visible_tests
        rows = {
            name: tuple(one for one in self.records if least <= counts.get(one.task, 0) <= most)
            for name, least, most in _FEW
        }
        return {name: records for name, records in rows.items() if records}

    def mean(self, name: str) -> float | None:
        """Mean of a number over all attempts with a verdict that have it; None: none has."""
        found = [
            one.test_runs if name == "test_runs" else one.numbers.get(name)
            for record in self.records
            for one in record.judged
        ]
        told = [float(one) for one in found if one is not None]
        return math.fsum(told) / len(told) if told else None

    def correctness(self) -> dict[str, Any]:
        """The share of tasks with a correct solution, and how many solutions were judged.

        A task whose solution could not be judged is left out of the share. Empty where nobody
        asked.
        """
        if not self.correct:
            return {}
        found = [one for record in self.records for one in record.judged]
        told = [[o.correct for o in r.judged if o.correct is not None] for r in self.records]
        shares = [sum(one) / len(one) if one else None for one in told]
        share = self._estimate("correct", shares)
        return {
            "share": None if share is None else asdict(share),
            "solved": sum(one.solved for one in found),
            "correct": sum(one.correct is True for one in found),
            "wrong": sum(one.solved and one.correct is False for one in found),
            "not_judged": sum(one.solved and one.correct is None for one in found),
        }

    def _sums(self) -> dict[str, int]:
        """Under staged limits, how many runs were repeats, and so on."""
        attempts = [one for record in self.records for one in record.judged]
        if not any("repeats" in one.numbers for one in attempts):
            return {}
        sums = {name: sum(int(one.numbers.get(name) or 0) for one in attempts) for name in _SUMMED}
        return {"test_runs": sum(one.test_runs for one in attempts), **sums}

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data in a fixed order."""
        sums, correct = self._sums(), self.correctness()
        return {
            "mode": self.mode,
            "benchmark": dict(self.benchmark),
            "complete": self.complete,
            "tasks_played": len(self.records),
            "seed": self.seed,
            "deterministic": self.deterministic,
            "budget": dict(self.budget),
            "environment": dict(self.environment),
            "sandbox": dict(self.sandbox),
            "policy": dict(self.policy),
            "hashes": dict(self.hashes),
            "official": (
                None
                if self.official is None
                else {"metric": self.official[0], **asdict(self.official[1])}
            ),
            "scores": _plain(self.scores()),
            "solved_within": _plain(self.solved_within()),
            **({"correct": correct} if correct else {}),
            "failures": failures_block(
                {one.task: one.failures for one in self.records},
                self.bounds(solved=False),
                self.bounds(solved=True),
            ),
            "tests_apart": modes_block(self.modes),
            "mean": {name: self.mean(name) for name in _MEANS},
            **({"test_runs": sums} if sums else {}),
            "by_tag": {
                tag: {"tasks": len(records), **_plain(self.scores(records))}
                for tag, records in self.by_tag().items()
            },
            **self._rows_by_visible_tests(),
            "outcomes": [
                {
                    "task": one.task,
                    "tags": list(one.tags),
                    "solved": one.solved,
                    "attempts": [asdict(attempt) for attempt in one.attempts],
                }
                for one in self.records
            ],
        }

    def _rows_by_visible_tests(self) -> dict[str, Any]:
        rows = {
            name: {
                "tasks": len(records),
                **_plain(self.scores(records)),
                "solved_within": _plain(self.solved_within(records)),
            }
            for name, records in self.by_visible_tests().items()
        }
        return {"by_visible_tests": rows} if rows else {}

    def to_json(self) -> str:
        """The report as JSON text: the same bytes for the same outcomes."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def timing_json(self) -> str:
        """Wall-clock seconds of each task, as JSON text; whether outcomes were shared, if so."""
        each = {one.task: round(one.seconds, 3) for one in self.records}
        total = round(sum(one.seconds for one in self.records), 3)
        shared = {"shared_outcomes": True} if self.shared_outcomes else {}
        return json.dumps({"seconds": each, "total": total, **shared}, indent=2) + "\n"


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(rows[0]) if rows else []


def _plain(found: Mapping[str, Estimate | None]) -> dict[str, Any]:
    return {name: None if one is None else asdict(one) for name, one in found.items()}
