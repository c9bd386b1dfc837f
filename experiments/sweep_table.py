"""What the runs of a sweep came to, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Column, Table

from hrmgym.experiments.evaluate.tables import estimate
from hrmgym.experiments.sweep import SweptRun


def sweep_table(done: Sequence[SweptRun]) -> Table:
    """One row for each run: the swept values in its name, status, minutes, and scores with their
    intervals; the best by the first score first."""
    reports = [one.report for one in done]
    names = list(dict.fromkeys(name for report in reports if report for name in report["scores"]))
    table = Table(
        "run",
        "status",
        Column("minutes", justify="right"),
        *(Column(escape(name), justify="right") for name in names),
    )

    def value(at: int) -> float:
        report = reports[at]
        first = report["scores"].get(names[0]) if report and names else None
        return first["value"] if first else -1.0

    for at in sorted(range(len(done)), key=value, reverse=True):
        one, scores = done[at], (reports[at] or {}).get("scores", {})
        table.add_row(
            escape(one.run.path.name),
            one.run.status,
            f"{one.seconds / 60:.1f}",
            *(estimate(scores.get(name)) for name in names),
        )
    return table
