"""The stored bugs of the katas: complete, applicable, and what a rebuild gives."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from hrmgym.envs.benchmarks.katas import HandBug, load_katas
from hrmgym.envs.benchmarks.katas.bugs import HAND, PER_KATA, KataBug, bugs_of, build_bugs, render
from hrmgym.envs.benchmarks.katas.verify import is_endless, judged
from hrmgym.envs.bugs.operators import OPERATORS
from hrmgym.envs.edits.edit import apply, inverse, trim
from hrmgym.errors import DataError

KATAS = {kata.name: kata for kata in load_katas()}
BUGS = {name: bugs_of(kata) for name, kata in KATAS.items()}


def test_counts_per_split() -> None:
    counts = Counter[str]()
    for name, bugs in BUGS.items():
        counts[KATAS[name].split] += len(bugs)
        assert len(bugs) <= PER_KATA
    assert counts["train"] >= 250
    assert counts["valid"] >= 50
    assert counts["test"] >= 100


def test_ids_are_unique_and_well_formed() -> None:
    ids = [bug.id for bugs in BUGS.values() for bug in bugs]
    assert len(ids) == len(set(ids))
    for name, bugs in BUGS.items():
        for bug in bugs:
            assert bug.operator in (HAND, *OPERATORS)
            assert bug.id.rpartition("-")[0] == f"{name}/{bug.operator}"


def test_bugs_apply_compile_and_invert() -> None:
    for name, bugs in BUGS.items():
        code = KATAS[name].code
        texts = [apply(code, bug.edit) for bug in bugs]
        assert len({code, *texts}) == len(bugs) + 1
        for bug, text in zip(bugs, texts, strict=True):
            compile(text, bug.id, "exec")
            assert apply(text, inverse(code, bug.edit)) == code
            assert trim(code, bug.edit) == bug.edit


def test_hand_bugs_are_all_there() -> None:
    for name, bugs in BUGS.items():
        notes = [bug.note for bug in bugs if bug.operator == HAND]
        assert notes == [bug.note for bug in KATAS[name].bugs]


def test_operators_are_spread() -> None:
    made = Counter(b.operator for bugs in BUGS.values() for b in bugs if b.operator != HAND)
    assert set(made) >= set(OPERATORS) - {"jump"}
    assert max(made.values()) < 0.15 * sum(made.values())


@pytest.mark.parametrize("name", ["next_business_day", "rotate_grid", "merge_bookings"])
def test_stored_is_what_a_rebuild_gives(name: str) -> None:
    assert build_bugs(KATAS[name]) == BUGS[name]


@pytest.mark.parametrize("name", ["collapse_log", "parse_query"])
def test_stored_bugs_fail_a_visible_and_a_hidden_case(name: str) -> None:
    kata = KATAS[name]
    verdicts = judged(kata, [apply(kata.code, bug.edit) for bug in BUGS[name]], 3)
    for verdict in verdicts:
        assert verdict is not None
        passed = [ok for ok, _ in verdict]
        assert not all(passed[: len(kata.visible)])
        assert not all(passed[len(kata.visible) :])
    assert sum(is_endless(verdict) for verdict in verdicts) <= 1


def test_render_is_json_that_reads_back() -> None:
    data = json.loads(render(BUGS))
    assert list(data) == sorted(KATAS)
    first = BUGS["crop_grid"][0]
    assert data["crop_grid"][0] == {
        "id": "crop_grid/hand-1",
        "operator": HAND,
        "note": first.note,
        "start": first.edit.start,
        "end": first.edit.end,
        "text": first.edit.text,
    }


def test_what_is_wrong_with_a_kata_is_said() -> None:
    kata = KATAS["clock_angle"]
    wrong = replace(kata, code=kata.code.replace("> 23", "> 22"))
    with pytest.raises(DataError, match="clock_angle: its own code does not pass"):
        build_bugs(wrong)
    harmless = HandBug("nothing", "hours, minutes = int(hour)", "hours,  minutes = int(hour)")
    with pytest.raises(DataError, match="bug 'nothing' must fail a visible and a hidden case"):
        build_bugs(replace(kata, bugs=(*kata.bugs, harmless)))
    with pytest.raises(DataError, match="'clock_angel' is missing; did you mean 'clock_angle'"):
        bugs_of(replace(kata, name="clock_angel"))
    with pytest.raises(DataError, match="outside the code of the kata"):
        bugs_of(replace(kata, code="def clock_angle(time):\n    return 0\n"))


def test_a_bug_is_plain_data() -> None:
    bug = BUGS["crop_grid"][0]
    assert isinstance(bug, KataBug)
    assert hash(bug) == hash(replace(bug))
