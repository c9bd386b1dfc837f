"""A short run of the chaos benchmark: nothing is lost, wrong or left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"


def test_two_hundred_runs_under_fire() -> None:
    done = subprocess.run(
        [sys.executable, str(CHAOS), "--runs", "200", "--size", "2", "--seed", "5"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["lost"], found["wrong"], found["leaked"]) == (0, 0, 0), done.stdout
    assert found["runs"] == 200
    assert found["killed"] >= 10
    assert found["retried"] >= 1
    assert done.returncode == 0
