"""Run folders: what they hold, and that nothing is ever half written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrmgym.errors import ConfigError, DataError
from hrmgym.experiments.loader import load
from hrmgym.experiments.run import RunFolder, versions, write_atomically
from hrmgym.experiments.schema import Experiment


@pytest.fixture
def experiment() -> Experiment:
    return load("demo", ["seed=3"])


def test_a_run_folder_holds_what_it_takes_to_repeat_the_run(
    tmp_path: Path, experiment: Experiment
) -> None:
    run = RunFolder.create(experiment, tmp_path / "deep" / "runs")
    assert {path.name for path in run.path.iterdir()} == {
        "config.yaml",
        "run.json",
        "tensorboard",
        "checkpoints",
        "scores",
    }
    assert load(run.path / "config.yaml") == experiment
    assert RunFolder(run.path).experiment == experiment
    facts = run.facts
    assert (facts["name"], facts["seed"], facts["status"]) == ("demo", 3, "running")
    assert facts["start"]
    assert facts["end"] is None
    assert facts["command"]
    assert facts["cpu"]
    assert facts["versions"] == versions()


def test_versions_name_what_results_depend_on() -> None:
    found = versions()
    assert list(found) == [
        "hrmgym",
        "python",
        "torch",
        "gymnasium",
        "stable-baselines3",
        "sb3-contrib",
        "swe-rex",
        "numpy",
    ]
    assert found["hrmgym"]
    assert found["gymnasium"]


def test_runs_that_start_in_one_second_get_numbers(tmp_path: Path, experiment: Experiment) -> None:
    runs = [RunFolder.create(experiment, tmp_path).path.name for _ in range(3)]
    assert len(set(runs)) == 3
    assert runs[0].startswith("demo-")
    assert runs[0].endswith("-1")


def test_the_root_is_the_argument_or_the_environment_or_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiment: Experiment
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HRMGYM_RUNS", raising=False)
    assert RunFolder.create(experiment).path.parent == Path("runs")
    monkeypatch.setenv("HRMGYM_RUNS", "elsewhere")
    assert RunFolder.create(experiment).path.parent == Path("elsewhere")
    assert RunFolder.create(experiment, "here").path.parent == Path("here")


def test_a_root_that_is_a_file_is_refused(tmp_path: Path, experiment: Experiment) -> None:
    root = tmp_path / "runs"
    root.write_text("")
    with pytest.raises(ConfigError, match="runs folder"):
        RunFolder.create(experiment, root)


def test_status_has_an_end_unless_it_is_running(tmp_path: Path, experiment: Experiment) -> None:
    run = RunFolder.create(experiment, tmp_path)
    run.set_status("interrupted")
    assert run.facts["status"] == "interrupted"
    assert run.facts["end"]
    start = run.facts["start"]
    run.set_status("running")
    assert (run.facts["end"], run.facts["start"]) == (None, start)


def test_another_folder_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        RunFolder(tmp_path)
    assert str(error.value) == f"{tmp_path}: not a run folder: it has no config.yaml"


def test_a_failed_write_keeps_the_old_text_and_leaves_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_run_json_is_json_with_a_last_newline(tmp_path: Path, experiment: Experiment) -> None:
    text = (RunFolder.create(experiment, tmp_path).path / "run.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text)["git"] is None or set(json.loads(text)["git"]) == {"commit", "dirty"}


def test_a_run_that_goes_on_may_be_changed_and_what_it_was_is_kept(
    tmp_path: Path, experiment: Experiment
) -> None:
    run = RunFolder.create(experiment, tmp_path)
    run.override(["trainer.warm_start.real_share=0.5"])
    run.override(["trainer.gamma=0.5"])
    again = RunFolder(run.path)
    assert again.experiment == run.experiment
    trainer = again.experiment.trainer
    assert trainer is not None
    assert trainer.kind == "ppo"
    assert trainer.warm_start is not None
    assert (trainer.warm_start.real_share, trainer.gamma) == (0.5, 0.5)
    assert load(run.path / "config-1.yaml") == experiment
    assert [one["overrides"] for one in run.facts["overrides"]] == [
        ["trainer.warm_start.real_share=0.5"],
        ["trainer.gamma=0.5"],
    ]
    with pytest.raises(ConfigError, match="did you mean"):
        run.override(["trainer.gama=1"])
    assert len(run.facts["overrides"]) == 2


def test_reports_of_another_experiment_are_put_aside(
    tmp_path: Path, experiment: Experiment
) -> None:
    run = RunFolder.create(experiment, tmp_path)
    report = run.scores / "untrained.json"
    report.write_text("{}")
    run.override(["trainer.gamma=0.5"])
    assert report.is_file()  # training changes weights, and reports name theirs
    run.override(["seed=7"])
    assert not report.exists()
    assert (run.scores / "config-2" / "untrained.json").read_text() == "{}"
