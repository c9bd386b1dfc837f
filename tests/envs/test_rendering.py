"""Tests of rendering."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest
import rich.console

from hrmgym.envs.rendering import ROWS, render
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Outcome, Status, Workspace
from hrmgym.tests.tiny import DOUBLE_FIXED, Tiny, double_task, state_of


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


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
    env.step(env.interface.toward(env.state, env.task.reference))
    env.close()
    shown = plain(capsys.readouterr().out)
    assert shown.count("tiny: double") == 2
    assert "solved" in shown


def test_ansi_mode_returns_text() -> None:
    env = SoftwareEnv(Tiny(), task="double", render_mode="ansi")
    env.reset(seed=0)
    assert "return x + 2" in plain(env.render())
    env.close()


def test_a_tree_shows_what_changed_in_it_and_nothing_else(tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"m{number}.py").write_text(f"x{number} = 0\n" * 50)
    task = double_task()
    task = replace(task, workspace=Workspace(files=task.workspace.files, tree=str(tmp_path)))
    start = task.workspace.start
    assert "return x + 2" in plain(render(state_of(task, files=start)))
    shown = plain(render(state_of(task, files=start.with_text("m3.py", "x3 = 1\n"))))
    assert "+x3 = 1" in shown
    assert "m4" not in shown
    assert "m40" not in shown


def many_failures() -> Outcome:
    tests = {f"ok-{number}": Status.PASSED for number in range(5000)}
    return Outcome(tests=tests | {"bad": Status.FAILED}, message="why\n" * 3000)


@pytest.mark.parametrize("rows", [16, 48, ROWS])
def test_a_rendering_stays_within_its_lines_and_keeps_every_part(rows: int) -> None:
    task = replace(double_task(), prompt="PROMPT\n" * 500)
    files = double_task().workspace.start.with_text("double.py", "CHANGE\n" * 5000)
    for number in range(200):
        files = files.with_text(f"junk/{number}", "junk\n")
    state = state_of(task, files=files, outcome=many_failures(), output="OUT\n" * 9999 + "LAST")
    shown = plain(render(state, "not solved", rows=rows))
    assert len(shown.splitlines()) <= rows
    assert max(map(len, shown.splitlines())) <= 100
    kept = ("tiny: double", "PROMPT", "+++ b/double.py", "5,000 of 5,001 passed  bad failed", "why")
    for part in (*kept, "LAST", "lines left out]"):
        assert part in shown, part
    assert shown.rstrip().endswith("not solved")


def test_a_notebook_gets_the_text_too(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = render(state_of(double_task()))
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    assert rich.console.Console().is_jupyter
    assert render(state_of(double_task())) == expected
    assert "return x + 2" in plain(expected)


def test_an_unknown_render_mode_does_what_gymnasiums_own_do() -> None:
    for env_id in ("CartPole-v1", "hrmgym/Katas-v0"):
        with pytest.warns(UserWarning, match="'rgb' that is not in the possible render_modes"):
            gymnasium.make(env_id, render_mode="rgb").close()
    env = SoftwareEnv(Tiny(), task="double", render_mode="rgb")
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="'rgb' shows nothing; SoftwareEnv has ansi, human, rgb_a"):
        assert env.render() is None
    env.close()
