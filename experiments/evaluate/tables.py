"""Reports as tables, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from hrmgym.envs.showing import showable

#: `Report.to_dict()`, or the same from a file.
ReportData = Mapping[str, Any]

_MEANS = (
    ("tests passed", "tests_passed"),
    ("steps", "steps"),
    ("test runs", "test_runs"),
    ("reward", "reward"),
)


def report_table(report: ReportData) -> Group:
    """Scores with their intervals over all tasks, those by tag without, and what else was found."""
    table = Table("", Column("all", justify="right"))
    for name, score in report["scores"].items():
        table.add_row(name, estimate(score))
    for number, score in report["solved_within"].items():
        table.add_row(f"solved within {int(number):,} test runs", estimate(score))
    if "correct" in report:
        table.add_row("correct", estimate(report["correct"]["share"]))
    if report["official"] is not None:
        official = report["official"]
        table.add_row(f"official: {escape(showable(official['metric']))}", estimate(official))
    shown = list(report["scores"])[:4]
    tags = Table("", Column("tasks", justify="right"), *(Column(n, justify="right") for n in shown))
    for tag, part in report["by_tag"].items():
        values = ("-" if part[name] is None else f"{part[name]['value']:.3f}" for name in shown)
        tags.add_row(escape(showable(tag)), str(part["tasks"]), *values)
    means = ", ".join(
        f"{label} {report['mean'][key]:.3g}"
        for label, key in _MEANS
        if report["mean"][key] is not None
    )
    budget = ", ".join(
        f"{number:,} {name.replace('_', ' ')}"
        for name, number in report["budget"].items()
        if number is not None
    )
    lines = [
        f"{report['tasks_played']} tasks; at most, for each: {budget}",
        f"mean of an attempt: {means}",
        *_correct_lines(report),
        *_run_lines(report),
        *_failure_lines(report),
        *_mode_lines(report),
    ]
    tables = [table, *([tags] if report["by_tag"] else []), *_visible_test_tables(report)]
    return Group(_title(report), *tables, *map(Text, lines))


def _visible_test_tables(report: ReportData) -> list[Table]:
    """What is solved of tasks with few and with many visible tests."""
    rows = report.get("by_visible_tests", {})
    if not rows:
        return []
    columns = [f"within {int(number):,}" for number in report["solved_within"]]
    numbers = (Column(name, justify="right") for name in ("tasks", *columns))
    table = Table("visible tests", *numbers)
    for name, part in rows.items():
        table.add_row(name, str(part["tasks"]), *map(estimate, part["solved_within"].values()))
    return [table]


def _correct_lines(report: ReportData) -> list[str]:
    """What is to be said of solutions on inputs that stand in no test."""
    if "correct" not in report:
        return []
    found = report["correct"]
    return [
        f"of {found['solved']} solutions, on inputs that stand in no test: {found['correct']} "
        f"correct, {found['wrong']} wrong, {found['not_judged']} not judged"
    ]


def _failure_lines(report: ReportData) -> list[str]:
    """What is to be said of results without a verdict."""
    failures = report["failures"]
    if not failures["count"]:
        return []
    codes = ", ".join(f"{code} {count}" for code, count in failures["codes"].items())
    bounds = ", ".join(
        f"{name} {low:.3f} to {failures['all_solved'][name]:.3f}"
        for name, low in failures["all_failed"].items()
    )
    tasks = showable(", ".join(failures["tasks"]))
    return [
        f"without a verdict, left out of the rates: {failures['count']} ({codes}): {tasks}",
        f"had all of them failed, or all been solved: {bounds}",
    ]


def _mode_lines(report: ReportData) -> list[str]:
    """What is to be said of tests that the tested code may be able to fool."""
    others = report["tests_apart"]["not_apart"]
    if not others:
        return []
    (task, first), more = next(iter(others.items())), len(others) - 1
    tail = f" and {more} more" if more else ""
    said = showable(f"{task} ({first['mode']}: {first['why']})")
    return [f"tests not apart from the tested code: {said}{tail}"]


def _run_lines(report: ReportData) -> list[str]:
    """What is to be said of runs under staged limits."""
    if "test_runs" not in report:
        return []
    runs = report["test_runs"]
    return [
        f"{runs['test_runs']} test runs, {runs['repeats']} of them repeats, {runs['near_limit']} "
        f"near a stage's limit; {runs['timed_out']} proposals timed out"
    ]


def comparison_table(reports: Mapping[str, ReportData]) -> Group:
    """Scores of the stages of a training, in order, with their intervals."""
    table = Table("", *(Column(escape(stage), justify="right") for stage in reports))
    last = list(reports.values())[-1]
    for name in last["scores"]:
        table.add_row(name, *(estimate(one["scores"].get(name)) for one in reports.values()))
    for label, key in _MEANS:
        means = [one["mean"][key] for one in reports.values()]
        if any(mean is not None for mean in means):
            table.add_row(f"mean {label}", *("-" if m is None else f"{m:.3g}" for m in means))
    return Group(_title(last), table)


def _title(report: ReportData) -> Text:
    benchmark = report["benchmark"]
    title = (
        f"{benchmark['name']} {benchmark['version']}, {benchmark['split']}: "
        f"{report['policy']['kind']}"
    )
    if not report["complete"]:
        title += f" (incomplete: {report['tasks_played']} of {benchmark['tasks']} tasks)"
    return Text(showable(title))


def estimate(found: Mapping[str, Any] | None) -> str:
    """A score with its interval, for a table's cell."""
    if found is None:
        return "-"
    value, low, high = found["value"], found["low"], found["high"]
    # The bracket would be read as markup.
    return escape(f"{value:.3f} [{low:.3f}, {high:.3f}]")
