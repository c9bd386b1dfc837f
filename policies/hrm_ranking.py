"""The network asked to rank: the probability that it gives to each edit of a list.

Nothing is searched for: one forward pass over the windows of the file that is shown, and each edit
has the log-probability of the canvas actions that make it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.interfaces.edit import BUDGET, Action, EditInterface
from hrmgym.envs.state import Cursor, State
from hrmgym.hrm.edit_scoring import score_edits
from hrmgym.policies.hrm import HRMPolicy
from hrmgym.policies.ranking import LogProbs, Spectra, normalised


class HRMRanker:
    """Scores edits by an `HRMPolicy`.

    An edit that the network cannot make in one action, since it takes more tokens than that has
    room for, or that no window shows whole, gets the least probability of those that it can.
    """

    def __init__(self, policy: HRMPolicy, interface: EditInterface) -> None:
        self._policy, self._interface = policy, interface

    @torch.no_grad()
    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        """See `Ranker.log_probs`. Windows of a file count the same."""
        scores = np.full(len(edits), -np.inf)
        for path in dict.fromkeys(edit.path for edit in edits):
            left = {n: edit for n, edit in enumerate(edits) if edit.path == path}
            for shown in self._windows(state, path):
                numbers, actions = self._actions(shown, left)
                scores[numbers] = self._scores(shown, actions)
                for number in numbers:
                    del left[number]
        possible = np.isfinite(scores)
        scores[~possible] = scores[possible].min(initial=0.0)
        return normalised(scores)

    def _windows(self, state: State, path: str) -> list[State]:
        """The state as each window of a file shows it, that which it shows now first."""
        here = state.cursor if state.cursor.path == path else Cursor(path)
        first = replace(state, cursor=here)
        others = int(self._interface.observe(first)["budget"][BUDGET.index("other_windows")])
        numbers = (here.window, *(n for n in range(others + 1) if n != here.window))
        return [replace(state, cursor=Cursor(path, number)) for number in numbers]

    def _actions(
        self, shown: State, edits: Mapping[int, FileEdit]
    ) -> tuple[list[int], list[Action]]:
        """Numbers and actions of the edits that one action in this window makes."""
        numbers, actions = [], []
        spans = [one.edit.edit for one in edits.values()]
        low, high = min((e.start for e in spans), default=0), max((e.end for e in spans), default=0)
        if not self._interface.shows(shown, low, high):  # most windows of a long file
            return [], []
        for number, edit in edits.items():
            action = self._interface.encode_edit(shown, *edit.edit.edit)
            if action is not None:
                numbers.append(number)
                actions.append(action)
        return numbers, actions

    def _scores(self, shown: State, actions: Sequence[Action]) -> LogProbs:
        if not actions:
            return np.zeros(0)
        device = self._policy.device
        observation = self._interface.observe(shown)
        batch = {key: torch.as_tensor(one[None], device=device) for key, one in observation.items()}
        _, distribution = self._policy.encode(batch)
        wanted = torch.as_tensor(np.stack(actions), device=device)
        return score_edits(distribution, 0, wanted).double().cpu().numpy()
