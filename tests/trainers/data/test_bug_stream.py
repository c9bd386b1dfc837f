"""Tests of the stream of self-made bugs."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from hrmgym.envs.bugs.making import Mix, mix
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.interfaces.edit import BUDGET
from hrmgym.envs.tokens import load_tokens
from hrmgym.errors import ConfigError
from hrmgym.tests.tiny import CLAMP_FIXED, DOUBLE_FIXED, LOOP_FIXED
from hrmgym.trainers.data.bug_stream import (
    BugStream,
    Program,
    Sample,
    broken,
)
from hrmgym.trainers.data.selector import KINDS, Selector

PROGRAMS = [
    Program("double", DOUBLE_FIXED, "Doubles."),
    Program("clamp", CLAMP_FIXED, "Clamps."),
    Program("count", LOOP_FIXED, "Counts."),
]
INTERFACE = EditInterface(96)


def stream(**options: object) -> BugStream:
    fields: dict[str, object] = {"seed": 0, "max_span": 32} | options
    return BugStream(PROGRAMS, INTERFACE, **fields)  # type: ignore[arg-type]


def same(one: Sample, two: Sample) -> bool:
    return (one.action == two.action).all() and all(
        (one.observation[key] == two.observation[key]).all() for key in one.observation
    )


def shown(sample: Sample) -> str:
    """The code on the canvas."""
    tokens, roles = sample.observation["tokens"], sample.observation["roles"]
    return load_tokens().decode(map(int, tokens[(roles == 7) | (roles == 8)]))


def repaired(sample: Sample) -> str:
    """The code after the sample's action, put together by hand."""
    vocabulary = load_tokens()
    tokens, roles = sample.observation["tokens"], sample.observation["roles"]
    _, start, end, *entries = map(int, sample.action)
    first = int(np.flatnonzero((roles == 7) | (roles == 8))[0])
    last = int(np.flatnonzero((roles == 7) | (roles == 8))[-1]) + 1
    new: list[int] = []
    for entry in itertools.takewhile(lambda one: one != 1, entries):
        if entry < vocabulary.size:
            new.append(entry)
            continue
        at = entry - vocabulary.size
        new.append(int(tokens[at]))
        at += 1
        while roles[at] == roles[at - 1] // 2 * 2 and roles[at] in (4, 6, 8, 10):
            new.append(int(tokens[at]))
            at += 1
    ids = [*map(int, tokens[first:start]), *new, *map(int, tokens[end:last])]
    return vocabulary.decode(ids)


def test_with_every_place_each_target_repairs_one_of_the_broken_places() -> None:
    texts = {program.code for program in PROGRAMS}
    recipe = Mix(mix("fitted").weights, (0.0, 1.0))
    made = stream(recipe=recipe, every_place=True)
    seen = 0
    for index in range(40):
        sample = made.sample(index)
        for other in sample.others:
            seen += 1
            assert other[0] == 0
            # One after the other, the later place first, so that the earlier one stays in place.
            first, second = sorted((sample.action, other), key=lambda action: -action[1])
            assert first[1] >= second[2]
            assert repaired(replace(sample, action=first)) not in texts
            assert repaired(replace(sample, action=second)) not in texts
    assert seen
    alone = stream(recipe=recipe)
    assert not any(alone.sample(index).others for index in range(20))


def test_every_action_restores_a_working_program() -> None:
    texts = {program.code for program in PROGRAMS}
    for index in range(60):
        sample = stream().sample(index)
        assert sample.action[0] == 0
        assert shown(sample) not in texts
        assert repaired(sample) in texts


def test_a_sample_depends_on_seed_and_number_alone() -> None:
    one, two = stream(), stream()
    two.sample(17)
    assert same(one.sample(5), two.sample(5))
    for index, sample in zip(range(3, 8), one(3), strict=False):
        assert same(sample, two.sample(index))
    assert not all(same(one.sample(i), stream(seed=1).sample(i)) for i in range(8))


def test_budgets_and_prompts_vary() -> None:
    samples = [stream().sample(index) for index in range(40)]
    assert len({int(one.observation["budget"][0]) for one in samples}) > 4
    assert len({one.operator for one in samples}) > 5
    prompts = [(one.observation["roles"] == 3).any() for one in samples]
    assert any(prompts)
    assert not all(prompts)
    for one in samples:
        counts = dict(zip(BUDGET, one.observation["budget"], strict=True))
        assert counts["tests_passed"] < counts["tests_total"]


def test_long_spans_are_left_out() -> None:
    for index in range(60):
        action = stream(max_span=1).sample(index).action
        assert action[2] - action[1] <= 1


def test_a_stream_needs_something_to_draw_from() -> None:
    with pytest.raises(ConfigError, match="holds no programs"):
        BugStream([], INTERFACE, seed=0, max_span=8)
    empty = BugStream([Program("empty", "", "")], INTERFACE, seed=0, max_span=8)
    with pytest.raises(ConfigError, match="use a larger canvas"):
        empty.sample(0)


def test_a_program_without_a_bug_to_make() -> None:
    rng = np.random.default_rng(0)
    assert broken(Program("f", "", ""), INTERFACE, rng, 8) is None


def test_parts_of_a_repair_come_one_by_one() -> None:
    mixed = stream(recipe=Mix({"off-by-one": 1.0, "name": 1.0}, (0.0, 1.0)))
    whole = {program.code for program in PROGRAMS}
    left = Counter(repaired(mixed.sample(index)) in whole for index in range(60))
    assert left[True] > 5  # the last part
    assert left[False] > 5  # the first of two
    assert {mixed.sample(index).operator for index in range(20)} <= {"off-by-one", "name"}


def test_a_selector_shifts_what_is_made_and_can_be_left_out() -> None:
    recipe = Mix({"comparison": 1.0, "drop-statement": 1.0})

    def share(**options: object) -> float:
        made = [stream(recipe=recipe, **options).sample(index) for index in range(120)]
        return float(np.mean([one.operator == "comparison" for one in made]))

    selector = Selector(floor=0.1, memory=0.0)
    for kind in KINDS:
        selector.report("comparison", kind, 0.02)
    assert share(selector=selector) < 0.75 * share()
    for kind in KINDS:
        selector.report("comparison", kind, 1.0)
        selector.report("drop-statement", kind, 0.02)
    assert share(selector=selector) > 1.2 * share()
    assert share(selector=None) == share()


def test_kinds_say_what_the_repair_writes() -> None:
    made = [stream().sample(index) for index in range(60)]
    assert {one.kind for one in made} <= set(KINDS)
    assert len({one.kind for one in made}) > 3


def test_a_dressed_program_stands_in_a_file_and_its_repair_still_works() -> None:
    programs = [
        Program("double", DOUBLE_FIXED, "Doubles.", "Doubles.\n\nWhatever it is."),
        Program("clamp", CLAMP_FIXED, "Clamps.", "Clamps between two bounds."),
    ]
    interface = EditInterface(256)
    made = BugStream(programs, interface, seed=0, max_span=32, dressed=1.0)
    samples = [made.sample(index) for index in range(60)]
    repairs = [repaired(sample) for sample in samples]
    fixed = {DOUBLE_FIXED.strip(), CLAMP_FIXED.strip()}
    assert all(any(code in repair for code in fixed) or '"""' in repair for repair in repairs)
    assert any(all(code in repair for code in fixed) for repair in repairs)
    assert any('"""\nDoubles' in repair for repair in repairs)
    assert any('    """Clamps between' in repair for repair in repairs)
    assert sum(repair.strip() in fixed for repair in repairs) < 30


def test_without_a_share_nothing_is_dressed() -> None:
    assert all(same(stream().sample(n), stream(dressed=0.0).sample(n)) for n in range(20))
    assert not all(same(stream().sample(n), stream(dressed=1.0).sample(n)) for n in range(20))
