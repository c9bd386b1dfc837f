"""`hrmgym repair CONFIG`: an experiment's policy is watched while it repairs tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from hrmgym.experiments.repairs import Repair


def watch(config: str, overrides: list[str]) -> int:
    """Shows an experiment's policy repairing its tasks; returns the exit status."""
    from rich.text import Text

    from hrmgym.envs.failures import EXIT_STATUS
    from hrmgym.experiments.loader import load
    from hrmgym.experiments.progress import console
    from hrmgym.experiments.repairs import cpu_seconds, repairs

    experiment = load(config, overrides)
    found: list[Repair] = []
    before = cpu_seconds()
    try:
        for one in repairs(experiment):
            found.append(one)
            if one.failure:
                print(f"{one.task}: no verdict, the sandbox failed: {one.failure}\n")
                continue
            if one.proposal is None:
                late = one.runs.timed_out
                but = f", {late} of them timed out, for want of test runs" if late else ""
                text = f"{one.task}: no proposal passes the visible tests{but}"
                print(f"{text} ({one.seconds:.1f} s)\n")
                continue
            verdict = "pass" if one.solved else "FAIL"
            console().print(Text.from_ansi(one.shown.rstrip()), soft_wrap=True)
            print(f"proposal {one.proposal}, {one.seconds:.1f} s; hidden tests: {verdict}\n")
    finally:
        if found:
            console().print(_summary(found, experiment.score.k, cpu_seconds() - before))
            print(f"{sum(one.solved for one in found)} of {len(found)} solved (hidden tests)")
    return EXIT_STATUS if any(one.failure for one in found) else 0


def _summary(found: Sequence[Repair], ks: Sequence[int], cpu_s: float) -> Table:
    """How many tasks were solved within how many test runs."""
    from rich.table import Column, Table

    from hrmgym.experiments.repairs import within

    solved = within(found, sorted(ks))
    names = (*(f"within {k:,}" for k in solved), "test runs", "CPU seconds")
    table = Table("tasks", *(Column(name, justify="right") for name in names))
    runs = sum(one.runs.runs for one in found)
    table.add_row(str(len(found)), *map(str, solved.values()), f"{runs:,}", f"{cpu_s:.0f}")
    return table
