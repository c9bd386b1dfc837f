"""Which legal edit a real fix is."""

from __future__ import annotations

import math

import pytest

from hrmgym.envs.edits.edit import Edit
from hrmgym.trainers.data.edit_kinds import Fix, fix_of, fixes_of, found_in, weights_of
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
    found = fix_of(OLD, OLD.replace(old, new))
    assert found is not None
    assert found.kind == kind


def test_a_fix_knows_which_kinds_its_list_has() -> None:
    found = fix_of(OLD, OLD.replace("c > 0", "c >= 0"))
    assert found is not None
    assert {"comparison", "arithmetic", "identifier", "insert_guard"} <= found.present
    assert "boolean_operator" not in found.present


@pytest.mark.parametrize(
    "new",
    [
        OLD.replace("c > 0", "c.d.e(f(g), 17) > h"),
        OLD.replace("# sum", "# other"),  # nothing but a comment
        OLD,
    ],
)
def test_what_no_legal_edit_makes_is_of_no_kind(new: str) -> None:
    assert fix_of(OLD, new) is None


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
    fixes, tried = found_in([edit])
    assert ([one.kind for one in fixes], tried) == (["arithmetic", "comparison"], 2)


def test_places_that_cannot_are_one_fix() -> None:
    edit = real(at("a + b", "(a + b"), replace_end("c = a + b", ")"))
    assert list(fixes_of(edit)) == [(OLD, edit.after)]


def replace_end(text: str, new: str) -> Edit:
    end = OLD.index(text) + len(text)
    return Edit(end, end, new)


def fixes(*counts: tuple[str, str, int]) -> list[Fix]:
    """(kind, letters of the kinds that are there, how many such fixes)."""
    return [Fix(kind, frozenset(there)) for kind, there, number in counts for _ in range(number)]


def test_weights_are_the_odds_of_a_kind_where_both_are_there() -> None:
    weights = weights_of(fixes(("a", "ab", 3000), ("b", "ab", 1000)))
    assert weights["a"] / weights["b"] == pytest.approx(3.0, rel=0.01)


def test_a_kind_that_is_seldom_there_is_not_rare_for_that() -> None:
    """Kind c is a fix as often as b, though b is there ten times as often."""
    weights = weights_of(fixes(("a", "ab", 9000), ("b", "ab", 1000), ("c", "ac", 1000)))
    assert weights["c"] / weights["a"] > 50 * weights["b"] / weights["a"]


def test_a_kind_that_no_fix_is_of_is_rare_and_not_impossible() -> None:
    weights = weights_of(fixes(("a", "abc", 50), ("b", "abc", 50)))
    assert 0 < weights["c"] < weights["a"] / 20


def test_weights_make_the_fixes_more_probable_than_shares_do() -> None:
    made = fixes(("a", "ab", 30), ("b", "ab", 10), ("c", "bc", 15), ("b", "bc", 5), ("a", "abc", 9))
    weights = weights_of(made)

    def log_likelihood(table: dict[str, float]) -> float:
        return sum(
            math.log(table[one.kind] / sum(table[kind] for kind in one.present)) for one in made
        )

    shares = {kind: float(sum(one.kind == kind for one in made)) for kind in "abc"}
    assert log_likelihood(weights) > log_likelihood(shares) + 1
    for kind in "abc":  # no other table near it does better, but for the prior
        for factor in (0.8, 1.25):
            changed = weights | {kind: weights[kind] * factor}
            assert log_likelihood(changed) < log_likelihood(weights) + 0.1
