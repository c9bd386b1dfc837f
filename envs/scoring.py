"""Scores and how sure they are: pass@k and intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

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
