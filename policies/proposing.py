"""Legal edits in a policy's order as candidates: `CandidateActions(env, proposals="ranked")`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from hrmgym.envs.edits.screen import Coverage
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.proposals import Candidate
from hrmgym.envs.state import State
from hrmgym.policies.base import Spaces
from hrmgym.policies.config import By, RankedConfig
from hrmgym.policies.ranked import RankedPolicy, make_ranked_policy

#: The network that is asked unless another one is named.
CHECKPOINT = "hrmgym:hrm-small"


@dataclass(frozen=True, slots=True)
class RankedCandidates:
    """The most probable legal edits of the file that is shown, the best first.

    No test is run for it, so rankers that want to know what tests run go without.
    """

    by: tuple[By, ...] = ("frequencies", "hrm")
    """As in `policy: {kind: ranked}`."""
    checkpoint: str | None = CHECKPOINT
    """Of `hrm`."""
    canvas: int = 512
    """Positions that the network sees."""
    most: int = 256
    """Candidates of a state."""
    looked_at: int = 5_000
    """Legal edits that are put in order."""

    def __call__(self, state: State) -> list[Candidate]:
        """The candidates of a state; none where the file is no program, just now or ever."""
        path = state.cursor.path
        if state.files.get(path) is None:
            return []
        found = _policy(self).rank(state, lambda _: Coverage({}, "nobody looks", 0))
        ordered = zip(found.edits, found.log_probs.tolist(), strict=True)
        here = [(one.edit, log_prob) for one, log_prob in ordered if one.path == path]
        return [Candidate(one.kind, *one.edit, log_prob) for one, log_prob in here[: self.most]]


@lru_cache(maxsize=8)
def _policy(of: RankedCandidates) -> RankedPolicy:
    interface = EditInterface(of.canvas)
    spaces = Spaces(interface.observation_space, interface.action_space, "edit")
    block = RankedConfig(kind="ranked", by=of.by, checkpoint=of.checkpoint, most=of.looked_at)
    return make_ranked_policy(block, spaces)


_SHIPPED = RankedCandidates()


def ranked_candidates(state: State) -> Sequence[Candidate]:
    """The candidates of `proposals="ranked"`: see `RankedCandidates`."""
    return _SHIPPED(state)
