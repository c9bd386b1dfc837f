"""The network asked to rank: the probability that it gives to each edit of a list.

Nothing is searched for: one forward pass over each window of the file that shows edits. A network
with a head for lists (`policy.ranking`) has its own probability of each edit; of any other, an edit
has that of the canvas actions that make it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.edits.screen import Coverage
from hrmgym.envs.interfaces.edit import BUDGET, Action, EditInterface
from hrmgym.envs.state import Cursor, State
from hrmgym.hrm.edit_scoring import score_edits
from hrmgym.policies.hrm import HRMPolicy
from hrmgym.policies.listing import collated, listed
from hrmgym.policies.ranking import LogProbs, Spectra, normalised
from hrmgym.policies.trace import trace


class HRMRanker:
    """Scores edits by an `HRMPolicy`.

    An edit that the network cannot make in one action, since it takes more tokens than that has
    room for, or that no window shows whole, gets the least probability of those that it can.
    """

    def __init__(self, policy: HRMPolicy, interface: EditInterface) -> None:
        self._policy, self._interface = policy, interface
        config = policy.model.config
        self.needs_spectra = config.traced
        self._kinds = {kind: number for number, kind in enumerate(config.ranking.kinds, start=1)}

    @torch.no_grad()
    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        """See `Ranker.log_probs`. A window counts by its share of the edits, or all the same."""
        scores = np.full(len(edits), -np.inf)
        for path in dict.fromkeys(edit.path for edit in edits):
            left = {n: edit for n, edit in enumerate(edits) if edit.path == path}
            every = len(left)
            for shown in self._windows(state, path):
                if self._kinds:
                    numbers, found = self._ranked(shown, left, spectra.get(path))
                    found += np.log(max(1, len(numbers)) / every)
                else:
                    numbers, actions = self._actions(shown, left)
                    found = self._scores(shown, actions)
                scores[numbers] = found
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

    def _ranked(
        self, shown: State, edits: Mapping[int, FileEdit], coverage: Coverage | None
    ) -> tuple[list[int], LogProbs]:
        """Numbers of the edits that a window shows whole, and their log-probabilities there."""
        numbers = list(edits)
        canvas = self._interface.canvas(shown)
        listing = listed(canvas, [edits[number].edit for number in numbers], self._kinds)
        if not len(listing.kept):
            return [], np.zeros(0)
        batch = self._batch(shown)
        if self.needs_spectra:
            outcome = shown.outcome
            here = outcome is not None and outcome.path == shown.cursor.path
            failed = outcome.line if outcome is not None and here else 0
            seen = trace(canvas, coverage, failed)
            batch["trace"] = torch.as_tensor(seen[None], device=self._policy.device)
        model = self._policy.model
        found = model.rank(model.encode(batch), collated([listing]).to(self._policy.device))
        scores = found.total.double().cpu().numpy()
        return [numbers[at] for at in listing.kept.tolist()], scores

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
        _, distribution = self._policy.encode(self._batch(shown))
        wanted = torch.as_tensor(np.stack(actions), device=self._policy.device)
        return score_edits(distribution, 0, wanted).double().cpu().numpy()

    def _batch(self, shown: State) -> dict[str, torch.Tensor]:
        observation = self._interface.observe(shown)
        device = self._policy.device
        return {key: torch.as_tensor(one[None], device=device) for key, one in observation.items()}
