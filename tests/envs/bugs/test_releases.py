"""The pinned releases, and what is made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.bugs.packages import collect_packages, package_functions
from hrmgym.envs.bugs.releases import (
    Release,
    fetch,
    latest_functions,
    mine_all,
    names_of,
    near_functions,
    pinned,
)
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.tests.wheels import entry

BENCHMARKS = frozenset(
    {"django", "sympy", "matplotlib", "scikit-learn", "pytest", "sphinx", "astropy", "requests"}
    | {"xarray", "pylint", "flask", "seaborn", "pygments", "tomli", "tenacity", "pyparsing"}
    | {"jinja2", "click", "sqlglot", "tornado", "urllib3", "chardet", "marshmallow", "astroid"}
)


def test_the_list_is_well_formed_and_holds_no_benchmark() -> None:
    names = [one.name for one in pinned()]
    assert len(set(names)) == len(names)
    assert not BENCHMARKS & {*names, *(r.project for one in pinned() for r in one.releases)}
    projects: dict[str, set[str]] = {"train": set(), "valid": set()}
    for one in pinned():
        assert one.root.endswith("/")
        assert len(one.releases) >= 6
        projects[one.split] |= {release.project for release in one.releases}
        for release in one.releases:
            assert release.file.endswith("-none-any.whl")
            assert len(release.sha256) == 64
            int(release.sha256, 16)
    assert not projects["train"] & projects["valid"]


def test_a_wheel_that_is_there_is_checked(tmp_path: Path) -> None:
    (release, _) = entry(tmp_path).releases
    assert fetch(release, tmp_path) == tmp_path / release.file
    with pytest.raises(DataError, match="sha256 is"):
        fetch(replace(release, sha256="0" * 64), tmp_path)


def test_a_wheel_that_cannot_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, tmp_path.as_uri())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    release = Release("shelf", "1.0", "shelf-1.0-py3-none-any.whl", "0" * 64)
    with pytest.raises(DataError, match=r"shelf-1\.0.*pip could not download it"):
        fetch(release, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_mining_all(tmp_path: Path) -> None:
    edits, left_out = mine_all([entry(tmp_path)], {}, tmp_path)
    assert len(edits) == 3
    assert left_out == []


def test_functions_of_the_latest_release(tmp_path: Path) -> None:
    one = entry(tmp_path)
    functions = list(collect_packages([one], "train", 2, 30, tmp_path))
    assert [function.name for function in functions] == ["total", "first", "put", "same"]
    assert functions[0].origin == "shelf in shelf 1.1: core.py:4"
    assert functions[0].docstring == "Sum."
    held_out = [replace(one, split="valid")]
    assert list(collect_packages(held_out, "train", 2, 30, tmp_path)) == []
    assert len(list(collect_packages(held_out, "valid", 2, 30, tmp_path))) == 4
    with pytest.raises(UnknownNameError, match="did you mean 'valid'"):
        package_functions("vald")
    near = replace(one, near_benchmarks=("core.py:total",))
    assert next(collect_packages([near], "train", 2, 30, tmp_path)).name == "first"


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
