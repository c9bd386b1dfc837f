"""docs/reports.md names every key of a report, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from hrmgym.tests.experiments.evaluate.test_report import proposals, tried

PAGE = Path(__file__).parents[3] / "docs" / "reports.md"


def test_the_page_and_the_report_have_the_same_keys() -> None:
    counts = {"repeats": 1, "timed_out": 0, "near_limit": 0}
    report = proposals("proposals", tried(1, **counts))
    table = PAGE.read_text(encoding="utf-8").partition("| key | what |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.count("|") == 3]
    assert set(re.findall(r"`(\w+)`", "".join(rows))) == {*report, "correct", "by_visible_tests"}
    for name in report["scores"]:
        assert f"{name.partition('@')[0]}@k" in table
