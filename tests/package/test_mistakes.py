"""What a mistake costs at the command line: one clear line, exit code 2, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrmgym.cli import main
from hrmgym.envs.software import SoftwareEnv
from hrmgym.hrm.checkpoint import save_checkpoint
from hrmgym.policies import make_policy
from hrmgym.policies.config import HRMPolicyConfig
from hrmgym.policies.hrm import HRMPolicy
from hrmgym.tests.tiny import Tiny


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without benchmark data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HRMGYM_DATA", raising=False)
    monkeypatch.delenv("HRMGYM_RUNS", raising=False)
    return tmp_path


def fails(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> str:
    """The one line on standard error."""
    before = sorted(folder.rglob("*"))
    assert main(list(arguments)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    assert sorted(folder.rglob("*")) == before, "something was written"
    return shown.err


def test_a_wrong_key(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "x.yaml").write_text("extends: demo.yaml\ntrainer:\n  lerning_rate: 1e-3\n")
    assert fails(capsys, folder, "train", "x.yaml") == (
        "error: x.yaml:3: trainer.lerning_rate: unknown key; did you mean 'learning_rate'?\n"
    )


def test_a_missing_data_folder(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    line = fails(capsys, folder, "score", "score-quixbugs-noop", "benchmark.path=/nowhere")
    assert line.startswith("error: /nowhere: no such folder")


def test_a_broken_json_line(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "t.jsonl").write_text('{"id": "a",\n')
    options = ("benchmark=jsonl", "benchmark.path=t.jsonl")
    line = fails(capsys, folder, "score", "score-katas-random", *options)
    assert line.startswith("error: t.jsonl:1: not JSON: ")


def test_an_unknown_task(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    wanted = "did you mean 'merge_bookings/hand-1'?\n"
    assert fails(capsys, folder, "tasks", "katas", "merge_bookngs/hand-1").endswith(wanted)
    tasks = "benchmark.tasks=" + json.dumps(["nope"])
    line = fails(capsys, folder, "score", "score-katas-random", tasks)
    assert line.startswith("error: benchmark 'katas': unknown task 'nope'; known: ")


def test_a_checkpoint_of_another_model(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    small = HRMPolicyConfig(kind="hrm", hidden_size=32, num_heads=2, H_layers=1, L_layers=1)
    policy = make_policy(small, SoftwareEnv(Tiny(), canvas=96))
    assert isinstance(policy, HRMPolicy)
    save_checkpoint(folder / "ck", policy.model, "card", {})
    for options, reason in (
        (["policy.hidden_size=64", "env.canvas=96"], "its hidden_size is 32"),
        (["env.canvas=256"], "its max_length is 96, here it is 256"),
    ):
        block = ["policy={kind: hrm, checkpoint: ck}", *options]
        line = fails(capsys, folder, "score", "score-katas-random", *block)
        assert line.startswith("error: ck: of another model: ")
        assert reason in line
