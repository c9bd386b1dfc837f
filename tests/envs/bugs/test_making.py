"""Training bugs of one to three edits, and choosing among them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hrmgym.envs.benchmarks.katas import load_katas
from hrmgym.envs.bugs.making import MIXES, Bug, Mix, make_bug, mix
from hrmgym.envs.bugs.meaning import compiles
from hrmgym.envs.bugs.operators import OPERATORS, is_bug
from hrmgym.envs.bugs.realistic import REALISTIC
from hrmgym.envs.bugs.spans import applied
from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.source import Source
from hrmgym.errors import ConfigError, UnknownNameError
from hrmgym.trainers.data.selector import KINDS, Selector, kind_of

CODES = [kata.code for kata in load_katas()[:12]]


def bugs(recipe: Mix, many: int = 60) -> list[tuple[str, Bug]]:
    rng = np.random.default_rng(0)
    drawn = [(code, make_bug(code, rng, recipe)) for code in CODES * (many // len(CODES))]
    return [(code, bug) for code, bug in drawn if bug is not None]


@pytest.mark.parametrize("name", MIXES)
def test_bugs_of_every_mix_can_be_taken_out(name: str) -> None:
    made = bugs(mix(name))  # type: ignore[arg-type]
    assert len(made) > 50
    for code, bug in made:
        assert is_bug(Source(code), bug.code)
        assert bug.fixed == code
        assert len(bug.operators) == len(bug.repairs)
        assert set(bug.operators) <= set(REALISTIC)


def test_mixes_differ_as_they_say() -> None:
    hand, fitted = bugs(mix("hand"), 120), bugs(mix("fitted"), 120)
    assert {name for _, bug in hand for name in bug.operators} <= set(OPERATORS)
    assert all(len(bug.repairs) == 1 for _, bug in hand)
    counts = Counter(len(bug.repairs) for _, bug in fitted)
    assert counts[1] > counts[2] > 0
    new = [bug.operators[0] not in OPERATORS for _, bug in fitted]
    assert np.mean(new) > 0.4
    with pytest.raises(UnknownNameError, match="did you mean 'fitted'"):
        mix("fited")  # type: ignore[arg-type]


def test_repairs_one_after_the_other() -> None:
    code = "def f(a, b):\n    return a + b, a - b, a * b\n"
    recipe = Mix({"arithmetic": 1.0}, (0.0, 0.0, 1.0))
    bug = make_bug(code, np.random.default_rng(1), recipe)
    assert bug is not None
    assert len(bug.repairs) == 3
    for done in range(3):
        left = bug.after(done)
        assert left.fixed == code
        assert len(left.repairs) == 3 - done
        assert applied(left.code, left.repairs[:1]) == bug.after(done + 1).code
        assert compiles(left.code)
    assert bug.after(3) == Bug(code, (), ())


def test_nothing_to_break() -> None:
    rng = np.random.default_rng(0)
    assert make_bug("def f():\n    pass\n", rng, Mix({"comparison": 1.0})) is None


def test_kinds_of_repairs() -> None:
    texts = ["", "\n  ", "count + 1", "not x", "12", '"a"', "+ 1", " if x"]
    kinds = [kind_of(Edit(0, 3, text)) for text in texts]
    wanted = ["nothing", "layout", "name", "keyword", "number", "text", "sign", "keyword"]
    assert kinds == wanted
    assert set(kinds) == set(KINDS)


def test_the_selector_turns_to_what_is_missed_and_forgets_nothing() -> None:
    selector = Selector(floor=0.2, memory=0.5)
    classes = [("comparison", "sign"), ("name", "name")]
    for _ in range(12):
        selector.report("comparison", "sign", 0.0)
        selector.report("name", "name", 1.0)
    assert selector.missed("comparison", "sign") < 0.001
    rng = np.random.default_rng(0)
    chosen = [selector.choose(classes, rng) for _ in range(400)]
    assert 0.7 < np.mean(chosen) < 0.9  # all but the floor
    for _ in range(12):
        selector.report("name", "name", 0.0)
        selector.report("comparison", "sign", 1.0)
    assert np.mean([selector.choose(classes, rng) for _ in range(400)]) < 0.05


def test_an_untried_class_is_tried_and_other_sources_do_not_count() -> None:
    selector = Selector(floor=0.0)
    assert selector.missed("shrink", "nothing") == 1.0
    selector.report("real", "name", 0.0)
    everything_known = Selector(floor=0.0, memory=0.0)
    everything_known.report("name", "name", 0.0)
    assert everything_known.choose([("name", "name")] * 2, np.random.default_rng(0)) == 0
    with pytest.raises(UnknownNameError, match="kind of repair"):
        selector.report("name", "nam", 0.5)
    with pytest.raises(ConfigError, match="floor is 2"):
        Selector(floor=2)


def test_blended_is_half_by_hand_and_half_fitted() -> None:
    found, parts = mix("blended"), [mix("hand"), mix("fitted")]
    total = sum(found.weights.values())
    for name, weight in found.weights.items():
        shares = [part.weights.get(name, 0.0) / sum(part.weights.values()) for part in parts]
        assert weight / total == pytest.approx(sum(shares) / 2)
    assert found.counts == mix("fitted").counts
