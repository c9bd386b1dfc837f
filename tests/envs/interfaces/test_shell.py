"""Tests of the `shell` interface; running commands is tested with the environment."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.interfaces import RefusedError, ShellInterface
from hrmgym.envs.task import Outcome, Status, Workspace
from hrmgym.errors import ActionError
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED, double_task, state_of

SHELL = ShellInterface(1000)


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
    outcome = Outcome(tests={"a": Status.FAILED}, message="wrong " * 10_000)
    output = "first" + "x" * 100_000 + "last"
    text = SHELL.observe(state_of(double_task(), steps=1, output=output, outcome=outcome))
    assert SHELL.observation_space.contains(text)
    said, _, verdict = text.partition("visible tests: 0/1 tests pass\nwrong")
    assert said.startswith("first")
    assert said.endswith("last\n")
    assert "characters left out" in said
    assert verdict.endswith("wrong ")


def test_the_first_observation_has_a_size() -> None:
    many = {f"lib/file_{number:04}.txt": "text " * 50 for number in range(3000)}
    task = replace(
        double_task(),
        prompt="Repair double. " * 400,
        workspace=Workspace(files={"double.py": DOUBLE, "long.py": "y = 1\n" * 9000, **many}),
        editable=("double.py", "long.py"),
    )
    text = SHELL.observe(state_of(task))
    assert SHELL.observation_space.contains(text)
    assert f"--- double.py\n{DOUBLE}" in text
    assert "--- long.py\ny = 1\n" in text
    assert "lib/file_0000.txt" in text
    assert "and 2900 more" in text
    assert "text text" not in text
    few = replace(task, editable=tuple(many)[:2000])
    text = SHELL.observe(state_of(few))
    assert SHELL.observation_space.contains(text)
    assert "more editable files: look with" in text


@pytest.mark.parametrize("own", ["submit", "test"])
@pytest.mark.parametrize(
    ("command", "before"),
    [
        ("{}", ""),
        ("{}  # that should do", ""),
        ("  {};\n", ""),
        ("ls\n{}", "ls"),
        ("cd x && ls\n\n{} # now", "cd x && ls"),
        ("cat <<'E' > f\nit's {}\nE\n{}", "cat <<'E' > f\nit's {}\nE"),
        ("cat <<A <<-B\n1\nA\n2\n\tB\n{}", "cat <<A <<-B\n1\nA\n2\n\tB"),
        ("echo $((1 << 2))\n{}", "echo $((1 << 2))"),
        ("# it's a comment\n{}", "# it's a comment"),
        ("cat <<E\n{}", None),
        ("cat <<'{}'\nx\n{}", None),
        ("echo 'a\n{}", None),
        ("echo a \\\n{}", None),
        ("true &&\n{}", None),
        ("{} now", None),
        ("echo {}", None),
        ("{}\nls", None),
        ("./{}", None),
    ],
)
def test_the_environments_own_words(own: str, command: str, before: str | None) -> None:
    call = SHELL.decode(command.replace("{}", own), state_of(double_task()))
    if before is None:
        assert (call.tool, call.text) == ("shell", command.replace("{}", own).strip())
    else:
        tool = "submit" if own == "submit" else "run_tests"
        assert (call.tool, call.text) == (tool, before.replace("{}", own))


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


@pytest.mark.parametrize(
    "text",
    ["x = 1\n" * 900, "it's '' \"$(rm)\" `x` \\n %s\n" * 100, "é\udcff€\n" * 900, "'" * 3000],
)
def test_a_file_that_is_too_long_for_one_action_is_written_in_parts(
    tmp_path: Path, text: str
) -> None:
    state = state_of(double_task())
    target = {"a dir/b.py": text, "double.py": DOUBLE_FIXED}
    (tmp_path / "a dir").mkdir()
    (tmp_path / "a dir/b.py").write_text("old")
    files = state.files.with_text("a dir/b.py", "old")
    for _ in range(200):
        action = SHELL.toward(replace(state, files=files), target)
        if action == "submit":
            break
        assert SHELL.action_space.contains(action)
        command = action.encode("utf-8", "surrogateescape")
        subprocess.run([b"bash", b"-c", command], cwd=tmp_path, check=True)
        for path in target:
            if (tmp_path / path).exists():
                data = (tmp_path / path).read_bytes()
                files = files.with_text(path, data.decode("utf-8", "surrogateescape"))
    assert {path: files[path] for path in target} == target
