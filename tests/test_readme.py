"""The README's code runs, and its benchmark passes the conformance suite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
BENCHMARK = next(block for block in BLOCKS if "register_benchmark(" in block)


def run(folder: Path, *command: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)} | env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("block", [b for b in BLOCKS if b is not BENCHMARK])
def test_the_code_runs(block: str, tmp_path: Path) -> None:
    (tmp_path / "block.py").write_text(block)
    run(tmp_path, "-W", "ignore", "block.py")


def test_the_benchmark_is_short_and_conforms(tmp_path: Path) -> None:
    lines = [line for line in BENCHMARK.splitlines() if line.strip()]
    assert len(lines) < 30
    (tmp_path / "my_benchmark.py").write_text(BENCHMARK)
    script = str(Path(sys.executable).parent / "hrmgym")
    assert "greetings 1: 2 of 2 sound" in run(tmp_path, script, "check", "my_benchmark:Greetings")
    suite = str(ROOT / "tests" / "conformance")
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-k", "Greetings")
    shown = run(tmp_path, "-m", "pytest", suite, *options, HRMGYM_CONFORMANCE="my_benchmark")
    assert re.search(r"\d+ passed", shown)
    assert "skipped" not in shown


def test_the_two_commands_come_first() -> None:
    first, second = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)[:2]
    assert (first, second) == ("make demo\n", "make test\n")


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README + (ROOT / "CONTRIBUTING.md").read_text()):
        assert (ROOT / target).exists(), target


def test_files_named_in_contributing_exist() -> None:
    for name in re.findall(
        r"`([\w/]+/[\w/.]+\.(?:py|yaml))`", (ROOT / "CONTRIBUTING.md").read_text()
    ):
        assert (ROOT / name).exists(), name
