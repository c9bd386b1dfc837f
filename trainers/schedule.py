"""Learning rates over a run, as multiples of the configured one."""

from __future__ import annotations

import math

#: What is left of the rate at the end of a cosine.
_FLOOR = 0.1


def warm_up(done: int, samples: int) -> float:
    """From nearly 0 to 1 over the first `samples`."""
    return min(1.0, (done + 1) / samples) if samples else 1.0


def cosine(progress: float) -> float:
    """From 1 to a tenth, as progress goes from 0 to 1."""
    return _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress))))


def decay(progress: float) -> float:
    """From 1 to nearly 0 as 1 - sqrt(progress), the best tail of Haegele et al. 2024 (arXiv
    2405.18392, section 4)."""
    return max(0.01, 1 - math.sqrt(min(1.0, max(0.0, progress))))
