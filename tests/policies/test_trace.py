"""What tests run, on the canvas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hrmgym.envs.edits.screen import Coverage, TestLines
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.hrm.ranking import TRACES
from hrmgym.policies.trace import trace
from hrmgym.tests.policies.editing import state_of

TEXT = "def f(a):\n    if a:\n        b = 1\n    else:\n        b = 2\n    return b\n"
COVERAGE = Coverage(
    {
        "fails": TestLines(False, frozenset({2, 3, 6})),
        "passes": TestLines(True, frozenset({2, 5, 6})),
        "passes, too": TestLines(True, frozenset({2, 5, 6})),
    }
)


def by_line(found: np.ndarray, canvas) -> dict[int, set[int]]:  # type: ignore[no-untyped-def]
    starts = np.array(canvas.code.line_starts)
    classes: dict[int, set[int]] = {}
    for index in range(*canvas.window):
        line = int(np.searchsorted(starts, index, "right"))
        classes.setdefault(line, set()).add(int(found[canvas.to_canvas(index)]))
    return classes


def test_every_line_has_one_class() -> None:
    canvas = EditInterface(96).canvas(state_of(TEXT))
    found = by_line(trace(canvas, COVERAGE), canvas)
    assert found[1] == found[4] == {1}  # nobody runs them
    assert found[5] == {2}
    (alone,), (shared,) = found[3], found[2]
    assert 3 <= shared < alone < TRACES // 2  # the failing test alone runs line 3
    assert found[6] == {shared}


def test_the_failing_line_is_marked_whatever_else_is_known() -> None:
    canvas = EditInterface(96).canvas(state_of(TEXT))
    with_lines = by_line(trace(canvas, COVERAGE, 3), canvas)
    without = by_line(trace(canvas, None, 3), canvas)
    plain = by_line(trace(canvas, COVERAGE), canvas)
    assert with_lines[3] == {next(iter(plain[3])) + TRACES // 2}
    assert without[3] == {TRACES // 2}
    assert without[2] == {0}


def test_nothing_known_and_nothing_beside_the_code() -> None:
    canvas = EditInterface(96).canvas(state_of(TEXT))
    assert not trace(canvas, None).any()
    assert not trace(canvas, Coverage({}, "no screen")).any()
    found = trace(canvas, COVERAGE)
    assert not found[: canvas.first].any()
    assert not found[canvas.first + canvas.window[1] :].any()
    assert found.max() < TRACES
    assert len(found) == len(canvas.tokens)


def test_lines_that_are_not_there_are_left_out() -> None:
    canvas = EditInterface(96).canvas(state_of(TEXT))
    far = Coverage({"t": TestLines(False, frozenset({2, 99}))})
    assert by_line(trace(canvas, far, 77), canvas)[2] != {1}


def test_a_window_has_its_own_lines() -> None:
    text = TEXT + "".join(f"\n\ndef g{n}(a):\n    return {n}\n" for n in range(20))
    state = state_of(text)
    second = replace(state, cursor=replace(state.cursor, window=1))
    canvas = EditInterface(96).canvas(second)
    line = int(np.searchsorted(np.array(canvas.code.line_starts), canvas.window[0], "right")) + 1
    coverage = Coverage({"t": TestLines(False, frozenset({line}))})
    found = by_line(trace(canvas, coverage), canvas)
    assert [one for one, classes in found.items() if max(classes) >= 3] == [line]
