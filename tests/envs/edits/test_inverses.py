"""What a kind does, a kind undoes."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from hrmgym.envs import make_benchmark
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.inverses import undoing
from hrmgym.envs.edits.legal import LegalEdit, legal_edits

TEXT = """\
def search(items, wanted, low=0):
    high = len(items) - 1
    seen = []
    while low <= high and items:
        middle = (low + high) // 2
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
        seen.append(middle)
    return low if low < len(items) else None
"""
#: Kinds that take nothing away that only the place itself holds.
CLOSED = {
    *("comparison", "arithmetic", "boolean_operator", "negation", "off_by_one", "operands"),
    *("swap_arguments", "swap_statements", "swap_branches", "move_statement", "if_or_while"),
    *("index_to_slice", "augmented", "to_augmented", "assignment_to_call", "donor_line"),
    *("donor_line_renamed", "insert_statement", "insert_guard", "wrap_in_if", "wrap_in_call"),
    *("recursion", "add_condition", "add_fallback", "add_term", "add_slice", "add_subscript"),
    *("add_method", "add_argument", "add_element", "swap_conditional"),
    *("add_filter", "move_in_statements", "move_out", "move_out_statements", "if_to_elif"),
}


def by_kind(text: str) -> dict[str, list[LegalEdit]]:
    found = defaultdict(list)
    edits = legal_edits(text)
    for one in (*edits.lean(), *edits.bulky()):
        found[one.kind].append(one)
    return found


def test_closed_kinds_are_undone() -> None:
    draw = random.Random(0)
    kinds = by_kind(TEXT)
    assert len(CLOSED & set(kinds)) > 20
    for kind in sorted(CLOSED & set(kinds)):
        for one in draw.sample(kinds[kind], 1):
            back = undoing(TEXT, one.edit)
            assert back is not None, one
            edited = apply(TEXT, one.edit)
            assert legal_edits(apply(edited, back.edit)).find(TEXT) is None  # it is the same


@pytest.mark.nightly
def test_closed_kinds_are_undone_in_every_program() -> None:
    draw, undone, lost = random.Random(1), 0, []
    for task in make_benchmark("quixbugs").tasks("test"):
        assert task.reference is not None
        for text in task.reference.values():
            for kind, edits in by_kind(text).items():
                for one in draw.sample(edits, 1):
                    if undoing(text, one.edit) is not None:
                        undone += 1
                    elif kind in CLOSED:
                        lost.append((task.id, one))
    assert not lost
    assert undone > 500


def test_what_stands_nowhere_else_is_not_brought_back() -> None:
    text = "def f(x):\n    if x:\n        return 'never again'\n    return x\n"
    whole = next(e for e in legal_edits(text).lean() if e.kind == "unwrap_block")
    assert undoing(text, whole.edit) is not None
    gone = next(e for e in legal_edits(text).lean() if e.kind == "delete_statement")
    assert undoing(text, gone.edit) is None


def test_within_moves_with_the_edit() -> None:
    text = TEXT + "\n\n" + TEXT.replace("search", "other")
    span = (text.index("def other"), len(text))
    one = next(legal_edits(text, within=span).lean())
    back = undoing(text, one.edit, within=span)
    assert back is not None
    assert back.edit.start >= span[0]
