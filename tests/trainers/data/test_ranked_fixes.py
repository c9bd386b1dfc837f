"""Real fixes that are one legal edit, and solutions of tasks, as samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.python.kinds import BULKY, LEAN
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.errors import ConfigError
from hrmgym.tests.tiny import CLAMP_FIXED, Tiny
from hrmgym.trainers.data import ranked_fixes
from hrmgym.trainers.data.ranked_fixes import RankedFixes, legal_fixes, real_samples
from hrmgym.trainers.data.ranked_tested import checked_solutions
from hrmgym.trainers.data.real_edits import RealEdit, real_edits
from hrmgym.trainers.rank import numbers

INTERFACE = EditInterface(512)
KINDS = numbers([kind.name for kind in (*LEAN, *BULKY)])


@pytest.fixture(autouse=True)
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RealEdit, ...]:
    """Some of the shipped edits, and a cache of their own."""
    edits = real_edits("valid")[:25]
    monkeypatch.setattr(ranked_fixes, "real_edits", lambda split: edits)
    monkeypatch.setattr(ranked_fixes, "cache_dir", lambda: tmp_path)
    return edits


def test_those_that_one_legal_edit_makes_are_looked_for_once(tmp_path: Path) -> None:
    found = legal_fixes("valid")
    assert 0 < len(found) < 25
    for _, old, new in found:
        assert legal_edits(old).find(new) is not None
    (path,) = tmp_path.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text())[:1]))
    assert legal_fixes("valid") == found[:1]  # what the cache says
    path.write_text("[1")
    assert legal_fixes("valid") == found  # broken: looked for anew


def test_samples_have_the_fix_for_an_answer_and_depend_on_seed_and_index() -> None:
    fixes = {legal_edits(old).find(new).kind for _, old, new in legal_fixes("valid")}  # type: ignore[union-attr]
    one, two = (RankedFixes("valid", INTERFACE, KINDS, seed=3, dressed=0.5) for _ in range(2))
    for index in range(6):
        first, second = one.sample(index), two.sample(index)
        assert first.kind in fixes
        assert first.listing.kind[first.answer] == KINDS[first.kind]
        assert first.answer == second.answer
        np.testing.assert_array_equal(first.observation["tokens"], second.observation["tokens"])
    held_out = real_samples("valid", INTERFACE, KINDS, 3)
    assert 0 < len(held_out) <= 3
    again = real_samples("valid", INTERFACE, KINDS, 3)
    assert [one.answer for one in held_out] == [one.answer for one in again]


def test_without_any_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranked_fixes, "real_edits", lambda split: ())
    with pytest.raises(ConfigError, match="no real fix of split 'train'"):
        RankedFixes("train", INTERFACE, KINDS, seed=0)


def test_solutions_of_tasks_come_once_with_the_visible_tests() -> None:
    tasks = Tiny().tasks("train")
    found = {one.name: one for one in checked_solutions([*tasks, *tasks])}
    assert found["clamp"].code == CLAMP_FIXED
    (clamp,) = [task for task in tasks if task.id == "clamp"]
    assert found["clamp"].tests == clamp.visible_tests
    assert len(checked_solutions([*tasks, *tasks])) == len(found)
