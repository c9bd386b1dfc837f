"""A package of somebody's own: its benchmarks pass conformance and `hrmgym check`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.config import LocalSandboxConfig
from hrmgym.envs.sandboxes.environments import lacking
from hrmgym.envs.task import Environment

HERE = Path(__file__).parent
GO = any(Path(folder, "go").exists() for folder in ("/usr/local/bin", "/usr/bin"))
NO_ENGINE = lacking(LocalSandboxConfig(), Environment(image="python:3.11"))
needs_go = pytest.mark.skipif(not GO, reason="no go in /usr/bin: apt-get install golang-go")
needs_an_engine = pytest.mark.skipif(bool(NO_ENGINE), reason=NO_ENGINE or "-")


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=HERE,
        env=os.environ | {"PYTHONPATH": str(HERE)} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=3600,
        check=False,
    )


def check(name: str) -> subprocess.CompletedProcess[str]:
    return run(
        "-c",
        "import sys, hrmgym.cli; sys.exit(hrmgym.cli.main())",
        "check",
        f"own_benchmarks:{name}",
    )


def conformance(name: str) -> str:
    suite = str(HERE.parents[0] / "conformance")
    options = (
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-k",
        f"own/{name}",
    )
    done = run("-m", "pytest", suite, *options, HRMGYM_CONFORMANCE="own_benchmarks")
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@needs_go
@pytest.mark.nightly
def test_the_benchmark_in_go_is_sound() -> None:
    done = check("Ledger")
    assert "ledger 1: 1 of 1 sound" in done.stdout
    assert done.returncode == 0
    assert "harness" in done.stdout


@needs_go
@pytest.mark.nightly
def test_the_benchmark_in_go_conforms() -> None:
    shown = conformance("Ledger")
    assert re.search(r"\d+ passed", shown)
    assert "skipped" not in shown


@needs_an_engine
@pytest.mark.needs_docker
@pytest.mark.nightly
def test_the_benchmark_with_an_image_is_sound_and_conforms() -> None:
    assert check("Greetings").returncode == 0
    assert re.search(r"\d+ passed", conformance("Greetings"))


@pytest.mark.skipif(not NO_ENGINE, reason="here is an engine")
def test_without_an_engine_an_image_is_a_reason_not_to_run() -> None:
    done = check("Greetings")
    assert done.returncode == 3, done.stdout
    assert "cannot run here" in done.stdout
    assert "and here is no" in done.stdout


@pytest.mark.skipif(not NO_ENGINE, reason="here is an engine")
@pytest.mark.nightly
def test_without_an_engine_conformance_is_skipped_with_the_reason() -> None:
    shown = conformance("Greetings-v0")
    assert "and here is no Docker or Podman" in shown
    assert "passed" not in shown
