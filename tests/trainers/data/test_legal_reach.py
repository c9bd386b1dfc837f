"""Which legal edits real fixes are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hrmgym.envs.edits.edit import Edit
from hrmgym.trainers.data.legal_reach import legal_parts, main
from hrmgym.trainers.data.real_edits import real_edits

BEFORE = "def f(a, b):\n    if a < b:\n        return a - b\n    return b\n"


def test_parts_of_a_real_edit() -> None:
    template = real_edits("train")[0]
    less, minus = BEFORE.index("<"), BEFORE.index("-")
    one = replace(template, before=BEFORE, edits=(Edit(less, less + 1, "<="),))
    assert [part and part.kind for part in legal_parts(one)] == ["comparison"]
    two = replace(one, edits=(Edit(less, less + 1, "<="), Edit(minus, minus + 1, "+")))
    assert [part and part.kind for part in legal_parts(two)] == ["comparison", "arithmetic"]
    far = replace(one, edits=(Edit(minus, minus + 1, "- unknown(b) ** 7 -"),))
    assert legal_parts(far) == (None,)


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--most", "6"]) == 0
    printed = capsys.readouterr().out
    assert "6 real edits of train" in printed
    assert "none" in printed
