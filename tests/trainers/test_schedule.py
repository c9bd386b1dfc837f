"""Learning rates over a run."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hrmgym.trainers.schedule import cosine, decay, warm_up


def test_warm_up_rises_to_one_and_stays() -> None:
    rates = [warm_up(done, 100) for done in range(0, 300, 10)]
    assert 0 < rates[0] < 0.05
    assert all(low < high for low, high in pairwise(rates[:10]))
    assert rates[10:] == [1.0] * 20
    assert warm_up(0, 0) == 1.0


def test_cosine_ends_at_a_tenth() -> None:
    assert cosine(0) == 1
    assert cosine(0.5) == pytest.approx(0.55)
    assert cosine(1) == pytest.approx(0.1)
    assert cosine(7) == pytest.approx(0.1)


def test_decay_falls_fast_first_and_is_never_nothing() -> None:
    assert decay(0) == 1
    assert decay(0.25) == pytest.approx(0.5)
    assert decay(1) == decay(2) == 0.01
