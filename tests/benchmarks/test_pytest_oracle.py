"""Verdicts of the sandbox against those of cold pytest, on programs and tests of other people."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ORACLE = Path(__file__).parents[2] / "benchmarks" / "pytest_oracle.py"


def compare(folder: Path, *arguments: str) -> dict[str, Any]:
    """The summary of a run, all of whose verdicts agree."""
    results = ["--results", str(folder / "results.jsonl"), "--json"]
    done = subprocess.run(
        [sys.executable, str(ORACLE), *results, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["verdicts_that_differ"] == 0, done.stdout
    assert done.returncode == 0
    return found


@pytest.mark.nightly
@pytest.mark.needs_data
def test_sample_of_the_exercises(tmp_path: Path) -> None:
    arguments = ("--exercises", "1", "--packages", "0", "--sample", "20", "--workers", "2")
    found = compare(tmp_path, *arguments)
    assert found["pairs"] == 20
    assert found["pairs_with_a_failing_test"] >= 5
    assert found["pairs_apart"] >= 15
    assert found["verdicts"] > 200
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert len(lines) == 20
    (tmp_path / "results.jsonl").write_text("".join(f"{line}\n" for line in lines[:-1]))
    assert compare(tmp_path, *arguments) == found  # one pair was left to compare


@pytest.mark.nightly
@pytest.mark.needs_data
def test_everything(tmp_path: Path) -> None:
    found = compare(tmp_path, "--workers", "2")
    assert found["pairs"] >= 500
    assert found["test_files"] >= 25
    assert found["pairs_apart"] >= 300
