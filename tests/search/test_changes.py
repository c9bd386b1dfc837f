"""What an edit changes in what the failing tests do."""

from __future__ import annotations

import pytest

from hrmgym.envs.edits.screen import Coverage, Screened, TestLines
from hrmgym.envs.sandboxes.verdicts.screens import Behaviour, How
from hrmgym.search.changes import Before, Change

NONE: frozenset[int] = frozenset()


def did(test: int, digest: int, turned: int = 0, how: How = How.WRONG) -> Behaviour:
    return Behaviour(how, test, turned, line=0, reached=0, digest=digest)


BEFORE = Before(
    Coverage(
        {
            "passes": TestLines(True, NONE),
            "fails": TestLines(False, NONE, did(1, 11)),
            "fails too": TestLines(False, NONE, did(2, 22)),
        }
    )
)


@pytest.mark.parametrize(
    ("behaviour", "change"),
    [
        (did(1, 11), Change.SAME),
        (did(1, 12), Change.OTHER),
        (did(1, 12, how=How.RAISED), Change.RAISED),
        (did(2, 22, turned=1), Change.SOME),
        (did(2, 23, turned=1, how=How.RAISED), Change.SOME),
        (did(0, 5, turned=2), Change.ALL),
        (did(0, 5, turned=1), Change.UNKNOWN),  # it broke another test before the rest had run
        (did(2, 22), Change.SAME),  # tests that run in their own order
        (None, Change.UNKNOWN),
    ],
)
def test_changes(behaviour: Behaviour | None, change: Change) -> None:
    assert BEFORE.change(Screened(passed=False, behaviour=behaviour)) is change


def test_what_is_cut_off_is_that_and_nothing_else() -> None:
    assert BEFORE.change(Screened(passed=False, cut=True, behaviour=did(1, 11))) is Change.CUT


@pytest.mark.parametrize(
    "coverage",
    [Coverage({}, "no spectrum"), Coverage({"fails": TestLines(False, NONE)})],
)
def test_without_knowing_what_they_did_nothing_is_known(coverage: Coverage) -> None:
    found = Screened(passed=False, behaviour=did(1, 11))
    assert Before(coverage).change(found) is Change.UNKNOWN
