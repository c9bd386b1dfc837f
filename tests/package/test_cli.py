"""The command line: exit codes, one-line errors, and what `tasks` and `doctor` print."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import hrmgym
from hrmgym.cli import main
from hrmgym.doctor import sandbox_summary
from hrmgym.envs.sandboxes.local.probe import REQUIRED, Layer
from hrmgym.listing import print_columns


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The real console script, in a process of its own."""
    script = Path(sys.executable).parent / "hrmgym"
    return subprocess.run([script, *arguments], capture_output=True, text=True, timeout=120)


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on standard error that the arguments are answered with."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("error: ").rstrip("\n")


def a_task(capsys: pytest.CaptureFixture[str]) -> str:
    """Id of a task of katas, as `hrmgym tasks` lists it."""
    assert main(["tasks", "katas", "--split", "test"]) == 0
    return capsys.readouterr().out.splitlines()[1].split()[0]


def test_the_console_script_exits_with_its_code() -> None:
    version = run("--version")
    assert (version.returncode, version.stdout) == (0, f"{hrmgym.__version__}\n")
    mistake = run("score", "dmo")
    assert (mistake.returncode, mistake.stdout) == (2, "")
    assert mistake.stderr == "error: no experiment 'dmo'; did you mean 'demo'?\n"


def test_help_and_tasks_import_nothing_heavy() -> None:
    code = (
        "import sys; from hrmgym.cli import main\n"
        "main(['--help']); main(['tasks']); main(['tasks', 'katas'])\n"
        "main(['score', 'demo', 'seed=x'])\n"
        "heavy = {'torch', 'stable_baselines3', 'swerex'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["score"], "which experiment?"),
        (["score", "demo", "--ouput", "x"], "No such option: --ouput"),
        (
            ["score", "demo", "seed=x"],
            "override 'seed=x': seed: should be a valid integer, not 'x'",
        ),
        (["score", "katas-ppo-sweep", "--output", "x.json"], "--output x.json: 8 reports need"),
        (["train"], "which experiment?"),
        (
            ["train", "score-quixbugs-noop"],
            "score-quixbugs-noop: trainer: null; use `hrmgym score`",
        ),
        (["train", "--resume", "nowhere"], "nowhere: not a run folder: it has no config.yaml"),
        (["train", "demo", "--resume", "nowhere"], "--resume goes on with the run's own"),
        (["tasks", "kata"], "unknown benchmark 'kata'; did you mean 'katas'?"),
        (["tasks", "katas", "--split", "tset"], "benchmark 'katas': unknown split 'tset'; did you"),
        (["tasks", "katas", "--path", "x"], "benchmark 'katas' takes no path (got 'x')"),
        (["tasks", "katas", "nope"], "benchmark 'katas': unknown task 'nope'"),
        (["tasks", "katas", "--reference"], "--reference needs a task"),
        (["tasks", "--split", "test"], "--split, --path and --reference need a benchmark"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert error_of(capsys, *arguments).startswith(message)


def test_score_writes_a_run_folder_and_a_copy_of_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.json"
    arguments = ["score", "score-katas-random", "policy=noop", "score.episodes=1", "score.k=[1]"]
    arguments += [f"benchmark.tasks=[{a_task(capsys)}]", "--runs", str(tmp_path / "runs")]
    assert main([*arguments, "--output", str(copy)]) == 0
    shown = capsys.readouterr().out
    assert "0.000 [0.000, 0.793]" in shown
    (run_folder,) = (tmp_path / "runs").iterdir()
    report = run_folder / "scores" / "score.json"
    assert f"report: {report}\nreport: {copy}\n" in shown
    assert report.read_text() == copy.read_text()
    assert json.loads((run_folder / "run.json").read_text())["status"] == "finished"
    assert copy.with_suffix(".timing.json").exists()


def test_a_scoring_that_cannot_start_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["score", "score-katas-random", "benchmark.tasks=[nope]", "--runs", str(tmp_path)]
    assert main(arguments) == 2
    assert "unknown task 'nope'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert "Usage: hrmgym" in captured.out + captured.err
    assert "error:" not in captured.err


def test_tasks_lists_benchmarks_tasks_and_one_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks"]) == 0
    assert "katas" in {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert main(["tasks", "katas", "--split", "test"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "SPLIT", "LANGUAGE", "TESTS", "TAGS"]
    assert rows
    assert {row.split()[1] for row in rows} == {"test"}
    task = rows[0].split()[0]
    assert main(["tasks", "katas", task]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"katas {task} (python, test)\n")
    assert "def " in shown


def test_the_reference_is_shown_only_when_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = a_task(capsys)
    main(["tasks", "katas", task])
    assert "+++ b/" not in capsys.readouterr().out
    main(["tasks", "katas", task, "--reference"])
    diff = capsys.readouterr().out
    assert "--- a/" in diff
    assert "\n+ " in diff


def test_doctor_reports_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    for heading in ("versions", "machine", "local sandbox", "benchmark data"):
        assert heading in shown
    assert hrmgym.__version__ in shown


def test_doctor_says_what_the_local_sandbox_lacks() -> None:
    layers = [Layer(name, True, "") for name in REQUIRED] + [Layer("seccomp", False, "")]
    assert sandbox_summary(layers) == "foreign code is isolated here"
    without = [Layer("user namespace", False, "refused"), *layers[1:]]
    assert "refuses to start without: user namespace;" in sandbox_summary(without)
    assert "isolated here" not in sandbox_summary([])


def test_columns_are_aligned_and_the_last_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns([("a", "bb", "c"), ("aaa", "b", "c c c")])
    print_columns([])
    assert capsys.readouterr().out == "a    bb  c\naaa  b   c c c\n"
