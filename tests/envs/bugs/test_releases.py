"""The pinned releases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.bugs.releases import SPLITS, Release, fetch, pinned
from hrmgym.errors import DataError
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
    projects: dict[str, set[str]] = {split: set() for split in SPLITS}
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
