"""benchmarks/feedback.py measures what outcomes say of where the bug is."""

from __future__ import annotations

import json
import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.legal import LegalEdit
from hrmgym.envs.edits.places import FileEdit
from hrmgym.search.changes import Change

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "feedback.py"))
TEXT = "a = b\nc = d\ne = f\n"


def outcomes(**changes: Any) -> Any:
    """Six edits of three lines; the fix is the last one."""
    spans = [(4, 5), (4, 5), (4, 5), (10, 11), (10, 11), (10, 11)]
    edits = [
        FileEdit("f.py", LegalEdit(str(at), "kind", Edit(*span, "x")))
        for at, span in enumerate(spans)
    ]
    fields: dict[str, Any] = {
        "program": "one",
        "text": TEXT,
        "edits": edits,
        "log_probs": np.log(np.full(6, 1 / 6)),
        "passed": [False] * 5 + [True],
        "changes": [Change.SAME, Change.SAME, Change.SAME, *[Change.OTHER] * 3],
        "where": ["far"] * 3 + ["span"] * 3,
    }
    return SCRIPT["Outcomes"](**{**fields, **changes})


def test_what_comes_from_the_fixs_place_speaks_for_it() -> None:
    table = SCRIPT["ratios"]([outcomes()])
    few = SCRIPT["FEW"]
    assert table[Change.OTHER][0] == pytest.approx(math.log((1 + few) / few), abs=1e-3)
    assert table[Change.SAME][0] == pytest.approx(math.log(few / (1 + few)), abs=1e-3)
    assert table[Change.CUT] == (0.0, 0.0)


def test_feedback_brings_a_fix_forward_and_the_wrong_one_sends_it_back() -> None:
    first = SCRIPT["first_pass"]
    three = outcomes(passed=[False] * 3 + [False, True, False])
    assert first(three, {}) == 5
    for sign, wanted in ((1.0, 3), (-1.0, 5)):
        assert first(three, {Change.SAME: (-sign, 0.0), Change.OTHER: (sign, 0.0)}) == wanted
    assert first(outcomes(passed=[False] * 6), {}) == math.inf


def test_tables_are_tried_on_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two programs each is tried with the other's table alone."""
    tried: list[Any] = []
    figures = SCRIPT["figures"]
    monkeypatch.setitem(
        figures.__globals__, "first_pass", lambda task, table: tried.append((task, table)) or 1
    )
    other = outcomes(program="two", changes=[Change.CUT] * 6)
    found = figures([outcomes(), other], seed=0)
    assert found["programs"] == 2
    for task, table in tried[2:]:
        seen = {change for change, nats in table.items() if any(nats)}
        assert not seen & set(task.changes)


def test_the_command_measures_katas(capsys: pytest.CaptureFixture[str]) -> None:
    assert SCRIPT["main"](["katas", "--tasks", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["log_ratios"]) == {one.value for one in Change if one is not Change.UNKNOWN}
    assert told["tasks"] <= 2
