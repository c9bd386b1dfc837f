"""Samples to learn the order from: the answer repairs, all depends on the seed, few tests."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from hrmgym.envs.bugs.inverted import UNMAKES
from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.python.kinds import BULKY, LEAN
from hrmgym.envs.focus import span_of
from hrmgym.envs.interfaces.edit import BUDGET, EditInterface
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallCase
from hrmgym.errors import ConfigError
from hrmgym.tests.tiny import CLAMP_FIXED, DOUBLE_FIXED, LOOP_FIXED
from hrmgym.trainers.data.bug_stream import Program
from hrmgym.trainers.data.found_tests import CheckedFunction
from hrmgym.trainers.data.ranked_bugs import (
    Broken,
    RankedBugs,
    draw_edit,
    rank_sample,
    repair_weights,
)
from hrmgym.trainers.data.ranked_tested import RankedTested, with_tests
from hrmgym.trainers.rank import numbers

INTERFACE = EditInterface(256)
KINDS = numbers([kind.name for kind in (*LEAN, *BULKY)])
DOC = "Keep a number between two others.\n\nMore about it."
PROGRAMS = [
    Program("double", DOUBLE_FIXED, "Twice.", "Twice."),
    Program("clamp", CLAMP_FIXED, "Keep a number between two others.", DOC),
    Program("count", LOOP_FIXED, "", ""),
]


def stream(seed: int = 0, dressed: float = 0.0) -> RankedBugs:
    return RankedBugs(PROGRAMS, INTERFACE, KINDS, seed=seed, dressed=dressed)


@pytest.mark.parametrize("dressed", [0.0, 1.0])
def test_the_answer_repairs_what_the_canvas_shows(
    dressed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Broken] = []

    def keep(broken: Broken, *rest: object):  # type: ignore[no-untyped-def]
        seen.append(broken)
        return rank_sample(broken, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("hrmgym.trainers.data.ranked_bugs.rank_sample", keep)
    for index in range(12):
        sample, broken = stream(3, dressed).sample(index), seen[-1]
        span = span_of(broken.code, broken.function)
        legal = legal_edits(broken.code, within=span)
        edits = list(chain(legal.lean(), legal.bulky()))
        right = legal.find(broken.fixed)
        assert right is not None
        assert sample.kind == right.kind
        assert sample.listing.kind[sample.answer] == KINDS[right.kind]
        kept = edits[int(sample.listing.kept[sample.answer])]
        assert legal.among([kept], broken.fixed) == 0
        assert broken.code != broken.fixed


def test_a_sample_depends_on_seed_and_index_alone() -> None:
    one, two = stream(), stream()
    two.sample(7)
    for index in (5, 0, 2):
        first, second = one.sample(index), two.sample(index)
        assert first.answer == second.answer
        for key, value in first.observation.items():
            np.testing.assert_array_equal(value, second.observation[key])
    others = [stream(seed=1).sample(index).observation["tokens"] for index in range(6)]
    assert any(
        not np.array_equal(stream().sample(index).observation["tokens"], other)
        for index, other in enumerate(others)
    )


def test_kinds_are_drawn_as_wanted() -> None:
    edits: dict[str, list[object]] = {}
    legal = legal_edits(CLAMP_FIXED)
    for one in chain(legal.lean(), legal.bulky()):
        edits.setdefault(one.kind, []).append(one)
    rng = np.random.default_rng(0)
    swaps = {"swap_arguments": 1.0, "comparison": 1.0}  # nothing compares: swaps alone
    drawn = {draw_edit(edits, swaps, rng) for _ in range(20)}  # type: ignore[arg-type]
    assert drawn <= {one.edit for one in edits["swap_arguments"]}  # type: ignore[attr-defined]
    assert draw_edit(edits, {"comparison": 1.0}, rng) is None  # type: ignore[arg-type]
    weights = repair_weights()
    assert set(weights) == set(UNMAKES)
    assert sum(weights.values()) == pytest.approx(1.0)


def test_long_lists_are_thinned_and_keep_answer_and_lean_ones() -> None:
    code = CLAMP_FIXED.replace("min(high", "max(high")
    broken = Broken(code, CLAMP_FIXED, "clamp")
    whole = rank_sample(broken, INTERFACE, KINDS, None)
    few = rank_sample(broken, INTERFACE, KINDS, np.random.default_rng(0), most=40)
    assert whole is not None
    assert few is not None
    assert len(few.listing.kept) == 40 < len(whole.listing.kept)
    assert few.listing.kind[few.answer] == whole.listing.kind[whole.answer]


def test_what_no_canvas_shows_and_what_no_edit_repairs() -> None:
    other = Broken(CLAMP_FIXED, DOUBLE_FIXED, "clamp")
    assert rank_sample(other, INTERFACE, KINDS, None) is None
    assert rank_sample(Broken("def f(:\n", CLAMP_FIXED, "f"), INTERFACE, KINDS, None) is None
    with pytest.raises(ConfigError, match="no programs"):
        RankedBugs([], INTERFACE, KINDS, seed=0)
    nothing = Program("nothing", "def nothing():\n    pass\n", "")
    with pytest.raises(ConfigError, match="use a larger canvas"):
        RankedBugs([nothing], INTERFACE, KINDS, seed=0, weights={"comparison": 1.0}).sample(0)


# --- with tests -----------------------------------------------------------------------------------

CASES = tuple(
    CallCase(id=f"call-{n}", args=args, expected=expected)
    for n, (args, expected) in enumerate(
        [((1, 0, 5), 1), ((9, 0, 5), 5), ((-2, 0, 5), 0), ((4, 0, 5), 4), ((6, 1, 5), 5)]
    )
)
CHECKED = CheckedFunction("clamp", CLAMP_FIXED, "", DOC, CASES)


def test_bugs_that_tests_see_come_with_lines_and_few_tests() -> None:
    found = RankedTested([CHECKED], INTERFACE, KINDS, seed=0)
    samples = [found.sample(index) for index in range(12)]
    totals = {int(one.observation["budget"][BUDGET.index("tests_total")]) for one in samples}
    passed = {int(one.observation["budget"][BUDGET.index("tests_passed")]) for one in samples}
    assert totals <= {1, 2, 3, 4, 5}
    assert len(totals) > 1
    assert 0 in passed  # no passing test at all
    traced = [one for one in samples if one.observation["trace"].any()]
    assert len(traced) > len(samples) / 2


def test_a_bug_that_no_test_sees_is_left_out() -> None:
    rng = np.random.default_rng(0)
    right = Broken(CLAMP_FIXED, CLAMP_FIXED, "clamp", path="clamp.py")
    wrong = Broken(apply(CLAMP_FIXED, Edit(0, 0, "x = 1\n")), CLAMP_FIXED, "clamp", path="clamp.py")
    bug = CLAMP_FIXED.replace("min(high", "max(high")
    broken = Broken(bug, CLAMP_FIXED, "clamp", path="clamp.py")
    with Sandbox() as sandbox:
        assert with_tests(right, CHECKED.tests, sandbox, rng) is None
        assert with_tests(wrong, CHECKED.tests, sandbox, rng) is None
        seen = with_tests(broken, CHECKED.tests, sandbox, rng)
    assert seen is not None
    assert seen.outcome is not None
    assert not seen.outcome.resolved
