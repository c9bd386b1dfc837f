"""Which operators reach a real edit, and weights fitted to that."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from hrmgym.envs.bugs.making import FILE
from hrmgym.envs.bugs.operators import OPERATORS
from hrmgym.envs.bugs.realistic import REALISTIC
from hrmgym.envs.edits.edit import Edit
from hrmgym.trainers.data.fitting import FLOOR, fit
from hrmgym.trainers.data.reach import Reach, coverage, reach
from hrmgym.trainers.data.real_edits import RealEdit, real_edits

BEFORE = "def f(a, b):\n    if a < b:\n        return a\n    return b\n"


def edit(*changes: tuple[str, str]) -> RealEdit:
    edits = [Edit(BEFORE.index(old), BEFORE.index(old) + len(old), new) for old, new in changes]
    return RealEdit("p", "MIT", "train", ("1", "2"), "m.py", "f", BEFORE, tuple(sorted(edits)))


def test_an_operator_in_reach_has_its_chance() -> None:
    (part,) = reach(edit(("a < b", "a <= b")), OPERATORS).parts
    assert part == {"comparison": pytest.approx(1 / 3)}  # of `<`, `>=` and `>` for `<=`


def test_several_places_are_reached_one_by_one() -> None:
    two = edit(("a < b", "a <= b"), ("return a\n", "return a, b\n"))
    assert not reach(two, {"comparison": OPERATORS["comparison"]}).reached
    found = reach(two, REALISTIC)
    assert found.reached
    assert ["comparison" in part for part in found.parts] == [True, False]
    assert "element-drop" in found.parts[1]


def test_indentation_tells() -> None:
    moved = edit(("        return a\n", "        return a\n    "))
    assert not reach(moved, {"comparison": OPERATORS["comparison"]}).reached


def test_what_is_out_of_reach() -> None:
    nothing = edit(("return b", "del a\n    return sorted(b, key=len)[a // 7:]"))
    assert not reach(nothing, {"jump": OPERATORS["jump"]}).reached
    assert coverage([nothing, edit(("a < b", "a <= b"))], OPERATORS) == 0.5


def test_more_real_edits_are_in_reach_than_before() -> None:
    sample = real_edits("valid")[1::40]
    assert coverage(sample, REALISTIC) > 1.5 * coverage(sample, OPERATORS)


def test_fitted_weights_are_the_likeliest() -> None:
    parts = [{"often": 0.5}] * 3 + [{"seldom": 0.5}] + [{"often": 0.5, "vague": 0.001}]
    edits = [edit(("a < b", "a <= b"))] * 4 + [edit(("a < b", "a > b"), ("return a", "return"))]
    fitted = fit([Reach((part,)) for part in parts], ["often", "seldom", "vague"], edits)
    assert sum(fitted.weights.values()) == pytest.approx(1)
    assert fitted.weights["often"] == pytest.approx(0.8, abs=0.01)
    assert fitted.weights["seldom"] == pytest.approx(0.2, abs=0.01)
    assert fitted.weights["vague"] == pytest.approx(FLOOR, rel=0.01)
    assert fitted.counts == (0.8, 0.2, 0)


def test_shipped_weights_name_every_operator() -> None:
    file = resources.files("hrmgym.envs").joinpath(f"data/{FILE}")
    data = json.loads(file.read_text(encoding="utf-8"))
    assert list(data["weights"]) == list(REALISTIC)
    assert min(data["weights"].values()) > 0
    assert np.isclose(sum(data["counts"]), 1)
