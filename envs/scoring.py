"""Scores and how sure they are: pass@k, intervals, and the report that a score is published as.

The report holds nothing that differs between two runs with the same seed; times are kept apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hrmgym.envs.failures import failures_block, modes_block
from hrmgym.errors import UserError

Method = Literal["wilson", "bootstrap"]

_RESAMPLES = 10_000
_CHUNK = 2_000_000  # drawn indices held in memory at once


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that at least one of k episodes, drawn from n of which c are solved, is solved.

    Unbiased estimator of pass@k (Chen et al. 2021, arXiv:2107.03374, section 2.1):
    1 - C(n - c, k) / C(n, k).

    Raises:
        UserError: Not 0 <= c <= n, or not 1 <= k <= n.
    """
    if not 0 <= c <= n:
        raise UserError(f"solved episodes: {c} should be between 0 and the {n} that were played")
    if not 1 <= k <= n:
        raise UserError(f"pass@{k} needs at least {max(k, 1)} episodes a task; there are {n}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22:209-212).

    Args:
        successes: Between 0 and n; n times any mean in [0, 1] will do.
        n: Independent trials.
        confidence: Level of the interval, in (0, 1).

    Raises:
        UserError: An argument is outside its range.
    """
    _check_confidence(confidence)
    if n < 1 or not 0 <= successes <= n:
        raise UserError(f"an interval needs 0 <= successes <= n and n >= 1, not {successes} of {n}")
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    p = successes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # Exactly 0 and 1 at the ends, where rounding would leave 1e-17.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def bootstrap(
    values: Sequence[float], confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean, resampling the values (Efron 1979, Ann. Stat. 7:1-26).

    Args:
        values: One for each task, so that episodes of one task stay together.
        confidence: Level of the interval, in (0, 1).
        seed: Of the resampling.

    Raises:
        UserError: There are no values, or the confidence is outside its range.
    """
    _check_confidence(confidence)
    if not values:
        raise UserError("an interval needs at least one value")
    data: npt.NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(data))
    means = np.concatenate(
        [
            data[rng.integers(len(data), size=(min(rows, _RESAMPLES - start), len(data)))].mean(1)
            for start in range(0, _RESAMPLES, rows)
        ]
    )
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise UserError(f"confidence should be between 0 and 1, for example 0.95, not {confidence}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over tasks and its interval."""

    value: float
    low: float
    high: float
    confidence: float
    method: Method

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(
    values: Sequence[float], *, binary: bool, method: str, confidence: float, seed: int
) -> Estimate:
    """Mean over tasks with its interval.

    Args:
        values: One in [0, 1] for each task.
        binary: Whether each value is one episode's outcome, 0 or 1.
        method: `wilson`, `bootstrap`, or `auto`, which is Wilson's for binary values. The bootstrap
            says [x, x] where every task has the same value x, so Wilson's takes its place there,
            with the tasks as trials.
        confidence: Level of the interval.
        seed: Of the bootstrap.

    Raises:
        UserError: `wilson` is asked for values that are not binary, or an argument is illegal.
    """
    if method not in ("auto", "wilson", "bootstrap"):
        raise UserError(f"interval {method!r}: known: auto, bootstrap, wilson")
    if method == "wilson" and not binary:
        raise UserError("Wilson's interval needs one episode for each task; use bootstrap or auto")
    used: Method = "bootstrap"
    if method == "wilson" or (method == "auto" and binary) or len(set(values)) == 1:
        used = "wilson"
        low, high = wilson(sum(values), len(values), confidence)
    else:
        low, high = bootstrap(values, confidence, seed)
    mean = math.fsum(values) / len(values)
    return Estimate(value=mean, low=low, high=high, confidence=confidence, method=used)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeScore:
    """What became of one episode."""

    solved: bool
    steps: int
    test_runs: int
    tests_passed: float
    """Fraction of the visible tests that pass at the end."""
    reward: float
    """Sum over the steps."""
    reason: str
    """How it ended: a `hrmgym.envs.task.Reason`."""
    failure: str = ""
    """Why there is no verdict: a `hrmgym.envs.task.FailureCode`; empty where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """The episodes of one task."""

    task: str
    tags: tuple[str, ...]
    episodes: tuple[EpisodeScore, ...]
    seconds: float = field(default=0.0, compare=False)
    """Wall-clock time of all episodes; not part of the report's JSON."""

    @property
    def solved(self) -> int:
        """Number of solved episodes."""
        return sum(episode.solved for episode in self.episodes)

    @property
    def failures(self) -> tuple[str, ...]:
        """The codes of the episodes without a verdict."""
        return tuple(episode.failure for episode in self.episodes if episode.failure)

    def pass_at_k(self, k: int) -> float | None:
        """The task's share of pass@k; None where fewer than k episodes have a verdict."""
        judged = len(self.episodes) - len(self.failures)
        return pass_at_k(judged, self.solved, k) if judged >= k else None

    def bound_at_k(self, k: int, *, solved: bool) -> float:
        """pass@k, had every episode without a verdict been solved, or none of them."""
        more = len(self.failures) if solved else 0
        return pass_at_k(len(self.episodes), self.solved + more, k)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A score with everything that it takes to believe it."""

    benchmark: str
    version: str
    split: str
    policy: Mapping[str, Any]
    """The experiment's policy block."""
    checkpoint: str | None
    """Hash of the checkpoint's weights."""
    environment: Mapping[str, Any]
    """The experiment's env block; it holds the budget of an episode."""
    sandbox: Mapping[str, Any]
    """The experiment's sandbox block."""
    seed: int
    episodes: int
    """Episodes of each task."""
    k: tuple[int, ...]
    deterministic: bool
    confidence: float
    interval: str
    planned: int
    """Number of tasks to play."""
    tasks: tuple[TaskScore, ...]
    """Those that were played to the end, in the benchmark's order."""
    modes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Task -> how its tests run, and why so; see `hrmgym.envs.sandboxes.verdicts.modes`."""

    @property
    def complete(self) -> bool:
        """Whether every task was played."""
        return len(self.tasks) == self.planned

    @property
    def failures(self) -> int:
        """Number of episodes without a verdict."""
        return sum(len(task.failures) for task in self.tasks)

    def pass_at(self, k: int, tasks: Sequence[TaskScore] | None = None) -> Estimate | None:
        """pass@k over `tasks`, by default over all; each task has the same weight.

        Tasks of which fewer than k episodes have a verdict are left out; None where that is all.
        """
        shares = [task.pass_at_k(k) for task in (self.tasks if tasks is None else tasks)]
        judged = [share for share in shares if share is not None]
        if not judged:
            return None
        return estimate(
            judged,
            binary=self.episodes == 1,
            method=self.interval,
            confidence=self.confidence,
            seed=self.seed,
        )

    def bounds(self, *, solved: bool) -> dict[str, float]:
        """Every pass@k, had all episodes without a verdict been solved, or none."""
        count = max(1, len(self.tasks))
        return {
            f"pass@{k}": math.fsum(task.bound_at_k(k, solved=solved) for task in self.tasks) / count
            for k in self.k
        }

    def by_tag(self) -> dict[str, tuple[TaskScore, ...]]:
        """The tasks with each tag, tags in alphabetical order."""
        tags = sorted({tag for task in self.tasks for tag in task.tags})
        return {tag: tuple(t for t in self.tasks if tag in t.tags) for tag in tags}

    def mean(self, key: Literal["tests_passed", "steps", "test_runs", "reward"]) -> float:
        """Mean of an episode's number over all that have a verdict; 0 where there are none."""
        episodes = (episode for task in self.tasks for episode in task.episodes)
        values = [float(getattr(episode, key)) for episode in episodes if not episode.failure]
        return math.fsum(values) / len(values) if values else 0.0

    def _scores(self, tasks: Sequence[TaskScore]) -> dict[str, Any]:
        found = {f"pass@{k}": self.pass_at(k, tasks) for k in self.k}
        return {name: None if one is None else asdict(one) for name, one in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data in a fixed order."""
        scores: dict[str, Any] = {}
        if self.tasks:
            scores = self._scores(self.tasks)
        return {
            "benchmark": {
                "name": self.benchmark,
                "version": self.version,
                "split": self.split,
                "tasks": self.planned,
            },
            "complete": self.complete,
            "tasks_played": len(self.tasks),
            "seed": self.seed,
            "episodes_per_task": self.episodes,
            "deterministic": self.deterministic,
            "environment": dict(self.environment),
            "sandbox": dict(self.sandbox),
            "policy": dict(self.policy),
            "checkpoint_hash": self.checkpoint,
            "scores": scores,
            "failures": failures_block(
                {task.task: task.failures for task in self.tasks},
                self.bounds(solved=False),
                self.bounds(solved=True),
            ),
            "tests_apart": modes_block(self.modes),
            "mean": {
                "tests_passed": self.mean("tests_passed"),
                "steps": self.mean("steps"),
                "test_runs": self.mean("test_runs"),
                "reward": self.mean("reward"),
            },
            "by_tag": {
                tag: {"tasks": len(tasks), **self._scores(tasks)}
                for tag, tasks in self.by_tag().items()
            },
            "outcomes": [
                {
                    "task": task.task,
                    "tags": list(task.tags),
                    "solved": task.solved,
                    "episodes": [asdict(episode) for episode in task.episodes],
                }
                for task in self.tasks
            ],
        }

    def to_json(self) -> str:
        """The report as JSON text: the same bytes for the same outcomes."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def timing_json(self) -> str:
        """Wall-clock seconds of each task, as JSON text."""
        each = {task.task: round(task.seconds, 3) for task in self.tasks}
        total = round(sum(task.seconds for task in self.tasks), 3)
        return json.dumps({"seconds": each, "total": total}, indent=2) + "\n"
