"""Scores that share what edits came to: the same records as without, to the byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrmgym.errors import ConfigError, DataError
from hrmgym.experiments.evaluate.score import check, score
from hrmgym.experiments.loader import load
from hrmgym.experiments.schema import Experiment

OPTIONS = ("benchmark=hrmgym.tests.tiny:Tiny", "benchmark.eval_split=test", "score.k=[1, 40]")


def experiment(*overrides: str) -> Experiment:
    return load("score-katas-uniform", [*OPTIONS, "score.seeds=1", *overrides])


def test_a_score_with_outcomes_of_another_is_the_same_to_the_byte(tmp_path: Path) -> None:
    shared = f"score.outcomes={tmp_path / 'outcomes.sqlite'}"
    orders = "policy.by=[]", "policy.by=[frequencies, spectrum]"
    plain = [score(experiment(order)) for order in orders]
    making = [score(experiment(order, shared)) for order in orders]
    known = [score(experiment(order, shared)) for order in orders]
    for one, two, three in zip(plain, making, known, strict=True):
        assert one.to_json() == two.to_json() == three.to_json()
    assert any(attempt.solved for one in known for task in one.records for attempt in task.attempts)
    said = [json.loads(one.timing_json()).get("shared_outcomes", False) for one in (*plain, *known)]
    assert said == [False, False, True, True]


def test_outcomes_are_of_legal_edits() -> None:
    with pytest.raises(ConfigError, match="goes with policy: ranked or search, not random"):
        load("score-katas-random", ["score.outcomes=outcomes.sqlite"])


def test_a_file_that_cannot_be_had_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file of outcomes can be had there"):
        check(experiment(f"score.outcomes={tmp_path}"))
