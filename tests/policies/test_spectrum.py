"""Ochiai's coefficient, and which lines an edit touches."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.legal import LegalEdit
from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.edits.screen import Coverage, TestLines
from hrmgym.policies.spectrum import Spectrum, lines_of, ochiai
from hrmgym.tests.policies.editing import EDITS, PATH, TEXT, state_of


def ran(passed: bool, *lines: int) -> TestLines:
    return TestLines(passed, frozenset(lines))


def covered(*tests: TestLines) -> Coverage:
    return Coverage({str(number): one for number, one in enumerate(tests)})


def test_the_coefficient_by_hand() -> None:
    tests = [ran(False, 1, 2), ran(False, 2, 3), ran(True, 1, 3), ran(True, 3, 4), ran(True, 3)]
    assert ochiai(tests) == {
        1: pytest.approx(1 / math.sqrt(2 * 2)),  # ef 1, ep 1
        2: pytest.approx(1.0),  # run by every failing test and by no passing one
        3: pytest.approx(1 / math.sqrt(2 * 4)),  # ef 1, ep 3
    }


def test_without_a_failing_test_nothing_is_suspicious() -> None:
    assert ochiai([ran(True, 1, 2)]) == {}
    assert ochiai([]) == {}
    assert ochiai([ran(False)]) == {}


LINES = "ab\ncd\nef\n"


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (Edit(0, 1, "x"), [1]),
        (Edit(1, 1, "x"), [1]),
        (Edit(2, 2, "x"), [1]),  # at the end of the line
        (Edit(1, 4, "x"), [1, 2]),
        (Edit(3, 6, ""), [2]),  # the whole line, its end included
        (Edit(0, 6, ""), [1, 2]),
        (Edit(3, 3, "x\n"), [1, 2]),  # between two lines
        (Edit(0, 0, "x\n"), [1]),
        (Edit(9, 9, "x\n"), [3, 4]),
    ],
)
def test_lines_that_an_edit_touches(edit: Edit, lines: list[int]) -> None:
    assert list(lines_of(LINES, edit)) == lines


def test_edits_of_suspicious_lines_come_first() -> None:
    spectra = {PATH: covered(ran(False, 2, 3, 4), ran(True, 2, 3, 5), ran(True, 2, 3, 5))}
    found = Spectrum().log_probs(state_of(), EDITS, spectra)
    # line 4 is run by the failing test alone; 2 and 3 by all; 5 by passing ones alone
    assert found.argmax() == 2
    assert found[0] == found[1]
    assert np.exp(found[0] - found[2]) == pytest.approx(1 / math.sqrt(3))
    assert found.argmin() == 3
    assert np.isfinite(found).all()


def test_of_several_lines_the_most_suspicious_counts() -> None:
    spectra = {PATH: covered(ran(False, 2, 4), ran(True, 2))}
    both = FileEdit(PATH, LegalEdit("both", "x", Edit(TEXT.index("c ="), TEXT.index("c > "), "")))
    found = Spectrum().log_probs(state_of(), [EDITS[0], both, EDITS[2]], spectra)
    assert found[1] == found[0]  # lines 2 and 3, of which 2 was run
    assert found[2] > found[0]


def test_a_spectrum_that_says_nothing_leaves_all_edits_the_same() -> None:
    for spectra in ({}, {PATH: covered(ran(True, 2))}, {PATH: covered(ran(False))}):
        found = Spectrum().log_probs(state_of(), EDITS, spectra)
        np.testing.assert_allclose(found, np.log(1 / len(EDITS)))


def test_another_file_has_lines_of_its_own() -> None:
    other = EDITS[0]._replace(path="g.py")
    state = state_of()
    files = state.files.with_text("g.py", TEXT)
    spectra = {"g.py": covered(ran(False, 2)), PATH: covered(ran(False))}
    found = Spectrum().log_probs(replace(state, files=files), [EDITS[0], other], spectra)
    assert found[1] > found[0]
