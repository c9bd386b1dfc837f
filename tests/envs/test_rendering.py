"""Tests of rendering."""

from __future__ import annotations

import re

import pytest

from hrmgym.envs.rendering import diff, render
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Outcome, Status
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED, Tiny, double_task, state_of


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_diff_of_two_workspaces() -> None:
    text = diff({"a.py": DOUBLE, "same": "x"}, {"a.py": DOUBLE_FIXED, "same": "x", "new": "y"})
    assert "-    return x + 2" in text
    assert "+    return x * 2" in text
    assert "+y" in text
    assert "same" not in text


def test_the_untouched_task_shows_its_code() -> None:
    text = plain(render(state_of(double_task())))
    assert "tiny: double, step 0 of 8" in text
    assert "Repair double." in text
    assert "return x + 2" in text


def test_a_change_shows_as_a_coloured_diff_with_test_results() -> None:
    outcome = Outcome(tests={"one": Status.PASSED, "two": Status.TIMEOUT}, message="two hangs")
    state = state_of(double_task(), files={"double.py": DOUBLE_FIXED}, outcome=outcome, output="hi")
    text = render(state, "not solved")
    assert "\x1b[" in text
    for part in ("-    return x + 2", "+    return x * 2", "one ok", "two timeout", "two hangs"):
        assert part in plain(text)
    assert plain(text).rstrip().endswith("not solved")


def test_human_mode_prints_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    env = SoftwareEnv(Tiny(), task="double", render_mode="human")
    env.reset(seed=0)
    env.step(env.interface.toward(env.state, env.state.task.reference))
    env.close()
    shown = plain(capsys.readouterr().out)
    assert shown.count("tiny: double") == 2
    assert "solved" in shown


def test_ansi_mode_returns_text() -> None:
    env = SoftwareEnv(Tiny(), task="double", render_mode="ansi")
    env.reset(seed=0)
    assert "return x + 2" in plain(env.render())
    env.close()
