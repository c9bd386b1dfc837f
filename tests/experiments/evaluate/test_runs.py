"""Scorings that are stopped, in any way, and go on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hrmgym.cli import main
from hrmgym.experiments.evaluate.runs import JOURNAL

SCRIPT = Path(sys.executable).parent / "hrmgym"
#: Deterministic, quick, and in need of a sandbox.
KATAS = ["seat_groups/hand-1", "seat_groups/comparison-1", "rotate_grid/hand-1"]
RANDOM = ["score-quixbugs-policy", "benchmark=katas", "policy=random", "score.k=[1, 4]"]


def chosen(tasks: list[str]) -> str:
    return f"benchmark.tasks={json.dumps(tasks)}"


def started(runs: Path, *arguments: str) -> tuple[subprocess.Popen[str], Path]:
    """A scoring in a process group of its own, and its run folder."""
    process = subprocess.Popen(
        [SCRIPT, "score", *arguments, "--runs", str(runs)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("run folder: "):
            return process, Path(line.removeprefix("run folder: ").rstrip("\n"))
    raise AssertionError(f"no run folder, exit status {ended(process)}")


def ended(process: subprocess.Popen[str]) -> int:
    """The exit status of a scoring."""
    process.communicate(timeout=600)
    return process.returncode


def resumed(run: Path, *arguments: str) -> str:
    """The report after the scoring has gone on."""
    command = [SCRIPT, "score", "--resume", str(run), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return (run / "scores" / "score.json").read_text()


def status(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["status"])


def landed(run: Path) -> int:
    """Number of results in the journal."""
    journal = run / "scores" / JOURNAL
    return max(0, journal.read_bytes().count(b"\n") - 1) if journal.exists() else 0


@pytest.mark.nightly
def test_a_stopped_scoring_reports_what_is_there_and_goes_on_to_the_same_report(
    tmp_path: Path,
) -> None:
    """As `timeout` does it: SIGTERM to the whole group, workers and all."""
    whole, whole_run = started(tmp_path / "whole", *RANDOM, chosen(KATAS))
    assert ended(whole) == 0
    undisturbed = (whole_run / "scores" / "score.json").read_text()
    process, run = started(tmp_path / "stopped", *RANDOM, chosen(KATAS), "score.workers=2")
    deadline = time.monotonic() + 300
    while not landed(run) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    assert ended(process) != 0
    part = json.loads((run / "scores" / "score.json").read_text())
    assert not part["complete"]
    assert part["tasks_played"] == landed(run) < len(KATAS)
    assert status(run) == "interrupted"
    assert resumed(run) == undisturbed
    assert status(run) == "finished"


def killed_and_resumed(few: list[str], folder: Path, trials: int) -> str:
    """The report of a scoring that is killed at random moments, the same each time.

    Args:
        few: The scoring, as on the command line.
        folder: Of the run folders.
        trials: How often it is killed.
    """
    began = time.monotonic()
    whole, whole_run = started(folder / "whole", *few)
    at = time.monotonic()
    assert ended(whole) == 0
    most = time.monotonic() - at
    print(f"undisturbed: {at - began:.1f} s to begin, {most:.1f} s to score")
    undisturbed = (whole_run / "scores" / "score.json").read_text()
    rng = random.Random(20)
    kinds = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for trial in range(trials):
        kind, after = kinds[trial % 4], rng.uniform(0, most)
        workers = f"score.workers={1 + trial % 2}"
        process, run = started(folder / f"{trial}", *few, workers)
        time.sleep(after)
        if trial % 8 < 4:
            process.send_signal(kind)
        else:
            os.killpg(process.pid, kind)
        ended(process)
        count = landed(run)
        if status(run) != "finished":
            assert resumed(run) == undisturbed, (trial, kind.name, after)
        assert (run / "scores" / "score.json").read_text() == undisturbed
        print(f"{trial}: {kind.name} after {after:.1f} s, {count} results were there", flush=True)
    return undisturbed


@pytest.mark.nightly
def test_the_shipped_repairs_killed_at_20_random_moments_resume_to_the_undisturbed_report(
    tmp_path: Path,
) -> None:
    few = ["repair-katas", "score.k=[1, 8]", chosen([*KATAS, "crop_grid/hand-1"])]
    killed_and_resumed(few, tmp_path, 20)


@pytest.mark.nightly
def test_a_staged_scoring_killed_at_random_moments_resumes_to_the_undisturbed_report(
    tmp_path: Path,
) -> None:
    """Of these programs some loop; the others take a tenth of the stage."""
    loops = [f"run_registers/{bug}-1" for bug in ("hand", "comparison", "unwrap", "branch")]
    staged = [*RANDOM, "env.canvas=96", "score.k=[1, 24]", "sandbox.stages=[0.1]", chosen(loops)]
    runs = json.loads(killed_and_resumed(staged, tmp_path, 8))["test_runs"]
    assert runs["repeats"] > 0
    assert runs["near_limit"] == 0


def test_a_full_disk_keeps_the_results_and_the_scoring_goes_on(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; no sandbox is started under it."""
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from hrmgym.experiments.loader import load\n"
        "from hrmgym.experiments.evaluate.score import score\n"
        "from hrmgym.tests.experiments.evaluate.test_score import Drawing, OneStepEnv, TASKS\n"
        "experiment = load('score-quixbugs-noop', ['benchmark=katas',"
        " 'benchmark.tasks=' + repr(TASKS)])\n"
        "def run():\n"
        "    return score(experiment, env_factory=OneStepEnv, policy_factory=Drawing,"
        " journal=Path(sys.argv[1])).to_json()\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "from hrmgym.experiments.evaluate import score as module\n"
        "module.modes_of(module.select_tasks(module.make_benchmark('katas'), experiment),"
        " experiment)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (700, hard))\n"
        "module.modes_of = lambda *_: {}\n"
        "try:\n"
        "    run()\n"
        "except OSError as error:\n"
        "    print(error.filename, error.strerror)\n"
        "print(Path(sys.argv[1]).read_bytes().endswith(b'\\n'))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "print(run() == score(experiment, env_factory=OneStepEnv,"
        " policy_factory=Drawing).to_json())\n"
    )
    journal = tmp_path / "score.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", code, str(journal)], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == f"{journal} File too large\nTrue\nTrue\n", done.stderr


def test_what_cannot_be_resumed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*arguments: str) -> str:
        assert main(["score", *arguments]) == 2
        return capsys.readouterr().err

    arguments = [*RANDOM, "policy=noop", "score={mode: episodes, k: [1]}", chosen(KATAS[:1])]
    assert main(["score", *arguments, "--runs", str(tmp_path)]) == 0
    capsys.readouterr()
    (run,) = tmp_path.iterdir()
    assert "the run has finished" in told("--resume", str(run))
    assert "not a run folder" in told("--resume", str(tmp_path))
    assert "goes on with the run's own config.yaml, not 'demo'" in told(
        "demo", "--resume", str(run)
    )
    assert "--runs is for new runs" in told("--resume", str(run), "--runs", "x")
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"status": "interrupted"}))
    assert "only score.workers may change" in told("--resume", str(run), "seed=9")
    report = (run / "scores" / "score.json").read_bytes()
    assert main(["score", "--resume", str(run), "score.workers=2"]) == 0
    assert (run / "scores" / "score.json").read_bytes() == report
    journal = run / "scores" / JOURNAL
    (run / "run.json").write_text(json.dumps(facts | {"status": "interrupted"}))
    journal.write_text(journal.read_text().replace('"version": "1"', '"version": "0"'))
    assert f"{journal}:1: benchmark: results of" in told("--resume", str(run))
