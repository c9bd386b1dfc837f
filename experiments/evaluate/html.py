"""A report as one page that a browser shows, with every task's outcome."""

from __future__ import annotations

import io
from html import escape as escape_html

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Column, Table

from hrmgym.envs.showing import showable
from hrmgym.experiments.evaluate.tables import ReportData, report_table

_WIDTH = 140


def report_html(report: ReportData) -> str:
    """The page: the same bytes for the same report; it loads nothing and runs nothing.

    Args:
        report: `Report.to_dict()`.
    """
    console = Console(
        record=True, file=io.StringIO(), width=_WIDTH, force_terminal=False, color_system=None
    )
    console.print(Group(report_table(report), _outcomes(report)))
    title = escape_html(showable(f"{report['benchmark']['name']}: {report['policy']['kind']}"))
    text = console.export_html(code_format="{code}", inline_styles=True)
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body style="margin: 2em"><pre style="line-height: 1.3">{text}</pre></body>
</html>
"""


def _outcomes(report: ReportData) -> Table:
    table = Table(
        "task",
        Column("solved", justify="right"),
        Column("plausible", justify="right"),
        Column("test runs", justify="right"),
        "reasons",
    )
    for one in report["outcomes"]:
        attempts = one["attempts"]
        reasons = dict.fromkeys(attempt["failure"] or attempt["reason"] for attempt in attempts)
        table.add_row(
            escape(showable(one["task"])),
            f"{one['solved']} of {len(attempts)}",
            f"{sum(attempt['plausible'] for attempt in attempts)} of {len(attempts)}",
            ", ".join(str(attempt["test_runs"]) for attempt in attempts[:8]),
            escape(showable(", ".join(reasons))),
        )
    return table
