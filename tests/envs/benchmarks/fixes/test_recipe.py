"""Tests of the recipe: its splits, its text, and what it may hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from hrmgym.envs.benchmarks.fixes.mining.pairs import MOST_A_PACKAGE, MOST_A_PAIR
from hrmgym.envs.benchmarks.fixes.mining.sources import BENCHMARKS, refusal
from hrmgym.envs.benchmarks.fixes.recipe import (
    SPLITS,
    Fix,
    Package,
    Side,
    normal,
    parse,
    shipped,
    split_of,
    written,
)
from hrmgym.envs.bugs.releases import Release, pinned
from hrmgym.errors import DataError

SIDE = Side(fail_to_pass=("t.py::test_a",), pass_to_pass=("t.py::A::test_b",), together="why")
FIX = Fix(
    old="1.0",
    new="1.1",
    path="a.py",
    function="A.f",
    lines=2,
    visible=SIDE,
    hidden=replace(SIDE, together=""),
    content="0" * 64,
)
PACKAGE = Package(
    name="parcels",
    lock="six==1.0 --hash=sha256:00\n",
    releases={v: Release("parcels", v, f"parcels-{v}.tar.gz", "1" * 64) for v in ("1.1", "1.0")},
    fixes=(FIX,),
)


def test_a_recipe_is_read_as_it_was_written() -> None:
    other = Package(name="another")
    text = written([PACKAGE, other])
    assert parse(text, "here") == (other, PACKAGE)
    assert list(parse(text, "here")[1].releases) == ["1.1", "1.0"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", written([PACKAGE]).replace('"old"', '"odl"')])
def test_a_line_that_is_no_package_is_named(text: str) -> None:
    with pytest.raises(DataError, match="here:1: not a package of a recipe"):
        parse(text, "here")


def test_another_format_is_refused() -> None:
    with pytest.raises(DataError, match="format 2, not 1"):
        parse(written([PACKAGE]).replace('"format": 1', '"format": 2'), "here")


def test_a_package_is_in_one_split_however_its_name_is_spelt() -> None:
    assert split_of("Jaraco.Text_x") == split_of("jaraco-text-x")
    shares = Counter(split_of(f"package-{number}") for number in range(2000))
    assert set(shares) == set(SPLITS)
    assert 900 < shares["test"] < 1100
    assert 400 < shares["tuning"] < 600


def test_what_the_network_has_seen_is_for_training() -> None:
    seen = [one for one in pinned() if one.split == "train"]
    assert seen
    for one in seen:
        assert split_of(one.name) == "train"
        assert {split_of(release.project) for release in one.releases} == {"train"}


@pytest.mark.parametrize("name", ["boltons", "Jinja2", "scikit_learn", "pdfminer.six", "tomli"])
def test_no_benchmarks_package_is_mined(name: str) -> None:
    assert "is a benchmark's package" in refusal(name)


def test_what_runs_the_tests_is_not_mined() -> None:
    assert "takes part in running the tests" in refusal("pluggy")
    assert refusal("parcels") == ""
    assert {normal(name) for name in BENCHMARKS} == BENCHMARKS


def test_the_recipe_that_ships_keeps_its_promises() -> None:
    packages = shipped()
    assert len({one.name for one in packages}) == len(packages)
    for package in packages:
        assert not refusal(package.name)
        assert 1 <= len(package.fixes) <= MOST_A_PACKAGE
        assert max(Counter((fix.old, fix.new) for fix in package.fixes).values()) <= MOST_A_PAIR
        assert "--hash=" in package.lock or not package.lock
        keys = [(fix.new, fix.path, fix.function) for fix in package.fixes]
        assert len(set(keys)) == len(keys)
        for release in package.releases.values():
            assert len(release.sha256) == 64
            assert release.file.endswith((".tar.gz", ".zip"))
        for fix in package.fixes:
            assert {fix.old, fix.new} <= set(package.releases)
            assert fix.lines >= 1
            sides_agree(fix)


def sides_agree(fix: Fix) -> None:
    """Hidden tests decide something that the visible ones do not."""
    visible, hidden = fix.visible, fix.hidden
    assert visible.fail_to_pass
    assert hidden.fail_to_pass
    assert not set(visible.pass_to_pass) & set(hidden.ids)
    shared = set(visible.fail_to_pass) & set(hidden.fail_to_pass)
    assert not shared or visible.fail_to_pass == hidden.fail_to_pass == tuple(shared)
    assert set(hidden.ids) - set(visible.ids)
    assert len(visible.ids) <= 20
    assert len(hidden.ids) <= 20
