"""`correct` beside `solved`: in attempts of both kinds, in reports and their tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from hrmgym.envs.software import SoftwareEnv
from hrmgym.experiments.evaluate.correct import WANTED
from hrmgym.experiments.evaluate.proposals import score_task
from hrmgym.experiments.evaluate.records import Attempt, TaskRecord
from hrmgym.experiments.evaluate.rollouts import Player
from hrmgym.experiments.evaluate.tables import report_table
from hrmgym.experiments.schema import ScoreConfig
from hrmgym.policies.base import Spaces
from hrmgym.policies.baselines import NoopPolicy, ReferencePolicy
from hrmgym.tests.experiments.evaluate.test_proposals import Known
from hrmgym.tests.experiments.evaluate.test_report import A, B, C, make_report
from hrmgym.tests.experiments.evaluate.test_staged_proposals import edits
from hrmgym.tests.experiments.evaluate.test_tables import drawn
from hrmgym.tests.tiny import OneTask, Tiny, double_task

LUCKY = " * 2 % 11"


def attempt(text: str, *, correct: bool) -> Attempt:
    """One proposal, of what stands in the place of the operator and the number of `double`."""
    env = SoftwareEnv(OneTask(double_task()), canvas=96)
    try:
        item = score_task("double", (), Known(edits(env, [text])), env, (1,), (0,), correct=correct)
    finally:
        env.close()
    assert item is not None
    return item.attempts[0]


def test_a_proposal_that_is_solved_is_judged() -> None:
    right = attempt(" * 2", correct=True)
    assert (right.solved, right.correct, right.numbers["inputs"]) == (True, True, WANTED)
    lucky = attempt(LUCKY, correct=True)
    assert (lucky.solved, lucky.correct) == (True, False)
    wrong = attempt(" * 3", correct=True)
    assert (wrong.solved, wrong.correct) == (False, False)
    unasked = attempt(" * 2", correct=False)
    assert (unasked.solved, unasked.correct) == (True, None)
    assert "inputs" not in unasked.numbers


@pytest.mark.parametrize(
    ("policy", "correct", "wanted"),
    [(ReferencePolicy, True, True), (NoopPolicy, True, False), (ReferencePolicy, False, None)],
)
def test_an_episode_is_judged(policy: Any, correct: bool, wanted: bool | None) -> None:
    def make(spaces: Spaces) -> Any:
        return policy(spaces)

    player = Player(lambda: SoftwareEnv(Tiny(), max_steps=4), make, 0, 1, True, correct)
    player.open()
    try:
        record = player.play(("double", ()), lambda: False)
    finally:
        player.close()
    assert record is not None
    assert record.attempts[0].correct is wanted
    assert record.attempts[0].solved is (policy is ReferencePolicy)


def judged(record: TaskRecord, *said: bool | None) -> TaskRecord:
    made = (replace(one, correct=it) for one, it in zip(record.attempts, said, strict=True))
    return replace(record, attempts=tuple(made))


def test_a_report_counts_what_is_correct_wrong_and_not_judged() -> None:
    records = judged(A, True, False), judged(B, False, False), judged(C, None, False)
    report = replace(make_report(*records), correct=True)
    found = report.correctness()
    counts = {name: found[name] for name in ("solved", "correct", "wrong", "not_judged")}
    assert counts == {"solved": 3, "correct": 1, "wrong": 1, "not_judged": 1}
    assert found["share"]["value"] == pytest.approx((0.5 + 0 + 0) / 3)
    assert report.to_dict()["correct"] == found
    text = drawn(report_table(report.to_dict()))
    assert "of 3 solutions, on inputs that stand in no test: 1 correct, 1 wrong, 1 not" in text


def test_without_the_question_a_report_says_nothing_of_it() -> None:
    report = make_report(A, B, C)
    assert report.correctness() == {}
    assert "correct" not in report.to_dict()


def test_tasks_that_are_not_judged_are_left_out_of_the_share() -> None:
    report = replace(make_report(judged(C, None, None)), correct=True)
    assert report.correctness()["share"] is None
    assert report.correctness()["not_judged"] == 2
    assert "correct" in drawn(report_table(report.to_dict()))


def test_what_runs_nothing_cannot_be_asked() -> None:
    with pytest.raises(ValidationError, match="runs nothing, so correct: true"):
        ScoreConfig(mode="edits", correct=True)
