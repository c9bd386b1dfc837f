"""How many known fixes are legal edits."""

from __future__ import annotations

import pytest

from hrmgym.envs import make_benchmark
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.task import Task


def reached(task: Task) -> bool:
    assert task.reference is not None
    return all(
        legal_edits(task.workspace.files[path]).find(text) is not None
        for path, text in task.reference.items()
    )


def test_some_fixes_of_quixbugs_are_legal() -> None:
    assert all(map(reached, make_benchmark("quixbugs").tasks("test")[::6]))


@pytest.mark.nightly
def test_all_fixes_of_quixbugs_are_legal() -> None:
    assert [t.id for t in make_benchmark("quixbugs").tasks("test") if not reached(t)] == []


@pytest.mark.nightly
def test_most_fixes_of_katas_are_legal() -> None:
    tasks = make_benchmark("katas").tasks("test")
    assert sum(map(reached, tasks)) > 0.7 * len(tasks)
