"""Rankers: what orders the legal edits of a state, learned or not.

A ranker gives each edit of a list its log-probability of being the repair. Several are combined as
if what each of them looks at were independent of the rest: by the sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.edits.screen import Coverage
from hrmgym.envs.state import State

#: Log-probabilities in nats, one for each edit of a list [edits]; they sum to 1 over it.
LogProbs = npt.NDArray[np.float64]


#: Path -> which of its lines each visible test runs.
Spectra = Mapping[str, Coverage]


class Ranker(Protocol):
    """Says how probable each legal edit of a state is; what it says of one depends on no order.

    It is given what an agent may know: the public part of the task, and what its visible tests
    have said.
    """

    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        """The log-probabilities of these edits.

        Args:
            state: What they are edits of.
            edits: All that may be chosen; at least one.
            spectra: Lines that the visible tests ran; empty unless a ranker `needs_spectra`.
        """
        ...


class Combined:
    """The normalised product of what several rankers say; of none, all edits are the same."""

    def __init__(self, rankers: Sequence[Ranker]) -> None:
        self.rankers = tuple(rankers)

    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        """See `Ranker.log_probs`."""
        scores = np.zeros(len(edits))
        for ranker in self.rankers:
            scores += ranker.log_probs(state, edits, spectra)
        return normalised(scores)


def normalised(scores: LogProbs) -> LogProbs:
    """Scores in nats as log-probabilities over their list; -inf stays."""
    top = scores.max()
    return scores - (top + np.log(np.exp(scores - top).sum()))  # type: ignore[no-any-return]


def order(log_probs: LogProbs, seed: int) -> npt.NDArray[np.int64]:
    """Numbers of the edits, most probable first; those that are equal in the order of a seed.

    What differs by rounding alone counts as equal.
    """
    shuffled = np.random.default_rng(seed).permutation(len(log_probs))
    by_score = np.argsort(-np.round(log_probs[shuffled], 9), kind="stable")
    return shuffled[by_score]
