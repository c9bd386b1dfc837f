"""`hrmgym check`: exit codes, what is printed, the report, Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hrmgym.cli import main

SMALL = "hrmgym.tests.small_benchmarks:Small"


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code, and standard output without line breaks of tables."""
    code = main(["check", *arguments])
    return code, " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("tasks", "code"),
    [
        (["sound", "no-reference", "marked/passes"], 0),
        (["sound", "untouched-passes"], 1),
        (["sound", "lost"], 3),
        (["lost"], 3),
        (["sound", "lost", "--only-runnable"], 0),
        (["lost", "untouched-passes"], 1),
        (["lost", "untouched-passes", "--only-runnable"], 1),
    ],
)
def test_exit_codes(capsys: pytest.CaptureFixture[str], tasks: list[str], code: int) -> None:
    options = [word for name in tasks for word in (("--tasks", name), (name,))[name[0] == "-"]]
    assert main(["check", SMALL, "--split", "mixed", *options]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_what_needs_a_look_has_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "new" / "report.json"
    code, text = shown(capsys, SMALL, "--split", "mixed", "--json", str(file), "--workers", "2")
    assert code == 1
    assert "untouched-passes │ unsound │ untouched: all tests pass │ apart" in text
    assert "lost │ cannot run here │ lost_connection: it answers no more" in text
    assert "marked/passes │ marked │ untouched_passes: the bug shows on Windows alone" in text
    assert "│ sound │" not in text
    assert (
        "small 1: 1 of 5 sound, 1 no reference, 1 marked, 1 unsound, 1 cannot run here 3 runs of "
        "each, 2 at a time in 'local' sandboxes; tests: apart 5"
    ) in text
    assert text.endswith(f"report: {file}")
    data = json.loads(file.read_text())
    assert [one["verdict"] for one in data["tasks"]] == [
        "sound",
        "unsound",
        "cannot run here",
        "marked",
        "no reference",
    ]
    assert data["complete"]


def test_all_tasks_on_request_and_why_tests_run_together(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    chosen = ["--tasks", "sound", "--tasks", "sound/[tc]o*", "--split", "sound", "--all"]
    code, text = shown(capsys, SMALL, *chosen)
    assert code == 0
    for name, mode in (("", "apart"), ("/together", "together"), ("/command", "harness")):
        assert f"sound{name} │ sound │ │ {mode}" in text
    assert "small 1: 3 of 3 sound" in text
    assert "harness, 1 task: the exit status of 'python3' decides" in text
    assert "together, 1 task: test_f.py:1: " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kata"], "unknown benchmark 'kata'; did you mean 'katas'?"),
        ([f"{SMALL}er"], "benchmark 'hrmgym.tests.small_benchmarks:Smaller': "),
        (["katas", "--path", "x"], "benchmark 'katas' takes no path (got 'x')"),
        (["katas", "--split", "tset"], "benchmark 'katas': unknown split 'tset'; did you mean"),
        (["katas", "--tasks", "zz*"], "benchmark 'katas': unknown task 'zz*'"),
        ([SMALL, "--split", "empty"], "benchmark 'small' has no tasks here"),
        (["katas", "--workers", "0"], "Invalid value for '--workers'"),
        (["katas", "seed=1"], "override 'seed=1': should be sandbox=TYPE or sandbox.KEY=VALUE"),
        (["katas", "sandbox=dokcer"], "override 'sandbox=dokcer': sandbox.type: unknown type"),
        (["katas", "sandbox.imgae=x"], "override 'sandbox.imgae=x': sandbox.imgae: unknown key"),
        (["katas", "--json", "/"], "/: cannot be written: "),
        (["katas", "--json", "/dev/null/x"], "/dev/null/x: cannot be written: "),
        (["jsonl", "--path", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
    ],
)
def test_mistakes_are_one_line_before_anything_runs(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["check", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {message}")
    assert captured.err.count("\n") == 1


def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    script, report = Path(sys.executable).parent / "hrmgym", tmp_path / "report.json"
    process = subprocess.Popen(
        [script, "check", "katas", "--json", str(report)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Not what a shell gives to jobs in the background, which ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first.startswith("check: 1 of 616, 1 sound, ")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted: " in out
    data = json.loads(report.read_text())
    assert not data["complete"]
    assert 1 <= len(data["tasks"]) < data["planned"] == 616
