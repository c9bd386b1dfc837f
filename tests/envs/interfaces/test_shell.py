"""Tests of the `shell` interface; running commands is tested with the environment."""

from __future__ import annotations

import pytest
from gymnasium.utils import seeding

from hrmgym.envs.interfaces import RefusedError, ShellInterface
from hrmgym.envs.interfaces.shell import TextSpace
from hrmgym.envs.task import Outcome, Status
from hrmgym.errors import ActionError
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED, double_task, state_of

SHELL = ShellInterface(1000)


def test_text_of_any_alphabet_is_in_the_space() -> None:
    space = TextSpace(10)
    assert space.contains("é\n\0")
    assert not space.contains("x" * 11)
    assert not space.contains(b"x")
    assert space.contains(space.sample())
    assert space == TextSpace(10) != TextSpace(11)


def test_samples_are_seeded() -> None:
    rng, _ = seeding.np_random(3)
    other, _ = seeding.np_random(3)
    assert TextSpace(10, rng).sample() == TextSpace(10, other).sample()


def test_the_first_observation_is_the_task() -> None:
    text = SHELL.observe(state_of(double_task()))
    assert text.startswith("Repair double.")
    assert DOUBLE in text
    assert DOUBLE_FIXED not in text
    assert SHELL.observation_space.contains(text)


def test_later_observations_are_output_and_tests() -> None:
    outcome = Outcome(tests={"a": Status.FAILED}, message="a is wrong")
    state = state_of(double_task(), steps=1, output="hello", outcome=outcome)
    assert SHELL.observe(state) == "hello\nvisible tests: 0/1 tests pass\na is wrong"


def test_a_flood_is_cut() -> None:
    text = SHELL.observe(state_of(double_task(), steps=1, output="x" * 100_000))
    assert SHELL.observation_space.contains(text)
    assert text.endswith("... (cut) ...\n")


def test_commands() -> None:
    state = state_of(double_task())
    assert SHELL.decode("submit", state).tool == "submit"
    assert SHELL.decode(" test\n", state).tool == "run_tests"
    assert SHELL.decode("ls -l", state).text == "ls -l"


@pytest.mark.parametrize("command", ["", "  \n", "a\0b"])
def test_empty_commands_are_refused(command: str) -> None:
    with pytest.raises(RefusedError):
        SHELL.decode(command, state_of(double_task()))


def test_no_test_runs_left() -> None:
    with pytest.raises(RefusedError, match="no test runs"):
        SHELL.decode("test", state_of(double_task(), test_runs=8))


@pytest.mark.parametrize("action", [b"ls", 3, "x" * 2000])
def test_other_things_are_no_commands(action: object) -> None:
    with pytest.raises(ActionError, match="a shell action is a str of at most 1000 characters"):
        SHELL.decode(action, state_of(double_task()))


def test_toward_writes_the_files_then_submits() -> None:
    state = state_of(double_task())
    assert "x * 2" in SHELL.toward(state, {"double.py": DOUBLE_FIXED})
    assert SHELL.toward(state, {"double.py": DOUBLE}) == "submit"
