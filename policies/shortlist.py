"""A slow ranker asked only of what quick ones find best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.state import State
from hrmgym.policies.ranking import Combined, LogProbs, Ranker, Spectra, normalised


class Shortlisted:
    """What quick rankers and a slow one say, multiplied, where the slow one is asked of few edits.

    The others get the least of what it says of those, as if it found them no better than any.

    Args:
        quick: Asked of all edits.
        slow: Asked of the edits that the quick ones find most probable.
        most: How many those are; of edits that are equally probable, the first by their ids.
    """

    def __init__(self, quick: Sequence[Ranker], slow: Ranker, most: int) -> None:
        self._quick, self._slow, self._most = Combined(quick), slow, most
        self.needs_spectra = any(getattr(one, "needs_spectra", False) for one in (*quick, slow))

    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        """See `Ranker.log_probs`."""
        scores = self._quick.log_probs(state, edits, spectra)
        # What differs by rounding alone counts as equal, so that the list is the same everywhere.
        rounded = (-np.round(scores, 9)).tolist()
        numbers = range(len(edits))
        chosen = sorted(numbers, key=lambda n: (rounded[n], edits[n].path, edits[n].edit.id))
        del chosen[self._most :]
        said = self._slow.log_probs(state, [edits[number] for number in chosen], spectra)
        slow = np.full(len(edits), said.min(initial=0.0))
        slow[chosen] = said
        return normalised(scores + slow)
