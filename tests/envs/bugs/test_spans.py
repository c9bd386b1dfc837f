"""The few spans in which two texts of a function differ."""

from __future__ import annotations

import pytest

from hrmgym.envs.bugs.meaning import meaning
from hrmgym.envs.bugs.spans import MOST_TOKENS, applied, difference, inverses
from hrmgym.envs.edits.edit import Edit

OLD = "def f(a, b):\n    x = a.get(b)\n    if x:\n        return x  # found\n    return None\n"


def test_edits_lead_back_to_the_old_meaning() -> None:
    new = OLD.replace("if x:", "if x is not None:").replace("# found", "# it is there")
    edits = difference(OLD, new)
    assert edits is not None
    assert [(new[one.start : one.end].strip(), one.text) for one in edits] == [("is not None", "")]
    before = applied(new, edits)
    assert meaning(before) == meaning(OLD)
    assert "# it is there" in before
    assert applied(before, inverses(new, edits)) == new


def test_what_is_no_small_edit() -> None:
    assert difference(OLD, OLD.replace("# found", "")) is None
    assert difference(OLD, OLD.replace("x", "found")) is None  # only a name
    assert difference(OLD, OLD.replace("(a, b)", "(a: dict, b: int)")) is None
    longer = OLD.replace("a.get(b)", "a.get(" + "b + " * MOST_TOKENS + "b)")
    assert difference(OLD, longer) is None
    assert difference(OLD, OLD.replace("a.get(b)", "1 is 1")) is None  # compiles with a warning


def test_places_are_told_apart_and_neighbours_joined() -> None:
    new = OLD.replace("a.get(b)", "a.get(b, 0)").replace("return None", "return 0")
    edits = difference(OLD, new)
    assert edits is not None
    assert len(edits) == 2
    joined = difference(OLD, OLD.replace("a.get(b)", "b.pop(b)"))
    assert joined is not None
    assert len(joined) == 1


def test_brackets_of_a_dropped_format_are_no_edit() -> None:
    old = OLD.replace("return None", 'return "no %s" % b')
    new = OLD.replace("return None", 'return f"no {b}"').replace("if x:", "if x > 1:")
    edits = difference(old, new)
    assert edits is not None
    assert [one.text for one in edits] == [""]


@pytest.mark.parametrize("seed", range(3))
def test_inverses_of_several_edits(seed: int) -> None:
    text = "0123456789"
    edits = [Edit(seed, seed + 1, "ab"), Edit(4, 4, "x"), Edit(7, 9, "")]
    made = applied(text, edits)
    back = inverses(text, edits)
    assert made != text
    assert applied(made, back) == text
    assert inverses(made, back) == tuple(edits)
