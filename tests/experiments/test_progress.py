"""What is shown: bars on a terminal, plain lines elsewhere, ASCII on demand."""

from __future__ import annotations

import gzip
import io
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hrmgym.cli import main
from hrmgym.config import expand_home, named_path
from hrmgym.envs.benchmarks.data import candidates
from hrmgym.envs.benchmarks.quixbugs import SOURCE
from hrmgym.envs.sandboxes.local import nursery
from hrmgym.envs.streams import is_ascii, is_plain
from hrmgym.experiments.loader import load
from hrmgym.experiments.progress import Bars, line, progress
from hrmgym.experiments.run import RunFolder
from hrmgym.hrm.checkpoint import checkpoint_folder
from hrmgym.trainers.data.protected import HUMANEVAL, protected_programs

SCRIPT = Path(sys.executable).parent / "hrmgym"


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_come_first_then_every_ten_seconds_and_at_the_end() -> None:
    stream, clock = io.StringIO(), Clock()
    with progress(stream, clock) as show:
        for done in range(1, 31):
            clock.now += 1
            show("score", done, 30, f"{done // 2} solved")
        show("score", 30, 30, "15 solved")
    assert stream.getvalue().splitlines() == [
        "score: 1 of 30, 0 solved, 1/s, 0:00:29 left",
        "score: 11 of 30, 5 solved, 1/s, 0:00:19 left",
        "score: 21 of 30, 10 solved, 1/s, 0:00:09 left",
        "score: 30 of 30, 15 solved, 1/s, 0:00:00 left",
    ]


def test_each_phase_has_its_own_clock() -> None:
    stream, clock = io.StringIO(), Clock()
    with progress(stream, clock) as show:
        clock.now += 100
        show("warm start", 4, 4, "loss 3")
        show("ppo", 0, 2, "")
        clock.now += 11
        show("ppo", 1, 2, "")
    assert stream.getvalue().splitlines() == [
        "warm start: 4 of 4, loss 3, 0.04/s, 0:00:00 left",
        "ppo: 0 of 2",
        "ppo: 1 of 2, 0.0909/s, 0:00:11 left",
    ]


def test_a_long_time_left_has_hours() -> None:
    assert line("x", 1, 11, "", 3600).endswith("10:00:00 left")


@pytest.mark.parametrize(
    ("environ", "ascii_only"),
    [
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LC_CTYPE": "C"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "C"}, False),
        ({"LC_ALL": "C", "PYTHONUTF8": "1"}, False),
        ({}, False),
    ],
)
def test_the_locale_says_whether_only_ascii_is_shown(
    environ: dict[str, str], ascii_only: bool
) -> None:
    utf8 = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    assert is_ascii(utf8, environ) is ascii_only
    assert is_ascii(io.TextIOWrapper(io.BytesIO(), encoding="ascii"), environ)


def test_no_terminal_is_plain_whatever_is_forced() -> None:
    assert is_plain(io.StringIO(), {"FORCE_COLOR": "1", "TERM": "xterm"})


def on_terminal(environ: dict[str, str]) -> str:
    """What a scoring's progress writes to a terminal."""
    code = (
        "from hrmgym.experiments.progress import progress\n"
        "with progress() as show:\n"
        "    show('score', 1, 2, '1 solved')\n"
        "    show('score', 2, 2, '2 solved')\n"
    )
    ours, theirs = pty.openpty()
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM", "FORCE_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=theirs, env=plain | {"TERM": "xterm"} | environ
    ) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            seen += part
        assert process.wait(60) == 0
    os.close(ours)
    return seen.decode()


@pytest.mark.parametrize(
    ("environ", "bar"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_a_bar_unless_it_wants_none(environ: dict[str, str], bar: bool) -> None:
    seen = on_terminal(environ)
    assert "2/2" in seen if bar else "score: 2 of 2, 2 solved" in seen
    assert ("\x1b" in seen) is bar


def test_the_bars_tell_of_scoring_and_training(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars().training() as on_training:
        on_training("warm start", 1, 4, "loss 3")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("warm start: 1 of 4, loss 3")


def test_a_scoring_in_a_pipe_is_ascii_and_has_no_control_character(tmp_path: Path) -> None:
    arguments = ["score", "score-katas-random", "policy=noop", "score={mode: episodes, k: [1]}"]
    arguments += ["benchmark.tasks=[seat_groups/hand-1]", "--runs=~/runs"]
    environ = os.environ | {"LC_ALL": "C", "FORCE_COLOR": "1", "HOME": str(tmp_path)}
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, env=environ, timeout=120)
    assert done.returncode == 0, done.stderr
    seen = (done.stdout + done.stderr).decode("ascii")
    assert all(character == "\n" or " " <= character <= "~" for character in seen)
    assert "score: 1 of 1, 0 solved" in seen
    assert (tmp_path / "runs").is_dir()


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("benchmark.path=~/x", lambda e: e.benchmark.path),
        ("policy={kind: hrm, checkpoint: ~/x}", lambda e: e.policy.checkpoint),
        ("sandbox={type: docker, python_standalone_dir: ~/x}",
         lambda e: e.sandbox.python_standalone_dir),
    ],
)  # fmt: skip
def test_a_tilde_is_the_home_folder(override: str, value: object) -> None:
    assert callable(value)
    assert value(load("score-katas-random", [override])) == expand_home("~/x")
    nobody = override.replace("~/x", "~nobody-of-that-name/x")
    assert value(load("score-katas-random", [nobody])) == "~nobody-of-that-name/x"


def test_a_tilde_in_a_variable_or_an_argument_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No shell has expanded what stands in a file of variables, or comes from Python."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("data", "runs"):
        monkeypatch.setenv(f"HRMGYM_{name.upper()}", f"~/{name}")
    (tmp_path / "data" / HUMANEVAL).parent.mkdir(parents=True)
    (tmp_path / "data" / HUMANEVAL).write_bytes(gzip.compress(b""))
    assert candidates(SOURCE)[0] == tmp_path / "data" / SOURCE.folder
    assert not any("HumanEval" in one for one in protected_programs()[1])
    assert str(tmp_path / "data") in nursery._hidden_paths()
    experiment = load("score-katas-random", [])
    made = [RunFolder.create(experiment, root) for root in (None, "~/other")]
    assert [run.path.parent for run in made] == [tmp_path / "runs", tmp_path / "other"]
    assert RunFolder(f"~/runs/{made[0].path.name}").path == made[0].path
    for run, arguments in zip(made, ([], ["~/other"]), strict=True):
        assert main(["runs", *arguments]) == 0
        assert run.path.name in capsys.readouterr().out
    assert checkpoint_folder("~/x") == tmp_path / "x"
    assert named_path("HRMGYM_DATA") == tmp_path / "data"
    monkeypatch.setenv("HRMGYM_DATA", "")
    assert named_path("HRMGYM_DATA") is None


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["score", "--k\x1b[1m"]])
def test_help_and_errors_have_no_control_character_where_none_is_wanted(
    arguments: list[str],
) -> None:
    """A pipe in continuous integration, whose FORCE_COLOR and GITHUB_ACTIONS move others; and a
    terminal under NO_COLOR."""
    asked = {"FORCE_COLOR": "1", "GITHUB_ACTIONS": "true", "LC_ALL": "C"}
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, env=os.environ | asked)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [SCRIPT, *arguments], stdout=theirs, stderr=theirs, env=os.environ | {"NO_COLOR": "1"}
    )
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # the other end is closed
        while read := os.read(ours, 65536):
            seen += read
    os.close(ours)
    process.wait()
    for text in (done.stdout + done.stderr, seen.replace(b"\r\n", b"\n")):
        assert text
        assert all(byte == 10 or 32 <= byte < 127 for byte in text), text
