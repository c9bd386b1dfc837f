"""What is made of the pinned releases."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.edits import names
from hrmgym.tests.wheels import entry
from hrmgym.trainers.data import rebuild
from hrmgym.trainers.data.packages import latest_functions
from hrmgym.trainers.data.real_edits import file_name, read
from hrmgym.trainers.data.rebuild import mine_all, names_of, near_functions


def test_mining_all(tmp_path: Path) -> None:
    edits, left_out = mine_all([entry(tmp_path)], {}, tmp_path)
    assert len(edits) == 3
    assert left_out == []


def test_near_functions_are_named_until_the_list_does(tmp_path: Path) -> None:
    one = entry(tmp_path)
    total = latest_functions(one, tmp_path)["core.py", "total"].code
    protected = {"bench": total}
    assert near_functions([one], protected, tmp_path) == ["shelf core.py:total"]
    known = replace(one, near_benchmarks=("core.py:total",))
    assert near_functions([known], protected, tmp_path) == []


def test_names_are_those_of_training_packages(tmp_path: Path) -> None:
    names = json.loads(names_of([entry(tmp_path)], tmp_path))
    assert "book" in names["name"]
    assert "result" in names["name"]
    assert json.loads(names_of([entry(tmp_path, "valid")], tmp_path))["name"] == []


def test_the_shipped_files_are_found_compared_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (file_name(), names.FILE):  # as they are shipped
        stored = rebuild._stored(name)
        assert stored is not None
        assert rebuild._shipped(name).is_file()
    assert read(rebuild._shipped(file_name()).read_bytes(), "shipped")
    assert set(json.loads(rebuild._stored(names.FILE) or b"")) == set(names.KINDS)

    monkeypatch.setattr(rebuild, "pinned", lambda: (entry(tmp_path),))
    monkeypatch.setattr(rebuild, "protected_programs", lambda: ({}, []))
    monkeypatch.setattr(rebuild, "_shipped", lambda name: tmp_path / name)
    wheels = ["--wheels", str(tmp_path)]
    assert rebuild.main(["--check", *wheels]) == 1
    assert f"{names.FILE} is not what a rebuild gives" in capsys.readouterr().err
    assert rebuild.main(wheels) == 0
    assert len(read((tmp_path / file_name()).read_bytes(), "made")) == 3
    assert gzip.decompress((tmp_path / file_name()).read_bytes()) == rebuild._stored(file_name())
    assert rebuild.main(["--check", *wheels]) == 0
