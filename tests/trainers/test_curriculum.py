"""Tests of where training episodes start."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.tests.tiny import DOUBLE, Tiny
from hrmgym.trainers.curriculum import (
    MAX_DEPTH,
    WINDOW,
    Curriculum,
    Start,
    made_bug,
    with_curriculum,
)

CODE = "def f(a, b):\n    if a < b and b > 0:\n        return a + b * 2\n    return max(a, b) - 1\n"


def play(curriculum: Curriculum, depth: int, solved: int, task: str = "a") -> None:
    for number in range(WINDOW):
        curriculum.report(Start(task, depth), number < solved)


def test_the_frontier_follows_success() -> None:
    curriculum = Curriculum("reverse", 0)
    curriculum.add("a", True)
    play(curriculum, 1, 25)  # 0.78: not enough
    assert curriculum.frontier["a"] == 1
    play(curriculum, 1, 27)
    assert curriculum.frontier["a"] == 2
    play(curriculum, 1, WINDOW)  # not from the frontier
    assert curriculum.frontier["a"] == 2
    play(curriculum, 2, 6)
    assert curriculum.frontier["a"] == 1
    play(curriculum, 1, 0)
    assert curriculum.frontier["a"] == 1
    for depth in range(1, MAX_DEPTH + 1):
        play(curriculum, depth, WINDOW)
    assert curriculum.metrics() == {"depth": MAX_DEPTH + 1, "forward": 1.0}
    assert curriculum.draw() == Start("a", 0)


def test_shares_of_the_starts() -> None:
    curriculum = Curriculum("reverse", 0)
    curriculum.add("a", True)
    curriculum.frontier["a"] = 3
    drawn = Counter(curriculum.draw().depth for _ in range(4000))
    assert drawn[3] / 4000 == pytest.approx(0.7, abs=0.03)
    assert (drawn[1] + drawn[2]) / 4000 == pytest.approx(0.2, abs=0.03)
    assert drawn[0] / 4000 == pytest.approx(0.1, abs=0.03)
    uniform = Curriculum("uniform", 0)
    uniform.add("a", True)
    alike = Counter(uniform.draw().depth for _ in range(6000))
    assert all(alike[d] / 6000 == pytest.approx(1 / 6, abs=0.03) for d in range(MAX_DEPTH + 1))


def test_full_starts_prefer_what_is_half_solved() -> None:
    curriculum = Curriculum("reverse", 0)
    for task, solved in (("easy", WINDOW), ("half", WINDOW // 2), ("hard", 0)):
        curriculum.add(task, False)
        play(curriculum, 0, solved, task)
    drawn = Counter(curriculum.draw().task for _ in range(2000))
    assert drawn["half"] > 3 * drawn["easy"] > 0
    assert drawn["half"] > 3 * drawn["hard"] > 0


def test_it_goes_on_from_its_state(tmp_path: Path) -> None:
    one, two = Curriculum("reverse", 0), Curriculum("reverse", 0)
    one.add("a", True)
    play(one, 1, WINDOW)
    play(one, 0, 8)
    one.save(tmp_path / "c.json")
    two.add("a", True)
    two.load(tmp_path / "c.json")
    assert two.metrics() == one.metrics()
    assert two.frontier == {"a": 2}
    two.add("b", True)
    two.load(tmp_path / "c.json")
    assert two.frontier == {"a": 2, "b": 1}, "a task that the state does not know is new"
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(CheckpointError, match="should be an object with keys"):
        two.load(tmp_path / "c.json")


@pytest.mark.parametrize("name", ["frontier", "at_frontier", "full"])
def test_a_state_of_other_tasks_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "c.json"
    known = Curriculum("reverse", 0)
    known.add("double", True)
    known.save(path)
    state = json.loads(path.read_text())
    state[name]["doubl"] = state[name]["double"]
    path.write_text(json.dumps(state))
    before = dict(known.frontier)
    with pytest.raises(CheckpointError) as caught:
        known.load(path)
    assert str(caught.value) == f"{path}: {name}: unknown task 'doubl'; did you mean 'double'?"
    assert known.frontier == before


def test_bugs_have_the_depth_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    found = [(d, made_bug(CODE, d, rng)) for d in (1, 2, 3) for _ in range(5)]
    bugs = [(depth, bug) for depth, bug in found if bug is not None]
    assert {depth for depth, _ in bugs} >= {1, 2}
    for depth, bug in bugs:
        assert len(bug.repairs) == depth
        assert bug.fixed == CODE
        assert bug.code != CODE
    assert made_bug("def f(:", 1, rng) is None


def test_episodes_start_at_made_bugs_and_report() -> None:
    curriculum = Curriculum("reverse", 0)
    env = with_curriculum(SoftwareEnv(Tiny(), task="double", canvas=96, max_steps=2), curriculum)
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    texts = set()
    try:
        for _ in range(6):
            env.reset()
            assert base.state.outcome is not None
            assert not base.state.outcome.resolved
            texts.add(base.state.files["double.py"])
            solution = base.interface.toward(base.state, base.task.reference)  # type: ignore[union-attr]
            *_, terminated, _, info = env.step(solution)
            assert terminated
            assert info["is_success"]
        env.reset(options={"task": "double"})
        assert base.state.files["double.py"] == DOUBLE
    finally:
        env.close()
    assert len(texts) > 1
    played = sum(map(len, (*curriculum._at_frontier.values(), *curriculum._full.values())))
    assert played == 6


def test_it_needs_the_tests() -> None:
    env = SoftwareEnv(Tiny(), canvas=96, auto_test=False)
    with pytest.raises(ConfigError, match="auto_test"):
        with_curriculum(env, Curriculum("reverse", 0))
    env.close()
