"""Reports: what follows from records, in every mode."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hrmgym.envs.scoring import bootstrap, estimate, wilson
from hrmgym.experiments.evaluate.html import report_html
from hrmgym.experiments.evaluate.records import Attempt, TaskRecord
from hrmgym.experiments.evaluate.report import Report
from hrmgym.experiments.evaluate.tables import report_table
from hrmgym.tests.experiments.evaluate.test_tables import drawn


def attempts(*solved: bool) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(
            solved=one,
            plausible=one,
            test_runs=5,
            solved_after=5 if one else None,
            reason="solved" if one else "failed",
            numbers={"steps": 2, "tests_passed": 1.0 if one else 0.5, "reward": float(one)},
        )
        for one in solved
    )


def make_report(*tasks: TaskRecord) -> Report:
    return Report(
        mode="episodes",
        benchmark={"name": "toy", "version": "1", "split": "test", "tasks": 3},
        policy={"kind": "random"},
        environment={"max_steps": 8},
        sandbox={"type": "local"},
        budget={"attempts": 2, "steps": 8},
        hashes={"checkpoint": None},
        seed=0,
        k=(1, 2),
        deterministic=False,
        confidence=0.95,
        interval="auto",
        records=tasks,
    )


A = TaskRecord(task="a", tags=("swap", "loop"), attempts=attempts(True, False), seconds=1.0)
B = TaskRecord(task="b", tags=("swap",), attempts=attempts(False, False), seconds=2.0)
C = TaskRecord(task="c", tags=(), attempts=attempts(True, True), seconds=3.0)


def test_report_scores_each_task_alike_and_resamples_tasks() -> None:
    report = make_report(A, B, C)
    one, two = report.scores()["pass@1"], report.scores()["pass@2"]
    assert one is not None
    assert two is not None
    assert one.value == pytest.approx((0.5 + 0 + 1) / 3)
    assert two.value == pytest.approx((1 + 0 + 1) / 3)
    assert one.method == two.method == "bootstrap"
    assert (one.low, one.high) == bootstrap([0.5, 0.0, 1.0])
    assert report.mean("tests_passed") == pytest.approx(0.75)


def test_report_breaks_down_by_tag() -> None:
    found = make_report(A, B, C).to_dict()["by_tag"]
    assert {tag: (part["tasks"], part["pass@1"]["value"]) for tag, part in found.items()} == {
        "loop": (1, 0.5),
        "swap": (2, 0.25),
    }
    assert list(found) == ["loop", "swap"]


def test_report_breaks_down_by_how_many_visible_tests_there_are() -> None:
    report = replace(make_report(A, B, C), visible_tests={"a": 4, "b": 5, "c": 2})
    rows = report.to_dict()["by_visible_tests"]
    assert {name: (row["tasks"], row["pass@1"]["value"]) for name, row in rows.items()} == {
        "2 to 4": (2, 0.75),
        "5 or more": (1, 0.0),
    }
    assert rows["2 to 4"]["solved_within"]["1"]["value"] == 0.0
    assert rows["2 to 4"]["solved_within"]["10"]["value"] == 0.75
    assert "2 to 4" in drawn(report_table(report.to_dict()))
    assert "by_visible_tests" not in make_report(A, B, C).to_dict()  # nothing is run


def test_report_is_the_same_text_whatever_the_clock_says() -> None:
    report = make_report(A, B, C)
    slower = make_report(replace(A, seconds=9.0), B, C)
    assert report.to_json() == slower.to_json()
    assert "seconds" not in report.to_json()
    assert report == slower
    assert json.loads(slower.timing_json()) == {
        "seconds": {"a": 9.0, "b": 2.0, "c": 3.0},
        "total": 14.0,
    }


def test_report_says_that_it_is_incomplete() -> None:
    assert make_report(A, B, C).to_dict()["complete"] is True
    part = make_report(A).to_dict()
    assert (part["complete"], part["tasks_played"], part["benchmark"]["tasks"]) == (False, 1, 3)
    empty = make_report().to_dict()
    assert (empty["scores"], empty["complete"]) == ({}, False)


def lost(number: int) -> tuple[Attempt, ...]:
    one = replace(A.attempts[1], reason="infrastructure", failure="disk")
    return (one,) * number


def test_report_lists_what_has_no_verdict_and_leaves_it_out_of_the_rates() -> None:
    half = replace(A, attempts=(A.attempts[0], *lost(1)))
    report = make_report(half, replace(B, attempts=lost(2)), C)
    data = report.to_dict()
    assert report.failures == 3
    assert data["failures"] == {
        "count": 3,
        "codes": {"disk": 3},
        "tasks": {"a": ["disk"], "b": ["disk", "disk"]},
        "all_failed": {"pass@1": pytest.approx(0.5), "pass@2": pytest.approx(2 / 3)},
        "all_solved": {"pass@1": 1.0, "pass@2": 1.0},
    }
    assert data["scores"]["pass@1"]["value"] == 1.0  # of a, one episode; of c, both
    assert data["scores"]["pass@2"]["value"] == 1.0  # c alone has two with a verdict
    assert data["mean"]["tests_passed"] == 1.0
    assert data["by_tag"]["loop"]["pass@1"]["value"] == 1.0


def test_a_report_without_any_verdict_has_no_rate_and_is_text_all_the_same() -> None:
    data = json.loads(make_report(replace(A, attempts=lost(2))).to_json())
    assert data["scores"] == {"pass@1": None, "pass@2": None}
    assert data["failures"]["all_failed"]["pass@1"] == 0.0
    assert data["failures"]["all_solved"]["pass@1"] == 1.0


def test_report_says_which_tests_do_not_run_apart() -> None:
    report = replace(
        make_report(A, B), modes={"a": ("apart", ""), "b": ("together", "uses threads")}
    )
    assert report.to_dict()["tests_apart"] == {
        "counts": {"apart": 1, "together": 1},
        "not_apart": {"b": {"mode": "together", "why": "uses threads"}},
    }


def test_a_report_says_how_many_are_solved_within_so_many_test_runs() -> None:
    report = make_report(A, B, C)
    found = report.to_dict()["solved_within"]
    assert list(found) == ["1", "10", "100", "1000"]
    assert {number: one["value"] for number, one in found.items()} == {
        "1": 0.0,
        **dict.fromkeys(("10", "100", "1000"), pytest.approx(0.5)),
    }
    assert (found["1"]["low"], found["1"]["high"]) == wilson(0, 3)
    assert make_report(replace(A, attempts=lost(2))).to_dict()["solved_within"]["10"] is None


def test_the_official_metric_has_its_name() -> None:
    official = estimate([1.0, 0.0], binary=True, method="wilson", confidence=0.95, seed=0)
    data = replace(make_report(A, B), official=("resolved", official)).to_dict()
    assert data["official"]["metric"] == "resolved"
    assert data["official"]["value"] == 0.5
    assert make_report(A).to_dict()["official"] is None


def proposals(mode: str, *records: TaskRecord, ks: tuple[int, ...] = (1, 4)) -> dict[str, Any]:
    report = replace(make_report(*records), mode=mode, k=ks, budget={"attempts": 1, "test_runs": 4})
    return report.to_dict()


def tried(solved_after: int | None, **numbers: int | None) -> TaskRecord:
    solved = solved_after is not None
    attempt = Attempt(
        solved=solved,
        plausible=solved,
        test_runs=4,
        solved_after=solved_after,
        reason="solved" if solved else "failed",
        numbers=numbers,
    )
    return TaskRecord(task="p", tags=(), attempts=(attempt,))


def test_scores_of_proposals_tell_submitted_from_any() -> None:
    both = [tried(3, first_solving=3), tried(None, first_solving=4)]
    data = proposals("proposals", *both)
    assert {name: one["value"] for name, one in data["scores"].items()} == {
        **{"solved@1": 0.0, "solved@4": 0.5},
        **{"oracle@1": 0.0, "oracle@4": 1.0},
        **{"plausible@1": 0.0, "plausible@4": 0.5},
    }
    assert data["solved_within"]["10"]["value"] == 0.5
    assert data["scores"]["solved@4"]["method"] == "wilson"
    assert data["mean"] == {"tests_passed": None, "steps": None, "test_runs": 4.0, "reward": None}
    assert "test_runs" not in data


def test_scores_of_fixes_are_of_ranks() -> None:
    data = proposals("edits", tried(2, location=1), tried(None, location=None))
    found = {name: one["value"] for name, one in data["scores"].items()}
    assert found == {"exact@1": 0.0, "exact@4": 0.5, "location@1": 0.5, "mrr": 0.25}
    assert data["scores"]["mrr"]["method"] == "bootstrap"


@pytest.mark.parametrize("mode", ["proposals", "edits"])
def test_what_has_no_verdict_lies_between_bounds_in_every_mode(mode: str) -> None:
    one = tried(None, first_solving=None, location=None)
    lost_one = replace(one, attempts=(replace(one.attempts[0], failure="disk"),))
    data = proposals(mode, tried(1, first_solving=1, location=1), lost_one)
    assert data["failures"]["count"] == 1
    for name, score in data["scores"].items():
        assert score["value"] == 1.0, name
        assert data["failures"]["all_failed"][name] == 0.5
        assert data["failures"]["all_solved"][name] == 1.0


def test_runs_under_staged_limits_are_summed() -> None:
    counts = {"repeats": 2, "timed_out": 1, "near_limit": 0}
    data = proposals("proposals", tried(1, **counts), tried(None, **counts))
    assert data["test_runs"] == {"test_runs": 8, "repeats": 4, "timed_out": 2, "near_limit": 0}


def test_the_page_shows_scores_and_outcomes_and_nothing_of_its_text_is_markup() -> None:
    record = replace(A, task="a <script>alert(1)</script> & {code}", tags=("[red]x",))
    report = replace(make_report(record, B), policy={"kind": "<b>{title}"})
    page = report_html(report.to_dict())
    assert page == report_html(report.to_dict())
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<title>toy: &lt;b&gt;{title}</title>" in page
    assert "0.250" in page
    assert "[red]x" in page
    assert "1 of 2" in page
    assert "http" not in page
