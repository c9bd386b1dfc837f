"""What tests run, as the network sees it: a class for each position of the canvas.

    0   nothing is known of the line
    1   no visible test runs it
    2   passing tests alone run it
    3.. failing tests run it; the class is higher the more suspicious it is (Ochiai, in six steps)

and 9 more on the line where the first failing test says that it failed.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hrmgym.envs.edits.screen import Coverage
from hrmgym.envs.interfaces.canvas import Canvas, editable
from hrmgym.hrm.ranking import TRACES
from hrmgym.policies.spectrum import ochiai

_UNKNOWN, _IDLE, _PASSING, _FAILING = 0, 1, 2, 3
_STEPS = 6
_HERE = TRACES // 2


def trace(canvas: Canvas, coverage: Coverage | None, failed: int = 0) -> npt.NDArray[np.int32]:
    """The class of each canvas position [L].

    Args:
        canvas: What is shown.
        coverage: Which lines of the shown file the visible tests run; None: nobody looked.
        failed: Line of the shown file at which the first failing test failed; 0: not known.
    """
    begin, end = canvas.window
    lines = np.searchsorted(np.array(canvas.code.line_starts), np.arange(begin, end), "right")
    classes = np.zeros(int(lines.max(initial=0)) + 1, np.int32)
    if coverage is not None and coverage.tests:
        tests = coverage.tests.values()
        classes[1:] = _IDLE
        for line in set().union(*(one.lines for one in tests)):
            if line < len(classes):
                classes[line] = _PASSING
        for line, suspicion in ochiai(tests).items():
            if line < len(classes):
                step = min(_STEPS - 1, math.floor(suspicion * _STEPS))
                classes[line] = _FAILING + step
    if 0 < failed < len(classes):
        classes[failed] += _HERE
    found = np.zeros(len(canvas.tokens), np.int32)
    shown = slice(canvas.first, canvas.first + end - begin)
    found[shown] = np.where(editable(canvas.roles[shown]), classes[lines], 0)
    return found
