"""Which legal edits lead to known fixes: one, or two."""

from __future__ import annotations

import pytest

from hrmgym.envs import make_benchmark
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.reach import differences, leading_to
from hrmgym.envs.task import Task
from hrmgym.errors import DataError

TEXT = "def f(a, b):\n    # the lower\n    if a < b:\n        return a\n    return b - 1\n"


def reached(task: Task) -> bool:
    assert task.reference is not None
    return all(
        legal_edits(task.workspace.files[path]).find(text) is not None
        for path, text in task.reference.items()
    )


def test_some_fixes_of_quixbugs_are_legal() -> None:
    assert all(map(reached, make_benchmark("quixbugs").tasks("test")[::6]))


@pytest.mark.nightly
def test_all_fixes_of_quixbugs_are_legal() -> None:
    assert [t.id for t in make_benchmark("quixbugs").tasks("test") if not reached(t)] == []


@pytest.mark.nightly
def test_most_fixes_of_katas_are_legal() -> None:
    tasks = make_benchmark("katas").tasks("test")
    assert sum(map(reached, tasks)) > 0.7 * len(tasks)


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ([("a < b", "a <= b")], ("comparison",)),
        ([("a < b", "(a  <= b)"), ("# the lower", "# or not")], ("comparison",)),
        ([("a < b", "a <= b"), ("b - 1", "b + 1")], ("comparison", "arithmetic")),
        ([("return a", "return b"), ("b - 1", "a - 1")], ("identifier", "identifier")),
        ([("a < b", "b"), ("b - 1", "1 - b")], ("drop_operand", "operands")),
    ],
)
def test_one_edit_leads_to_a_text_or_two_do(
    changes: list[tuple[str, str]], kinds: tuple[str, ...]
) -> None:
    wanted = TEXT
    for old, new in changes:
        wanted = wanted.replace(old, new)
    found = leading_to(TEXT, wanted)
    assert found is not None
    text = TEXT
    for edit in found:
        text = apply(text, edit.edit)
    assert legal_edits(text).find(wanted) is None, "the same syntax"
    assert len(found) == len(kinds)
    assert sorted(edit.kind for edit in found) == sorted(kinds)
    if len(kinds) > 1:
        assert leading_to(TEXT, wanted, most=1) is None


@pytest.mark.parametrize(
    "wanted",
    [
        TEXT,
        TEXT.replace("a < b", "a.b(c, d=17) > e"),
        TEXT.replace("a < b", "a <= b").replace("return a\n", "return b\n").replace("1", "a"),
    ],
)
def test_nothing_leads_to_the_same_text_nor_to_a_rewrite(wanted: str) -> None:
    assert leading_to(TEXT, wanted) is None


def test_an_edit_outside_the_span_does_not_count() -> None:
    wanted = TEXT.replace("a < b", "a <= b").replace("b - 1", "b + 1")
    low = TEXT.index("if a")
    assert leading_to(TEXT, wanted, within=(low, len(TEXT))) is not None
    assert leading_to(TEXT, wanted, within=(low, TEXT.index("return b"))) is None


def test_texts_that_are_no_program() -> None:
    with pytest.raises(DataError):
        leading_to(TEXT, "def f(:\n")
    with pytest.raises(DataError):
        leading_to("def f(:\n", TEXT)


@pytest.mark.parametrize("wanted", [TEXT.replace("a", "c"), "", TEXT + "x\n", "x\n" + TEXT])
def test_all_differences_together_make_the_other_text(wanted: str) -> None:
    text = TEXT
    for part in reversed(differences(TEXT, wanted)):
        text = apply(text, part)
    assert text == wanted
