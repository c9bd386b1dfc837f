"""Tests of samples made from a benchmark's tasks."""

from __future__ import annotations

import pytest

from hrmgym.envs.software import SoftwareEnv
from hrmgym.tests.tiny import Tiny
from hrmgym.tests.trainers.data.test_bug_stream import PROGRAMS, repaired
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.data.examples import benchmark_examples


@pytest.fixture(scope="module")
def examples() -> list[Sample]:
    """Samples of the tiny benchmark's three tasks."""
    env = SoftwareEnv(Tiny(), canvas=96)
    found = benchmark_examples(
        env, env.benchmark.tasks("train"), seed=0, max_span=16, per_program=8
    )
    env.close()
    return found


def test_examples_are_tasks_and_more_bugs_with_their_failures(examples: list[Sample]) -> None:
    # All three tasks: `clamp` needs two edits, and its first is what is shown.
    assert [one.operator for one in examples].count("tiny") == 3
    assert len(examples) > 12
    fixed = {program.code for program in PROGRAMS}
    for one in examples:
        assert one.observation["budget"][5] < one.observation["budget"][6]
        if one.operator != "tiny":
            assert repaired(one) in fixed
    shown = [(one.observation["roles"] == 9).any() for one in examples]
    assert all(shown[:1])
    assert any(shown[3:])


def test_dressed_examples_stand_in_a_file_with_the_prompt_for_docstring() -> None:
    env = SoftwareEnv(Tiny(), canvas=128)
    tasks = env.benchmark.tasks("train")
    found = benchmark_examples(env, tasks, seed=0, max_span=16, per_program=20, dressed=1.0)
    env.close()
    made = [one for one in found if one.operator != "tiny"]
    fixed = [program.code for program in PROGRAMS]
    texts = [repaired(one) for one in made]
    assert any('"""Repair' in text or '"""\nRepair' in text for text in texts)
    assert any(text in fixed for text in texts)
    assert all(one.observation["budget"][5] < one.observation["budget"][6] for one in made)
