"""Everything made can be unmade, by legal edits that are listed at their turn."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest

from hrmgym.envs.benchmarks.katas import load_katas
from hrmgym.envs.bugs.inverted import (
    FIX_WEIGHTS,
    MOST_TOKENS,
    UNMAKES,
    InvertedBug,
    make_inverted,
    way_back,
)
from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.python.kinds import BULKY, LEAN
from hrmgym.envs.edits.source import Source
from hrmgym.envs.tokens import load_tokens
from hrmgym.errors import DataError

PROGRAMS = {kata.name: kata.code for kata in load_katas()}


def bug_of(name: str, count: int, seed: int = 0) -> InvertedBug | None:
    return make_inverted(PROGRAMS[name], np.random.default_rng((seed, count)), count)


def assert_unmade(text: str, bug: InvertedBug) -> None:
    """The repairs are legal at their turn, and give the working program back."""
    code = bug.code
    assert Source(code).dump != Source(text).dump
    for repair in bug.repairs:
        found = legal_edits(code)
        listed = {one.id: one for one in chain(found.lean(), found.bulky())}
        assert listed[repair.id] == repair
        old = code[repair.edit.start : repair.edit.end]
        assert max(_tokens(repair.edit.text), _tokens(old)) <= MOST_TOKENS
        code = apply(code, repair.edit)
    assert Source(code).dump == Source(text).dump


def _tokens(text: str) -> int:
    return len(load_tokens().encode(text).ids)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_everything_made_can_be_unmade(count: int) -> None:
    for number, name in enumerate(sorted(PROGRAMS)[::22]):
        bug = bug_of(name, count, number)
        assert bug is not None, name
        assert len(bug.made) == len(bug.repairs) == count
        assert_unmade(PROGRAMS[name], bug)


@pytest.mark.nightly
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_everything_made_in_all_katas_can_be_unmade(name: str, count: int) -> None:
    for seed in range(3):
        bug = bug_of(name, count, seed)
        assert bug is not None
        assert_unmade(PROGRAMS[name], bug)


def test_made_edits_lead_to_the_bug_and_do_not_touch() -> None:
    for name in sorted(PROGRAMS)[:1]:
        bug, code = bug_of(name, 3), PROGRAMS[name]
        assert bug is not None
        marks = [True] * len(code)  # characters that no edit has made
        for edit in bug.made:
            assert all(marks[max(0, edit.start - 1) : edit.end + 1])
            marks[edit.start : edit.end] = [False] * len(edit.text)
            code = apply(code, edit)
        assert code == bug.code


def test_a_bug_follows_from_the_seed() -> None:
    name = sorted(PROGRAMS)[0]
    assert bug_of(name, 2, 1) == bug_of(name, 2, 1)
    assert len({bug_of(name, 1, seed) for seed in range(3)}) > 1


def test_edits_stay_within_the_function() -> None:
    text = "LIMIT = 5\n\n\ndef f(a, b):\n    return a + b * 2\n\n\ndef g(a):\n    return a - 1\n"
    low, high = text.index("def f"), text.index("def g")
    for seed in range(4):
        bug = make_inverted(text, np.random.default_rng(seed), 1, within=(low, high))
        assert bug is not None
        assert bug.code.startswith(text[:low])
        assert bug.code.endswith(text[high:])


@pytest.mark.parametrize("kind", ["comparison", "wrap_in_call", "identifier", "off_by_one"])
def test_only_wanted_kinds_are_made(kind: str) -> None:
    text = "def f(xs, n):\n    if n < len(xs) - 1:\n        return xs[n + 1]\n    return sum(xs)\n"
    weights = dict.fromkeys((one.name for one in (*LEAN, *BULKY)), 0.0) | {kind: 1.0}
    bug = make_inverted(text, np.random.default_rng(0), 1, weights=weights)
    assert bug is not None
    assert bug.kinds == (kind,)


@pytest.mark.nightly
def test_kinds_come_as_often_as_real_fixes() -> None:
    seen: Counter[str] = Counter()
    for seed in range(4):
        for name in PROGRAMS:
            bug = bug_of(name, 1, seed)
            assert bug is not None
            seen.update(bug.kinds)
    assert seen["identifier"] > 3 * (seen["comparison"] + seen["arithmetic"])
    assert len(seen) >= 12


def test_every_kind_that_is_named_is_one() -> None:
    known = {one.name for one in (*LEAN, *BULKY)}
    assert set(FIX_WEIGHTS) <= known
    assert {*UNMAKES, *chain(*UNMAKES.values())} <= known
    assert set(FIX_WEIGHTS) <= set(UNMAKES)


def test_what_no_legal_edit_unmakes_is_not_made() -> None:
    text = (
        "def f(a):\n    return [one.strip().lower() for one in sorted(a) if one and one != a[0]]\n"
    )
    edit = Edit(text.index("return"), len(text) - 1, "return 1")
    assert way_back(text, edit, (0, len(text))) is None
    assert make_inverted("x\n", np.random.default_rng(0), 3) is None


@pytest.mark.parametrize("count", [0, 4])
def test_a_wrong_number_of_edits_is_an_error(count: int) -> None:
    with pytest.raises(DataError, match="from 1 to 3"):
        make_inverted("def f(a):\n    return a + 1\n", np.random.default_rng(0), count)


def test_what_is_not_python_is_an_error() -> None:
    with pytest.raises(DataError, match="not Python"):
        make_inverted("def f(:\n", np.random.default_rng(0))
