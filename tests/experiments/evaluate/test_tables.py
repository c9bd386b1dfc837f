"""Tables and bars, drawn on a plain console."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console, Group

from hrmgym.envs.failures import failures_block, modes_block
from hrmgym.envs.scoring import EpisodeScore, Report, TaskScore
from hrmgym.experiments.evaluate.tables import comparison_table, report_table


def report(*solved: bool, planned: int | None = None, failure: str = "") -> Report:
    tasks = tuple(
        TaskScore(
            task=f"t{number}",
            tags=("swap [x]",) if number == 0 else (),
            episodes=(
                EpisodeScore(
                    solved=one,
                    steps=3,
                    test_runs=2,
                    tests_passed=0.5,
                    reward=0.25,
                    reason="infrastructure" if failure else "solved" if one else "failed",
                    failure=failure,
                ),
            ),
        )
        for number, one in enumerate(solved)
    )
    return Report(
        benchmark="toy",
        version="1",
        split="test",
        policy={"kind": "noop"},
        checkpoint=None,
        environment={},
        sandbox={},
        seed=0,
        episodes=1,
        k=(1,),
        deterministic=True,
        confidence=0.95,
        interval="auto",
        planned=planned or len(solved),
        tasks=tasks,
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
        "proposals_per_task": 128,
        "failures": failures_block({}, {}, {}),
        "tests_apart": modes_block({}),
        "scores": dict.fromkeys(names, estimate),
        "by_tag": {"json": {"tasks": 31, **dict.fromkeys(names, estimate)}},
    }
    console = Console(width=80, record=True)
    console.print(report_table(report))
    text = console.export_text()
    assert text.count("0.500 [0.250, 0.750]") == 8
    assert "40 tasks, at most 128 proposals each" in text
    assert "oracle@128" in text
