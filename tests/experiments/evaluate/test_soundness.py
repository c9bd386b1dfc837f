"""The verdict from runs that are made up: what proves something, and what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hrmgym.envs.task import FailureCode, Marked, Status
from hrmgym.errors import DataError
from hrmgym.experiments.evaluate.soundness import Run, Verdict, judge
from hrmgym.tests.small_benchmarks import task

P, F, E, M = Status.PASSED, Status.FAILED, Status.ERROR, Status.MISSING
S, T = Status.SKIPPED, Status.TIMEOUT
LOST = Run(solved=False, failure=FailureCode.LOST_CONNECTION, message="gone")


def run(*statuses: Status) -> Run:
    tests = {"visible/of-1": P, "visible/of-2": P, "hidden/of-3": P, "hidden/of-4": P}
    tests |= {f"hidden/{number}": status for number, status in enumerate(statuses)}
    return Run(solved=set(statuses) == {P}, tests=tests, message="said")


PASS, FAIL = run(P, P), run(P, F)


@pytest.mark.parametrize(
    ("untouched", "reference", "verdict", "message"),
    [
        ([FAIL] * 3, [PASS] * 3, Verdict.SOUND, ""),
        ([FAIL, LOST, FAIL], [PASS] * 3, Verdict.CANNOT_RUN, "gone"),
        ([LOST] * 3, [LOST] * 3, Verdict.CANNOT_RUN, "gone"),
        ([FAIL] * 3, [LOST] * 3, Verdict.CANNOT_RUN, "gone"),
        # What one run proves holds, whatever became of the others.
        ([PASS, LOST, LOST], [LOST] * 3, Verdict.UNSOUND, "untouched: all tests pass"),
        ([LOST] * 3, [FAIL, LOST, LOST], Verdict.UNSOUND, "reference: 5 of 6 tests pass"),
        ([FAIL, run(F, F), LOST], [PASS] * 3, Verdict.UNSOUND, "hidden/0 passed, failed"),
        ([FAIL, FAIL, PASS], [PASS] * 3, Verdict.UNSOUND, "hidden/1 failed, failed, passed"),
        ([FAIL] * 3, [PASS, PASS, FAIL], Verdict.UNSOUND, "hidden/1 passed, passed, failed"),
        ([PASS] * 3, [FAIL] * 3, Verdict.UNSOUND, "; reference: 5 of 6 tests pass"),
        ([FAIL] * 3, [run(P, S)] * 3, Verdict.UNSOUND, "hidden/1 skipped: said"),
        ([FAIL] * 3, [run(P, M)] * 3, Verdict.UNSOUND, "hidden/1 missing: said"),
        ([FAIL] * 3, [run(P, E, M)] * 3, Verdict.UNSOUND, "hidden/1 error: said"),
        # Parameters may come from the solution.
        ([run(P, M)] * 3, [PASS] * 3, Verdict.SOUND, ""),
    ],
)
def test_what_runs_prove(
    untouched: list[Run], reference: list[Run], verdict: Verdict, message: str
) -> None:
    found = judge(task("t"), {"untouched": untouched, "reference": reference})
    assert found[0] is verdict
    assert message in found[1]
    assert (found[2] is not None) == (verdict is Verdict.CANNOT_RUN)


@pytest.mark.parametrize(
    ("statuses", "name", "verdict"),
    [
        ((P, F, M), "hidden/t.py::test_x", Verdict.UNSOUND),
        ((P, S, M), "visible/t.py::TestX::test_x", Verdict.UNSOUND),
        ((P, F, M), "hidden/t.py::test_x[3]", Verdict.NO_REFERENCE),  # the code may give the 3
        ((P, E, M), "hidden/t.py::test_x", Verdict.NO_REFERENCE),  # it comes after a crash
        ((P, T, M), "hidden/t.py::test_x", Verdict.NO_REFERENCE),  # time was up
    ],
)
def test_an_id_that_selects_nothing_is_found_without_a_reference(
    statuses: tuple[Status, ...], name: str, verdict: Verdict
) -> None:
    kind = name.partition("/")[0]
    names = (f"{kind}/0", f"{kind}/1", name)
    made = replace(FAIL, tests={**FAIL.tests, **dict(zip(names, statuses, strict=True))})
    if kind == "visible":
        made = replace(made, tests={n: s for n, s in made.tests.items() if n != "hidden/1"})
    found = judge(task("t", reference=""), {"untouched": [made] * 3})
    assert found[0] is verdict
    assert (f"the id {name!r} selects no test" in found[1]) == (verdict is Verdict.UNSOUND)


@pytest.mark.parametrize("name", ["visible/of-2", "hidden/of-4"])
def test_a_grade_that_leaves_a_test_out(name: str) -> None:
    short = [replace(PASS, tests={k: v for k, v in PASS.tests.items() if k != name})] * 3
    verdict, message, _ = judge(task("t"), {"untouched": [FAIL] * 3, "reference": short})
    assert verdict is Verdict.UNSOUND
    assert message == f"reference: its grade leaves {name} out"


@pytest.mark.parametrize(
    ("what", "untouched", "reference", "verdict"),
    [
        ("untouched_passes", [PASS] * 3, [PASS] * 3, Verdict.MARKED),
        ("untouched_passes", [PASS] * 3, [FAIL] * 3, Verdict.UNSOUND),
        ("untouched_passes", [PASS, FAIL, PASS], [PASS] * 3, Verdict.UNSOUND),
        ("untouched_passes", [PASS, LOST, PASS], [PASS] * 3, Verdict.CANNOT_RUN),
        ("reference_cannot_run", [FAIL] * 3, [FAIL] * 3, Verdict.MARKED),
        ("reference_cannot_run", [FAIL] * 3, [run(E, M)] * 3, Verdict.MARKED),
        ("reference_cannot_run", [FAIL] * 3, [FAIL, run(F, F), FAIL], Verdict.UNSOUND),
        ("reference_cannot_run", [FAIL] * 3, [PASS] * 3, Verdict.UNSOUND),
        ("reference_cannot_run", [PASS] * 3, [FAIL] * 3, Verdict.UNSOUND),
        ("reference_cannot_run", [FAIL] * 3, [LOST] * 3, Verdict.CANNOT_RUN),
    ],
)
def test_a_mark_holds_in_every_run_or_not_at_all(
    what: Any, untouched: list[Run], reference: list[Run], verdict: Verdict
) -> None:
    marked = task("t", marked=Marked(what=what, reason="known"))
    assert judge(marked, {"untouched": untouched, "reference": reference})[0] is verdict


@pytest.mark.parametrize(
    ("what", "reason", "message"),
    [
        ("untouched_pass", "why", "marked 'untouched_pass'; did you mean 'untouched_passes'?"),
        ("untouched_passes", " ", "marked 'untouched_passes' without a reason"),
    ],
)
def test_a_mark_says_what_and_why(what: Any, reason: str, message: str) -> None:
    with pytest.raises(DataError, match=message.replace("?", r"\?")):
        Marked(what=what, reason=reason)
