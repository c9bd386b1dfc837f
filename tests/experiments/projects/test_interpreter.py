"""Whose packages a project's tests find."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from hrmgym.errors import ConfigError
from hrmgym.experiments.projects.interpreter import OURS, packages_of


def environment(folder: Path, version: str = OURS) -> Path:
    """An environment, as far as it is looked at; its python would fail."""
    (folder / f"lib/python{version}/site-packages").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin/python").write_text("#!/bin/sh\nexit 1\n")
    (folder / "bin/python").chmod(0o755)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return folder


@pytest.fixture(autouse=True)
def no_active_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


def test_the_named_one_comes_first_then_the_active_then_the_projects_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, active = environment(tmp_path / "named"), environment(tmp_path / "active")
    root = tmp_path / "project"
    assert packages_of(None, root).folder == sysconfig.get_path("purelib")
    own = environment(root / ".venv")
    assert packages_of(None, root).folder == str(own / f"lib/python{OURS}/site-packages")
    monkeypatch.setenv("VIRTUAL_ENV", str(active))
    assert packages_of(None, root).owner == str(active)
    assert packages_of(named, root).owner == str(named)
    assert packages_of(named / "bin/python", root).folder.startswith(str(named))


def test_an_environment_of_another_python_is_refused_if_named_else_passed_over(
    tmp_path: Path,
) -> None:
    other = environment(tmp_path / ".venv", "2.7")
    with pytest.raises(ConfigError, match=rf"are for python2\.7, and the sandbox runs.*{OURS}"):
        packages_of(other, tmp_path)
    found = packages_of(None, tmp_path)
    assert found.owner == sys.prefix
    assert "is not for Python" in found.note


def test_an_interpreter_by_its_name(tmp_path: Path) -> None:
    base = Path(sys.base_prefix) / "bin" / f"python{OURS}"
    found = packages_of(base, tmp_path)
    assert found.folder.startswith(sys.base_prefix) or Path(found.folder).is_absolute()
    for wrong in ("none", "."):
        with pytest.raises(ConfigError, match=f"--python {wrong}: no interpreter"):
            packages_of(Path(wrong), tmp_path)
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(ConfigError, match="no Python that runs"):
        packages_of(broken, tmp_path)
