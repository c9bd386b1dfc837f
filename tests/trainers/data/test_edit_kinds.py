"""Which legal edit a real fix is."""

from __future__ import annotations

import pytest

from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.trainers.data.edit_kinds import count, fixes_of, made_by
from hrmgym.trainers.data.real_edits import RealEdit

OLD = "def f(a, b):\n    # sum\n    c = a + b\n    if c > 0:\n        return c\n    return a\n"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("c > 0", "c >= 0", "comparison"),
        ("a + b", "a - b", "arithmetic"),
        ("return c", "return b", "identifier"),
        ("c > 0", "c  >=\\\n 0", "comparison"),  # whatever the layout
        ("c > 0", "(c) >= (0)", "comparison"),
    ],
)
def test_a_fix_is_of_the_kind_of_the_edit_that_makes_it(old: str, new: str, kind: str) -> None:
    found = made_by(OLD, OLD.replace(old, new))
    assert found is not None
    assert found.kind == kind


def test_every_lean_edit_is_found_again() -> None:
    edits = list(legal_edits(OLD).lean())
    assert len(edits) > 40
    for edit in edits[::3]:
        found = made_by(OLD, apply(OLD, edit.edit))
        assert found is not None
        assert (found.id, found.kind) == (edit.id, edit.kind)


@pytest.mark.parametrize(
    "new",
    [
        OLD.replace("c > 0", "c.d.e(f(g), 17) > h"),
        OLD.replace("# sum", "# other"),  # nothing but a comment
        OLD,
    ],
)
def test_what_no_legal_edit_makes_is_of_no_kind(new: str) -> None:
    assert made_by(OLD, new) is None


def real(*edits: Edit) -> RealEdit:
    return RealEdit(
        package="p",
        licence="MIT",
        split="train",
        versions=("1", "2"),
        path="p.py",
        function="f",
        before=OLD,
        edits=edits,
    )


def at(old: str, new: str) -> Edit:
    start = OLD.index(old)
    return Edit(start, start + len(old), new)


def test_places_that_can_stand_alone_are_fixes_of_their_own() -> None:
    edit = real(at("a + b", "a - b"), at("c > 0", "c >= 0"))
    found = list(fixes_of(edit))
    assert [new for _, new in found] == [edit.after] * 2
    assert [old for old, _ in found] == [
        edit.after.replace("a - b", "a + b"),
        edit.after.replace("c >= 0", "c > 0"),
    ]
    assert count([edit]) == ({"arithmetic": 1, "comparison": 1}, 2)


def test_places_that_cannot_are_one_fix() -> None:
    edit = real(at("a + b", "(a + b"), replace_end("c = a + b", ")"))
    assert list(fixes_of(edit)) == [(OLD, edit.after)]


def replace_end(text: str, new: str) -> Edit:
    end = OLD.index(text) + len(text)
    return Edit(end, end, new)
