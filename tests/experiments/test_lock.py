"""Who works in a run folder, and whether a run lives."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hrmgym.cli import main
from hrmgym.errors import ConfigError
from hrmgym.experiments.loader import load
from hrmgym.experiments.lock import holder, locked
from hrmgym.experiments.processes import this_process, works_here
from hrmgym.experiments.run import RunFolder, write_json

HOLD = (
    "import sys, time; from pathlib import Path; from hrmgym.experiments.lock import locked\n"
    "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def hold(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_names_its_holder_and_goes_with_the_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) is None
    with hold(path) as process:
        found = holder(path)
        assert found is not None
        assert found.pid == process.pid
        with pytest.raises(ConfigError, match=f"process {process.pid} on .*stop that first"):
            locked(path).__enter__()
        process.kill()
    assert holder(path) is None
    with locked(path):
        assert holder(path) is not None
        # A second time in the same process it is held, too.
        with pytest.raises(ConfigError, match=f"process {os.getpid()} on"):
            locked(path).__enter__()
    assert holder(path) is None


def _wait(event: object) -> None:
    event.wait(30)  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_go_on_holding_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    over = context.Event()
    with locked(tmp_path / "lock"):
        child = context.Process(target=_wait, args=(over,))
        child.start()
    try:
        assert child.is_alive()
        assert holder(tmp_path / "lock") is None
    finally:
        over.set()
        child.join()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lock: cannot be written: No such file"):
        locked(tmp_path / "nowhere" / "lock").__enter__()


def test_a_process_is_known_again_and_its_number_is_not_enough() -> None:
    me = this_process()
    assert works_here(me)
    assert not works_here(me | {"started": "another boot"})
    assert not works_here(me | {"pid": 2**22 + 1})
    assert not works_here(None)
    assert works_here(me | {"host": "elsewhere"})  # nobody here can say


def test_a_dead_run_is_told_from_a_living_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder.create(load("demo"), tmp_path)
    assert run.status == "running"  # this process has made it, and lives
    with hold(run.path / "lock") as process:
        assert run.status == "running"
        for change in ((), ("seed=1",)):
            assert main(["train", "--resume", str(run.path), *change]) == 2
            assert f"process {process.pid} on" in capsys.readouterr().err
        assert load(run.path / "config.yaml") == load("demo")  # nothing was changed
        assert main(["runs", str(tmp_path)]) == 0
        assert run.path.name + "  running  " in capsys.readouterr().out
        process.send_signal(signal.SIGKILL)
    assert run.status == "died"
    assert main(["runs", str(tmp_path)]) == 0
    assert run.path.name + "  died  " in capsys.readouterr().out
    run.set_status("finished")
    assert run.status == "finished"


def test_a_scoring_that_was_killed_is_dead(tmp_path: Path) -> None:
    run = RunFolder.create(load("score-katas-random"), tmp_path)
    gone = run.facts["process"] | {"pid": 2**22 + 1}
    write_json(run.path / "run.json", run.facts | {"process": gone})
    assert run.status == "died"


def test_runs_are_listed_the_last_first_with_scores_and_broken_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (RunFolder.create(load("demo", [f"name={name}"]), tmp_path) for name in "ab")
    first.note(start="2026-01-01T00:00:00+0000")
    first.set_status("finished")
    (first.scores / "trained.json").write_text('{"scores": {"pass@1": {"value": 0.25}}}')
    (second.path / "config.yaml").unlink()
    (tmp_path / "other").mkdir()
    assert main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["RUN", "STATUS", "STARTED", "SCORES"]
    assert lines[1].split()[:3] == [first.path.name, "finished", "2026-01-01T00:00:00+0000"]
    assert lines[1].endswith("pass@1 0.250")
    assert "broken" in lines[2]
    assert "it has no config.yaml" in lines[2]
    assert len(lines) == 3
    assert main(["runs", str(tmp_path / "nowhere")]) == 2


def test_the_lock_of_a_run_may_be_nested_and_a_finish_has_its_own(tmp_path: Path) -> None:
    run = RunFolder.create(load("demo"), tmp_path)
    with run.locked(), run.locked():
        with RunFolder(run.path).locked("finish"):
            assert holder(run.path / "lock-finish") is not None
        with pytest.raises(ConfigError, match="works in this run"):
            RunFolder(run.path).locked().__enter__()
    assert run.holder is None
