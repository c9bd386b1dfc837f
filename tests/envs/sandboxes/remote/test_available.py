"""What the machine has, told without starting anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.remote.available import deployments


def told(path: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[bool, str]]:
    monkeypatch.setenv("PATH", path)
    return {one.name: (one.ready, one.detail) for one in deployments()}


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_every_kind_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(os.environ["PATH"], monkeypatch)
    assert {name.split()[0] for name in found} == {"docker", "modal", "fargate", "remote"}


def test_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "docker", "echo 28.1")
    program(tmp_path / "podman", "echo 'cannot connect' >&2; exit 125")
    found = told(str(tmp_path), monkeypatch)
    assert found["docker"] == (True, "28.1")
    assert found["docker with container_runtime: podman"] == (False, "cannot connect")


def test_without_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(str(tmp_path), monkeypatch)
    assert found["docker"] == (False, "docker is not installed")
