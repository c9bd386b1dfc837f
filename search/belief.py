"""Which legal edit is tried next, when every outcome teaches where the bug is.

A ranking is the prior. Each edit that fails changes the belief in all edits at its place and on its
lines: by how much likelier its outcome is where the bug is than elsewhere, in nats. Outcomes at one
place say much the same, so that n of them count as n / (1 + n / `DAMPING`), not as n.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hrmgym.envs.edits.places import FileEdit
from hrmgym.policies.ranking import LogProbs
from hrmgym.search.changes import Change

#: How many outcomes at a place count as half as many.
DAMPING = 2.0
_NEVER = 50.0  # nats that the impossible is below the least probable
#: Change -> nats for edits whose span the tried one's touches, and for all on its lines, these
#: among them: log P(change | the bug is there) - log P(change | it is elsewhere). Measured on tasks
#: of the katas' training split by `benchmarks/feedback.py`.
LOG_RATIOS: Mapping[Change, tuple[float, float]] = {
    Change.SAME: (-0.241, -0.142),
    Change.OTHER: (0.626, 0.017),
    Change.RAISED: (-0.084, 0.196),
    Change.SOME: (1.46, 0.974),
    Change.ALL: (1.472, 0.957),
    Change.CUT: (0.546, 0.295),
}


class Belief:
    """What is believed of the legal edits of one state that have not been tried.

    Args:
        edits: The edits, in the order of the prior [edits].
        log_probs: The prior, in nats [edits].
        texts: Path -> the untouched file.
        log_ratios: See `LOG_RATIOS`.
    """

    def __init__(
        self,
        edits: Sequence[FileEdit],
        log_probs: LogProbs,
        texts: Mapping[str, str],
        log_ratios: Mapping[Change, tuple[float, float]] = LOG_RATIOS,
    ) -> None:
        self.edits = edits
        self._log_ratios = log_ratios
        finite = log_probs[np.isfinite(log_probs)]
        least = finite.min() - _NEVER if len(finite) else 0.0
        self._prior = np.where(np.isfinite(log_probs), log_probs, least)
        self._scores = self._prior.copy()
        self._tried = np.zeros(len(edits), dtype=bool)
        paths = {path: number for number, path in enumerate(texts)}
        self._path = np.array([paths[one.path] for one in edits], dtype=np.int64)
        # From the first to the last character, and line, that an edit changes [edits, 2].
        self._spans = np.array([one.edit.edit[:2] for one in edits], np.int64).reshape(-1, 2)
        self._lines = np.empty_like(self._spans)
        for path, number in paths.items():
            here = self._path == number
            self._lines[here] = np.searchsorted(_line_ends(texts[path]), self._spans[here])
        self._sums = np.zeros((2, len(edits)))  # nats: of what touches the span, and the lines
        self._counts = np.zeros((2, len(edits)))

    def best(self, count: int) -> list[int]:
        """Numbers of the most probable edits that have not been tried, most probable first."""
        order = np.argsort(-self._left, kind="stable")  # equal ones as in the prior
        return [int(one) for one in order[: min(count, int((~self._tried).sum()))]]

    def in_turn(self) -> Iterator[int]:
        """Numbers of the edits, each the most probable at its time."""
        for _ in range(len(self.edits)):
            yield self.draw()[0]

    def draw(self) -> tuple[int, float]:
        """The most probable edit, which counts as tried now, and its probability of those left.

        Raises:
            IndexError: none is left.
        """
        left = self._left
        if self._tried.all():
            raise IndexError("every edit has been tried")
        number = int(left.argmax())
        self._tried[number] = True
        return number, float(1 / np.exp(left - left[number]).sum())

    @property
    def _left(self) -> LogProbs:
        """Scores of what has not been tried; -inf of what has."""
        return np.where(self._tried, -np.inf, self._scores)

    def learn(self, number: int, change: Change) -> None:
        """Takes in what an edit that does not pass has changed."""
        nats = self._log_ratios.get(change)
        if nats is None:
            return
        for at, ranges in enumerate((self._spans, self._lines)):
            near = self._near(ranges, number)
            self._sums[at][near] += nats[at]
            self._counts[at][near] += 1
        self._scores = self._prior + (self._sums / (1 + self._counts / DAMPING)).sum(axis=0)

    def _near(self, ranges: npt.NDArray[np.int64], number: int) -> npt.NDArray[np.bool_]:
        """Which edits' ranges [edits, 2] touch that of one edit."""
        start, end = ranges[number]
        same = self._path == self._path[number]
        return same & (ranges[:, 0] <= end) & (start <= ranges[:, 1])  # type: ignore[no-any-return]


def _line_ends(text: str) -> npt.NDArray[np.int64]:
    """Where each line's end is in a text."""
    return np.array([at for at, character in enumerate(text) if character == "\n"], np.int64)
