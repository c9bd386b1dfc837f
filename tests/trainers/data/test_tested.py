"""Tests of samples that hold what failing tests say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from hrmgym.envs.bugs.making import mix
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.interfaces.edit import BUDGET
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallCase, Limits
from hrmgym.envs.tokens import load_tokens
from hrmgym.errors import ConfigError
from hrmgym.tests.tiny import CLAMP_FIXED, LOOP_FIXED
from hrmgym.tests.trainers.data.test_bug_stream import repaired, same, shown
from hrmgym.trainers.data.batches import batches
from hrmgym.trainers.data.found_tests import CheckedFunction
from hrmgym.trainers.data.tested import TestedStream

FLOOR = "def floor(x):\n    y = math.floor(x)\n    return y + 1\n"


def program(
    name: str, code: str, imports: str, *cases: tuple[tuple[object, ...], object]
) -> CheckedFunction:
    numbered = enumerate(cases)
    return CheckedFunction(
        name,
        code,
        imports,
        f"What {name} does.",
        tuple(CallCase(id=f"call-{n}", args=args, expected=value) for n, (args, value) in numbered),
    )


PROGRAMS = [
    program("clamp", CLAMP_FIXED, "", ((5, 0, 3), 3), ((-5, 0, 3), 0), ((1, 0, 3), 1)),
    program("count", LOOP_FIXED, "", ((3,), 3), ((0,), 0)),
    program("floor", FLOOR, "import math\n\n\n", ((2.5,), 3), ((0.5,), 1)),
]
INTERFACE = EditInterface(256)


def stream(**options: object) -> TestedStream:
    fields: dict[str, object] = {"seed": 0, "max_span": 32, "weights": mix("blended").weights}
    return TestedStream(PROGRAMS, INTERFACE, **fields | options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.mark.parametrize("dressed", [0.0, 1.0])
def test_a_test_fails_before_the_repairs_and_none_after_a_single_one(
    dressed: float, sandbox: Sandbox
) -> None:
    def resolved(own: CheckedFunction, code: str) -> bool:
        return sandbox.run_tests({own.tests.path: code}, own.tests, Limits()).resolved

    made = stream(dressed=dressed)
    single = 0
    for index in range(20):
        sample = made.sample(index)
        owners = [one for one in PROGRAMS if f"def {one.name}" in shown(sample)]
        broken = [one for one in owners if not resolved(one, shown(sample))]
        assert broken
        if not sample.others:
            single += 1
            assert resolved(broken[0], repaired(sample))
    assert single > 4


def test_the_canvas_has_what_the_failing_test_says() -> None:
    made = stream()
    samples = [made.sample(index) for index in range(30)]
    texts = []
    for sample in samples:
        tokens, roles = sample.observation["tokens"], sample.observation["roles"]
        texts.append(load_tokens().decode(map(int, tokens[(roles == 9) | (roles == 10)])))
        counts = dict(zip(BUDGET, sample.observation["budget"], strict=True))
        assert counts["tests_passed"] < counts["tests_total"]
        assert counts["steps_left"] == counts["test_runs_left"] > 0
    assert np.mean([", expected " in text for text in texts]) > 0.3
    assert any(" raised " in text for text in texts)
    assert any(text == "" for text in texts)


def test_a_sample_depends_on_seed_and_number_alone() -> None:
    one, two = stream(dressed=0.5), stream(dressed=0.5)
    two.sample(9)
    other = stream(seed=1)
    assert all(same(one.sample(index), two.sample(index)) for index in range(4))
    assert not all(same(one.sample(index), other.sample(index)) for index in range(4))


def test_a_worker_makes_the_same_samples_in_a_sandbox_of_its_own() -> None:
    made = stream()
    before = made.sample(0)  # so that this process has a sandbox that the other must not use
    (here,), (there,) = (
        list(itertools.islice(batches(made, 4, 0, workers), 1)) for workers in (0, 1)
    )
    assert all(same(one, other) for one, other in zip(here, there, strict=True))
    assert same(made.sample(0), before)


def test_no_programs_and_programs_without_a_visible_bug_are_an_error() -> None:
    with pytest.raises(ConfigError, match="tested_share"):
        TestedStream([], INTERFACE, seed=0, max_span=8, weights=mix("hand").weights)
    empty = [program("empty", "", "")]
    with pytest.raises(ConfigError, match="their tests see"):
        TestedStream(empty, INTERFACE, seed=0, max_span=8, weights=mix("hand").weights).sample(0)
