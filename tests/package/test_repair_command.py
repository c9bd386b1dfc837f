"""`hrmgym repair FILE --tests TESTS`: exit codes, what is printed and written, Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hrmgym.cli import main
from hrmgym.experiments.projects import search
from hrmgym.tests.experiments.projects.small_projects import MEAN, QUICK, contents, write


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = write(tmp_path / "p", MEAN | {"notes.yaml": "", "demo/a.py": ""})
    monkeypatch.chdir(root)
    return root


def test_the_repair_is_shown_and_with_apply_written_where_everything_else_stays(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(search, "MOST_OTHERS", 0)
    file = project / "stats.py"
    file.write_bytes(MEAN["stats.py"].replace("\n", "\r\n").removesuffix("\r\n").encode())
    file.chmod(0o754)
    before = contents(project)
    report = project.parent / "report.json"
    arguments = ["repair", "stats.py", *QUICK, "--tests", "test_stats.py", "--json", str(report)]
    assert main([*arguments, "--apply"]) == 0
    captured = capsys.readouterr()
    assert "test_stats.py: 2 of 5 tests fail" in captured.out
    assert "--- a/stats.py\n+++ b/stats.py\n" in captured.out
    assert "all 5 tests pass after this edit" in captured.out
    assert "test runs: " in captured.err
    data = json.loads(report.read_text())
    assert (data["status"], data["applied"], data["file"]) == ("repaired", True, "stats.py")
    written = file.read_bytes()
    assert written.decode() == data["repair"]["text"].replace("\n", "\r\n")
    assert written != before.pop("stats.py")
    assert file.stat().st_mode & 0o7777 == 0o754
    after = contents(project)
    after.pop("stats.py")
    assert after == before
    assert main(arguments) == 0
    assert "nothing to repair: all tests pass already" in capsys.readouterr().out
    assert json.loads(report.read_text())["status"] == "already passing"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stats.py"], "stats.py: which tests should pass? --tests names a file"),
        (["."], ".: which tests should pass?"),
        (["demo", "--tests", "test_stats.py"], "'demo' is a folder here and a shipped experiment"),
        (["demo"], "'demo' is a folder here and a shipped experiment: write './demo' for"),
        (["none.py", "--tests", "test_stats.py"], "none.py: no such file or folder"),
        (["stat.py"], "stat.py: no such file or folder; did you mean 'stats.py'?"),
        (["notes.yaml", "--tests", "test_stats.py"], "notes.yaml: only Python files (.py)"),
        (["score-quixbugs-noop", "--tests", "test_stats.py"], "--tests goes with a Python file"),
        (["repair-katas", "--apply"], "--apply goes with a Python file or a folder"),
        (["repair-katas", "--runs", "3"], "--runs goes with a Python file or a folder"),
        (["stats.py", "benchmark=katas", "--tests", "test_stats.py"], "override 'benchmark=katas'"),
        (["stats.py", "--tests", "test_stats.py", "--json", "demo"], "demo: cannot be written"),
        (["nope"], "no experiment 'nope'"),
    ],
)
def test_mistakes_are_one_line_before_anything_runs(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["repair", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {message}")
    assert captured.err.count("\n") == 1


def test_the_folder_can_be_told_from_the_experiment(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["repair", "./demo"]) == 2
    assert "./demo: which tests should pass?" in capsys.readouterr().err


def test_tests_that_cannot_be_collected_are_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "test_stats.py").write_text("import no_such_module\n")
    assert main(["repair", "stats.py", *QUICK, "--tests", "test_stats.py"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: --tests test_stats.py: test_stats.py cannot be collected: ")
    assert "no_such_module" in error
    assert "--python" in error


@pytest.mark.nightly
def test_no_repair_within_the_budget_is_status_1(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "test_stats.py").write_text("import stats\ndef test(): assert stats.mean([1]) is 5")
    arguments = ["repair", "stats.py", *QUICK, "--tests", "test_stats.py", "--runs", "7", "--apply"]
    before = contents(project)
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert "no edit makes the test pass: " in out
    assert "in 7 test runs" in out
    assert "--runs allows more" in out
    assert contents(project) == before


@pytest.mark.nightly
def test_ctrl_c_shows_and_writes_what_there_is(project: Path) -> None:
    script, report = Path(sys.executable).parent / "hrmgym", project.parent / "report.json"
    (project / "test_stats.py").write_text("import stats\ndef test(): assert stats.mean([1]) is 5")
    before = contents(project)
    process = subprocess.Popen(
        [
            *(script, "repair", "stats.py", *QUICK, "--tests", "test_stats.py"),
            *("--json", str(report), "--apply"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Not what a shell gives to jobs in the background, which ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    while not process.stderr.readline().startswith("test runs: "):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "no edit makes the test pass: interrupted; " in out
    data = json.loads(report.read_text())
    assert (data["status"], data["applied"]) == ("interrupted", False)
    assert data["search"]["test_runs"] >= 1
    assert contents(project) == before
