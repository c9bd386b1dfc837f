"""A slow ranker that is asked of few edits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.state import State
from hrmgym.errors import ConfigError
from hrmgym.experiments.loader import load
from hrmgym.policies.ranking import Combined, LogProbs, Spectra, normalised
from hrmgym.policies.shortlist import Shortlisted
from hrmgym.tests.policies.editing import EDITS, state_of


class Fixed:
    """Gives each edit what its text has in a table, and notes what it was asked of."""

    def __init__(self, *scores: float, spectra: bool = False) -> None:
        self.table = {one.edit.id: score for one, score in zip(EDITS, scores, strict=True)}
        self.needs_spectra = spectra
        self.asked: list[str] = []

    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        self.asked = [one.edit.id for one in edits]
        return normalised(np.array([self.table[name] for name in self.asked]))


def test_the_slow_one_is_asked_of_the_best_alone_and_the_others_get_its_least() -> None:
    quick, slow = Fixed(0.0, -1.0, -2.0, -3.0), Fixed(-4.0, 0.0, 9.0, 9.0)
    found = Shortlisted([quick], slow, 2).log_probs(state_of(), EDITS, {})
    assert set(slow.asked) == {EDITS[0].edit.id, EDITS[1].edit.id}
    assert np.exp(found).sum() == pytest.approx(1)
    # The second overtakes the first; the others stay behind both, by what the quick one says.
    assert np.argsort(-found).tolist() == [1, 0, 2, 3]
    np.testing.assert_allclose(found - found[0], [0, 3, -2, -3])


def test_with_room_for_all_it_is_the_product() -> None:
    rankers = Fixed(0.0, -1.0, -2.0, -3.0), Fixed(-4.0, 0.0, 1.0, 2.0)
    found = Shortlisted(rankers[:1], rankers[1], 99).log_probs(state_of(), EDITS, {})
    np.testing.assert_allclose(found, Combined(rankers).log_probs(state_of(), EDITS, {}))


def test_the_order_of_the_list_changes_nothing_where_edits_tie() -> None:
    quick, slow = Fixed(0.0, 0.0, 0.0, 0.0), Fixed(0.0, -1.0, -2.0, -3.0)
    ranker = Shortlisted([quick], slow, 2)
    found = ranker.log_probs(state_of(), EDITS, {})
    back = ranker.log_probs(state_of(), EDITS[::-1], {})
    np.testing.assert_allclose(back[::-1], found)


def test_it_needs_spectra_where_one_of_its_rankers_does() -> None:
    with_spectra, without = Fixed(*[0.0] * 4, spectra=True), Fixed(*[0.0] * 4)
    assert Shortlisted([with_spectra], without, 2).needs_spectra
    assert not Shortlisted([without], without, 2).needs_spectra


@pytest.mark.parametrize("by", ["[hrm]", "[frequencies, spectrum]"])
def test_it_goes_with_the_network_and_another(by: str) -> None:
    checkpoint = "hrmgym:hrm-small" if "hrm" in by else "null"
    changes = ["sweep=null", f"policy.by={by}", f"policy.checkpoint={checkpoint}"]
    with pytest.raises(ConfigError, match=r"policy: shortlist: goes with hrm and at least one"):
        load("score-quixbugs-ranked", [*changes, "policy.shortlist=5"])
