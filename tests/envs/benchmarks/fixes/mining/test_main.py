"""Tests of mining many pairs: state, resumption, caps, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.fixes.mining import __main__ as mining
from hrmgym.envs.benchmarks.fixes.mining import pairs
from hrmgym.envs.benchmarks.fixes.mining.pairs import MOST_A_PACKAGE, Yield
from hrmgym.envs.benchmarks.fixes.mining.state import State, pairs_of, recipe_of, table
from hrmgym.envs.benchmarks.fixes.recipe import Fix, Package, read, written
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.tests.envs.benchmarks.fixes.conftest import Mined
from hrmgym.tests.envs.benchmarks.fixes.test_recipe import FIX, PACKAGE


def made_of(*fixes: Fix) -> Yield:
    return Yield(list(fixes), Counter(changed=3, tried=2), 1.5)


def numbered(count: int) -> list[Fix]:
    return [replace(FIX, function=f"f{number}") for number in range(count)]


def test_pairs_are_consecutive_releases_the_newest_first() -> None:
    releases = {version: PACKAGE.releases["1.0"] for version in ("3", "2", "1")}
    assert pairs_of(replace(PACKAGE, releases=releases)) == [("2", "3"), ("1", "2")]


def test_what_was_mined_is_known_again_and_nothing_else(tmp_path: Path) -> None:
    state = State(tmp_path, 0)
    pair = ("1.0", "1.1")
    assert state.get(PACKAGE, pair) is None
    state.put(PACKAGE, pair, made_of(FIX))
    assert State(tmp_path, 0).get(PACKAGE, pair) == made_of(FIX)
    assert State(tmp_path, 1).get(PACKAGE, pair) is None, "another seed"
    other = replace(PACKAGE.releases["1.0"], sha256="2" * 64)
    changed = replace(PACKAGE, releases=dict(PACKAGE.releases) | {"1.0": other})
    assert state.get(changed, pair) is None, "another file"
    assert state.get(replace(PACKAGE, lock=""), pair) is None, "another lock"
    (file,) = (tmp_path / "pairs").iterdir()
    file.write_text("{}")
    with pytest.raises(DataError, match="broken; remove it"):
        state.get(PACKAGE, pair)


def test_a_package_has_a_cap_and_the_table_its_yield(tmp_path: Path) -> None:
    state = State(tmp_path, 0)
    releases = {version: PACKAGE.releases["1.0"] for version in ("3", "2", "1")}
    package = replace(PACKAGE, releases=releases)
    state.put(package, ("2", "3"), made_of(*numbered(20)))
    state.put(package, ("1", "2"), made_of(*numbered(20)))
    found, total, done = state.mined(package)
    assert (len(found.fixes), done, total.counts["changed"]) == (MOST_A_PACKAGE, 2, 6)
    assert [one.name for one in recipe_of(state, [package, replace(package, name="x")])] == [
        "parcels"
    ]
    assert f"| parcels | {package.split} | 2 | 6 | 4 | 25 | 25 | 3 |" in table(state, [package])


def test_the_test_splits_first_pairs_come_first() -> None:
    def named(name: str) -> Package:
        return replace(PACKAGE, name=name)

    packages = [named(f"package-{number}") for number in range(12)]
    order = [one.split for one, _ in mining._turns(packages)]
    assert order == sorted(order, key=["test", "tuning", "train"].index)
    assert len(order) == 12


def sources(folder: Path, mined: Mined, package: Package | None = None) -> list[str]:
    file = folder / "sources.jsonl"
    file.write_text(written([package or replace(mined.package, fixes=())]))
    archives = folder / "archives"
    if not archives.exists():
        archives.symlink_to(mined.archives)
    return ["--work", str(folder), "--sources", str(file)]


def test_mining_goes_on_where_it_was(
    tmp_path: Path, mined: Mined, capsys: pytest.CaptureFixture[str]
) -> None:
    given = sources(tmp_path, mined)
    State(tmp_path, 0).put(mined.package, ("1.0", "1.1"), mined.made)
    mining.main(given)
    said = capsys.readouterr().out
    assert "parcels 1.1 -> 1.2: 0 tasks" in said
    assert "1.0 -> 1.1" not in said
    (package,) = read(tmp_path / "recipe.jsonl")
    assert package.fixes == tuple(mined.made.fixes)
    assert set(package.releases) == {"1.0", "1.1"}
    mining.main(given)
    assert "->" not in capsys.readouterr().out
    assert read(tmp_path / "recipe.jsonl") == (package,)


def test_a_changed_archive_is_refused(
    tmp_path: Path, mined: Mined, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = replace(mined.package.releases["1.1"], sha256="0" * 64)
    package = replace(mined.package, releases=dict(mined.package.releases) | {"1.1": wrong})
    mining.main(sources(tmp_path, mined, package))
    assert "sha256 is" in capsys.readouterr().out
    assert (tmp_path / "recipe.jsonl").read_text() == ""


def test_what_may_not_be_mined_is_refused_before_anything_runs(
    tmp_path: Path, mined: Mined
) -> None:
    with pytest.raises(DataError, match="boltons is a benchmark's package"):
        mining.main(sources(tmp_path, mined, replace(mined.package, name="boltons")))
    with pytest.raises(UnknownNameError, match="did you mean 'parcels'"):
        mining.main([*sources(tmp_path, mined), "--packages", "parcel"])
    assert not (tmp_path / "pairs").exists()


def test_no_pair_is_begun_when_the_time_is_up(
    tmp_path: Path, mined: Mined, capsys: pytest.CaptureFixture[str]
) -> None:
    mining.main([*sources(tmp_path, mined), "--minutes", "0"])
    assert "->" not in capsys.readouterr().out
    assert pairs.MOST_A_PAIR == 10
