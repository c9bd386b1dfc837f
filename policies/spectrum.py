"""Spectrum-based fault localisation: which lines failing tests run, and passing ones do not.

Ochiai's coefficient (Abreu, Zoeteweij and van Gemund 2007, "On the accuracy of spectrum-based fault
localization"): of the failing tests, ef run a line and nf do not; of the passing ones, ep run it;
the line is suspicious by ef / sqrt((ef + nf) (ef + ep)), from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.edits.screen import TestLines
from hrmgym.envs.state import State
from hrmgym.policies.ranking import LogProbs, Spectra, normalised

#: Suspicion of lines that have none: code that no failing test runs may still be to blame, for a
#: line that is missing beside it.
_LEAST = 0.05


def ochiai(tests: Iterable[TestLines]) -> dict[int, float]:
    """Line -> how suspicious it is, from 0 to 1; lines that no failing test ran are left out."""
    tests = tuple(tests)
    failing = [one for one in tests if not one.passed]
    found = {}
    for line in set().union(*(one.lines for one in failing)):
        ran_failing = sum(line in one.lines for one in failing)
        ran = sum(line in one.lines for one in tests)
        found[line] = ran_failing / math.sqrt(len(failing) * ran)
    return found


def lines_of(text: str, edit: Edit) -> range:
    """Lines that an edit touches, from 1; of an insertion between lines, those on either side."""
    first = text.count("\n", 0, edit.start) + 1
    last = first + text.count("\n", edit.start, edit.end)
    if edit.end > edit.start and text[edit.end - 1] == "\n":
        last -= 1  # whole lines: the next one is not touched
    elif edit.end == edit.start and (edit.start == 0 or text[edit.start - 1] == "\n"):
        first = max(1, first - 1)
    return range(first, last + 1)


class Spectrum:
    """An edit is as probable as the most suspicious line that it touches is suspicious."""

    needs_spectra = True

    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        """See `Ranker.log_probs`. Where no visible test fails, all edits are the same."""
        suspicion = {path: ochiai(one.tests.values()) for path, one in spectra.items()}
        if not any(suspicion.values()):
            return normalised(np.zeros(len(edits)))
        scores = np.full(len(edits), _LEAST)
        for number, (path, legal) in enumerate(edits):
            by_line = suspicion.get(path, {})
            touched = lines_of(state.files[path], legal.edit)
            scores[number] = max(_LEAST, *(by_line.get(line, 0.0) for line in touched))
        return normalised(np.log(scores))
