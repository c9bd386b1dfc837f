"""Tests of the packages that are mined, and of pinning one more."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.fixes.mining import sources
from hrmgym.envs.benchmarks.fixes.mining.__main__ import _SOURCES
from hrmgym.envs.benchmarks.fixes.mining.sources import lock, pinned, refusal, requirements
from hrmgym.envs.benchmarks.fixes.recipe import SPLITS, parse, read
from hrmgym.errors import DataError
from hrmgym.tests.envs.sandboxes.test_environments import wheel
from hrmgym.tests.sdists import index


def test_the_packages_that_are_mined_are_pinned_and_no_benchmarks() -> None:
    packages = read(_SOURCES)
    assert len({one.name for one in packages}) == len(packages) > 30
    assert {one.split for one in packages} <= set(SPLITS)
    for package in packages:
        assert not refusal(package.name)
        assert len(package.releases) >= 2
        assert not package.fixes
        assert all(len(release.sha256) == 64 for release in package.releases.values())


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, []),
        (
            {"PKG-INFO": "Name: a\nRequires-Dist: six>=1\nRequires-Dist: b; extra == 'x'\n"},
            ["six>=1"],
        ),
        ({"PKG-INFO": "Name: a\n\nRequires-Dist: no\n"}, []),
        ({"a.egg-info/requires.txt": "six\n\n[test]\npytest\n"}, ["six"]),
        ({"a.egg-info/requires.txt": "[test]\npytest\n"}, []),
        (
            {"PKG-INFO": "Requires-Dist: six\n", "a.egg-info/requires.txt": "six\nseven\n"},
            ["six"],
        ),
    ],
)
def test_what_a_release_needs_is_read_from_its_archive(
    files: dict[str, str], found: list[str]
) -> None:
    assert requirements({path: text.encode() for path, text in files.items()}) == found


def test_a_package_without_needs_has_no_lock() -> None:
    assert lock("parcels", []) == ""


@pytest.mark.nightly
def test_a_package_is_pinned_with_the_wheels_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    index(tmp_path / "links")
    wheel(tmp_path / "links", "bringalong", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    package = pinned("parcels", 2, tmp_path / "archives", ["bringalong"])
    assert list(package.releases) == ["1.2", "1.1"]
    assert package.lock.startswith("bringalong==1.0 --hash=sha256:")
    sources.main(["parcels", "--archives", str(tmp_path / "archives"), "--releases", "2"])
    (again,) = parse(capsys.readouterr().out, "what was printed")
    assert (again.releases, again.lock) == (package.releases, "")
    with pytest.raises(DataError, match="is a benchmark's package"):
        pinned("flask", 2, tmp_path / "archives")
    with pytest.raises(DataError, match="nowhere"):
        pinned("nowhere", 2, tmp_path / "archives")
