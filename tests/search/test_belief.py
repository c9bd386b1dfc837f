"""The order of edits when each outcome teaches where the bug is."""

from __future__ import annotations

import numpy as np
import pytest

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.legal import LegalEdit
from hrmgym.envs.edits.places import FileEdit
from hrmgym.search.belief import DAMPING, LOG_RATIOS, Belief
from hrmgym.search.changes import Change

TEXT = "a = b + c\nd = e\nf = g\n"
TEXTS = {"one.py": TEXT, "two.py": TEXT}


def edit(start: int, end: int, path: str = "one.py", text: str = "x") -> FileEdit:
    return FileEdit(path, LegalEdit(f"{path}{start}{end}{text}", "kind", Edit(start, end, text)))


SUM, NAME = edit(4, 9), edit(4, 5)
OTHER_NAME, NEXT_LINE = edit(8, 9), edit(14, 15)
OTHER_FILE = edit(4, 5, "two.py")
EDITS = [SUM, NAME, OTHER_NAME, NEXT_LINE, OTHER_FILE]
EVEN = np.log(np.full(len(EDITS), 1 / len(EDITS)))


def scores(belief: Belief) -> np.ndarray:
    return belief._scores - EVEN


def test_without_outcomes_the_order_is_the_prior() -> None:
    log_probs = np.log([0.1, 0.4, 0.2, 0.25, 0.05])
    assert list(Belief(EDITS, log_probs, TEXTS).in_turn()) == [1, 3, 2, 0, 4]
    assert Belief(EDITS, EVEN, TEXTS).best(9) == [0, 1, 2, 3, 4]


def test_an_outcome_counts_for_its_span_and_its_line_in_its_file() -> None:
    belief = Belief(EDITS, EVEN, TEXTS, {Change.OTHER: (1.0, 0.5)})
    belief.learn(1, Change.OTHER)
    once = 1 / (1 + 1 / DAMPING)
    assert scores(belief) == pytest.approx([1.5 * once, 1.5 * once, 0.5 * once, 0, 0])


def test_outcomes_at_one_place_say_much_the_same() -> None:
    belief = Belief(EDITS, EVEN, TEXTS, {Change.SAME: (-1.0, 0.0)})
    for _ in range(1000):
        belief.learn(3, Change.SAME)
    assert scores(belief) == pytest.approx([0, 0, 0, -DAMPING, 0], rel=0.01)


def test_what_has_been_tried_is_not_tried_again_whatever_is_learnt() -> None:
    belief = Belief(EDITS, EVEN, TEXTS, {Change.SOME: (3.0, 3.0)})
    tried = []
    for number in belief.in_turn():
        tried.append(number)
        belief.learn(number, Change.SOME)
    assert sorted(tried) == list(range(len(EDITS)))
    assert tried[:3] == [0, 1, 2]  # the rest of the first one's line comes before other lines
    assert belief.best(3) == []


def test_what_the_prior_rules_out_comes_last_and_comes() -> None:
    log_probs = np.array([-np.inf, 0.0, -np.inf, -np.inf, -np.inf])
    assert list(Belief(EDITS, log_probs, TEXTS).in_turn()) == [1, 0, 2, 3, 4]
    nothing = np.full(len(EDITS), -np.inf)
    assert list(Belief(EDITS, nothing, TEXTS).in_turn()) == [0, 1, 2, 3, 4]


def test_the_unknown_teaches_nothing() -> None:
    belief = Belief(EDITS, EVEN, TEXTS)
    belief.learn(0, Change.UNKNOWN)
    assert scores(belief) == pytest.approx(np.zeros(len(EDITS)))
    nothing = Belief([], np.zeros(0), {})
    assert nothing.best(1) == []
    with pytest.raises(IndexError, match="every edit has been tried"):
        nothing.draw()


def test_what_is_drawn_has_its_probability_among_those_left() -> None:
    belief = Belief(EDITS, np.log([0.1, 0.4, 0.2, 0.25, 0.05]), TEXTS)
    assert belief.draw() == (1, pytest.approx(0.4))
    assert belief.draw() == (3, pytest.approx(0.25 / 0.6))


def test_a_wrong_result_that_changes_speaks_for_a_place_and_one_that_stays_against() -> None:
    for change, towards in ((Change.SAME, False), (Change.OTHER, True), (Change.ALL, True)):
        assert all((nats > 0) == towards for nats in LOG_RATIOS[change])
