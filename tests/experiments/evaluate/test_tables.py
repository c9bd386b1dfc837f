"""Tables and bars, drawn on a plain console."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console, Group

from hrmgym.envs.failures import failures_block, modes_block
from hrmgym.experiments.evaluate.records import Attempt, TaskRecord
from hrmgym.experiments.evaluate.report import Report
from hrmgym.experiments.evaluate.tables import comparison_table, report_table


def report(*solved: bool, planned: int | None = None, failure: str = "") -> Report:
    records = tuple(
        TaskRecord(
            task=f"t{number}",
            tags=("swap [x]",) if number == 0 else (),
            attempts=(
                Attempt(
                    solved=one,
                    plausible=one,
                    test_runs=2,
                    solved_after=2 if one else None,
                    reason="infrastructure" if failure else "solved" if one else "failed",
                    failure=failure,
                    numbers={"steps": 3, "tests_passed": 0.5, "reward": 0.25},
                ),
            ),
        )
        for number, one in enumerate(solved)
    )
    return Report(
        mode="episodes",
        benchmark={"name": "toy", "version": "1", "split": "test", "tasks": planned or len(solved)},
        policy={"kind": "noop"},
        environment={},
        sandbox={},
        budget={"attempts": 1, "steps": 8, "seconds": None},
        hashes={"checkpoint": None},
        seed=0,
        k=(1,),
        deterministic=True,
        confidence=0.95,
        interval="auto",
        records=records,
    )


def drawn(table: Group) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_report_shows_scores_with_intervals_over_all_and_by_tag() -> None:
    text = drawn(report_table(report(True, False).to_dict()))
    assert "toy 1, test: noop" in text
    assert "0.500 [0.095, 0.905]" in text
    assert "swap [x]" in text
    assert "tests passed 0.5, steps 3, test runs 2, reward 0.25" in text.replace("\n", " ")
    assert "incomplete" not in text
    assert "solved within 10 test runs" in text
    assert "2 tasks; at most, for each: 1 attempts, 8 steps" in text
    assert "verdict" not in text
    assert "apart" not in text


def test_a_report_that_misses_something_says_so() -> None:
    text = drawn(report_table(report(True, planned=4).to_dict()))
    assert "incomplete: 1 of 4 tasks" in text
    lost = " ".join(drawn(report_table(report(False, False, failure="disk").to_dict())).split())
    assert "without a verdict, left out of the rates: 2 (disk 2): t0, t1" in lost
    assert "had all of them failed, or all been solved: pass@1 0.000 to 1.000" in lost


def test_a_report_says_whose_tests_can_be_fooled() -> None:
    modes = {"t0": ("together", "t.py:1: uses threads"), "t1": ("apart", "")}
    text = " ".join(drawn(report_table(replace(report(True, True), modes=modes).to_dict())).split())
    assert "tests not apart from the tested code: t0 (together: t.py:1: uses threads)" in text
    assert "incomplete: 0 of 4 tasks" in drawn(report_table(report(planned=4).to_dict()))


def test_a_comparison_shows_both_sides() -> None:
    stages = {"untrained": report(False, False), "trained": report(True, False)}
    text = drawn(comparison_table({name: one.to_dict() for name, one in stages.items()}))
    row = next(line for line in text.splitlines() if "pass@1" in line)
    assert row.index("0.000 [0.000, 0.658]") < row.index("0.500 [0.095, 0.905]")


def test_scores_of_proposals_are_shown_whole_in_80_columns() -> None:
    estimate = {"value": 0.5, "low": 0.25, "high": 0.75}
    names = [f"{kind}@{k}" for kind in ("solved", "oracle") for k in (1, 8, 32, 128)]
    report = {
        "benchmark": {"name": "quixbugs", "version": "1", "split": "test", "tasks": 40},
        "policy": {"kind": "ngram"},
        "complete": True,
        "tasks_played": 40,
        "budget": {"attempts": 1, "test_runs": 128},
        "official": None,
        "solved_within": {"1": estimate, "1000": estimate},
        "mean": dict.fromkeys(("tests_passed", "steps", "test_runs", "reward"))
        | {"test_runs": 9.5},
        "failures": failures_block({}, {}, {}),
        "tests_apart": modes_block({}),
        "scores": dict.fromkeys(names, estimate),
        "by_tag": {"json": {"tasks": 31, **dict.fromkeys(names, estimate)}},
    }
    console = Console(width=80, record=True)
    console.print(report_table(report))
    text = console.export_text()
    assert text.count("0.500 [0.250, 0.750]") == 10
    assert "40 tasks; at most, for each: 1 attempts, 128 test runs" in text
    assert "solved within 1,000 test runs" in text
    assert "mean of an attempt: test runs 9.5" in text
    assert "oracle@128" in text
