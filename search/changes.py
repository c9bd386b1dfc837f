"""What an edit's screen says of where the bug is: how it changes what the failing tests do.

An edit that is no fix still tells something. What comes to another wrong result has touched what
decides the result; what leaves a failing test as it was has probably not. This is mutation-based
fault localisation (MUSE, Moon et al. 2014; Metallaxis-FL, Papadakis and Le Traon 2015), with the
repairs that are tried anyway as mutants.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from hrmgym.envs.edits.screen import Coverage, Screened
from hrmgym.envs.sandboxes.verdicts.screens import Behaviour, How


class Change(StrEnum):
    """How an edit changes what the tests do that fail without it."""

    SAME = "same"
    """The first of them fails as before."""
    OTHER = "other"
    """The first of them comes to something else, which is wrong too."""
    RAISED = "raised"
    """The first of them ends by another exception than before."""
    SOME = "some"
    """The first of them passes, and a later one fails."""
    ALL = "all"
    """All of them pass, and another test fails."""
    CUT = "cut"
    """The edit runs out of time."""
    UNKNOWN = "unknown"
    """Nothing of this is known."""


class Before:
    """What the tests did before any edit.

    Args:
        coverage: Of the untouched file.
    """

    def __init__(self, coverage: Coverage) -> None:
        failing = [one for one in coverage.tests.values() if not one.passed]
        self._failing: Mapping[int, Behaviour] = {
            one.behaviour.test: one.behaviour for one in failing if one.behaviour is not None
        }

    def change(self, found: Screened) -> Change:
        """What a screened edit of the file that does not pass has changed."""
        if found.cut:
            return Change.CUT
        did = found.behaviour
        if did is None or not self._failing:
            return Change.UNKNOWN
        known = self._failing.get(did.test)
        if known is None:  # a test that passed before: what fails has been turned, or has not run
            return Change.ALL if did.turned >= len(self._failing) else Change.UNKNOWN
        if did.turned:
            return Change.SOME
        if did.digest == known.digest:
            return Change.SAME
        return Change.RAISED if did.how is How.RAISED else Change.OTHER
