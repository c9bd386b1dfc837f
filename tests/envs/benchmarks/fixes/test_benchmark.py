"""Tests of the `fixes` benchmark over a recipe of a package that does not exist."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest

from hrmgym.envs.benchmark import find_task, make_benchmark
from hrmgym.envs.benchmarks.fixes import benchmark as fixes
from hrmgym.envs.benchmarks.fixes.benchmark import Fixes
from hrmgym.envs.benchmarks.fixes.building import task_id
from hrmgym.envs.benchmarks.fixes.recipe import SPLITS, Package, shipped, split_of, written
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.experiments.evaluate.check import Verdict, check
from hrmgym.tests.envs.benchmarks.fixes.conftest import Mined

SPLIT = split_of("parcels")


@pytest.fixture
def recipe(tmp_path: Path, mined: Mined, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe file; its archives are in the cache, and no registry can be reached."""
    monkeypatch.setenv("HRMGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    fixes._layout.cache_clear()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/releases").symlink_to(mined.archives)
    return write(tmp_path, replace(mined.package, fixes=tuple(mined.made.fixes)))


def write(folder: Path, package: Package) -> Path:
    path = folder / "recipe.jsonl"
    path.write_text(written([package]))
    return path


def test_tasks_are_built_when_they_are_asked_for(recipe: Path) -> None:
    benchmark = Fixes(str(recipe))
    tasks = benchmark.tasks(SPLIT)
    ids = ["parcels-1.1-parcels.core.total", "parcels-1.1-parcels.core.Parcel.same"]
    assert benchmark.task_ids(SPLIT) == ids
    assert not list(recipe.parent.glob("cache/fixes/*"))
    assert [task.id for task in tasks] == ids
    assert tasks[0] is tasks[0] is tasks[-2] is tasks[0:1][0]
    assert find_task(benchmark, ids[1]) is tasks[1]
    assert len(list(recipe.parent.glob("cache/fixes/*"))) == 2
    with pytest.raises(IndexError):
        tasks[2]
    with pytest.raises(UnknownNameError, match=r"did you mean 'parcels-1\.1-parcels\.core\.total'"):
        find_task(benchmark, "parcels-1.1-parcels.core.totla")
    assert [len(benchmark.tasks(split)) for split in SPLITS if split != SPLIT] == [0, 0]
    with pytest.raises(UnknownNameError):
        benchmark.tasks("tset")


def test_releases_that_are_laid_out_need_no_archive(recipe: Path) -> None:
    first = Fixes(str(recipe)).tasks(SPLIT)[0]
    (recipe.parent / "cache/releases").unlink()
    fixes._layout.cache_clear()
    again = Fixes(str(recipe)).tasks(SPLIT)[0]
    assert again == first
    fixes._layout.cache_clear()
    (file, _) = sorted((recipe.parent / "cache/fixes").iterdir())
    file.write_text("{")
    with pytest.raises(DataError, match=r"broken .*; remove it"):
        Fixes(str(recipe)).tasks(SPLIT)[0]


def test_a_registry_that_cannot_be_reached_is_said(recipe: Path) -> None:
    (recipe.parent / "cache/releases").unlink()
    with pytest.raises(DataError, match=r"parcels-1\.\d\.tar\.gz: pip could not download it"):
        Fixes(str(recipe)).tasks(SPLIT)[0]


def test_a_recipe_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"recipe\.jsonl: cannot be read"):
        make_benchmark("fixes", str(tmp_path / "recipe.jsonl")).tasks("test")


@pytest.mark.nightly
def test_every_task_is_sound(recipe: Path) -> None:
    benchmark = Fixes(str(recipe))
    report = check(benchmark, list(benchmark.tasks(SPLIT)))
    assert [one.verdict for one in report.tasks] == [Verdict.SOUND] * 2, report.tasks


def test_an_episode_begins_at_the_function_and_ends_with_its_reference(recipe: Path) -> None:
    env = gymnasium.make(
        "hrmgym/Fixes-v0", benchmark_path=str(recipe), split=SPLIT, canvas=512, max_steps=8
    ).unwrapped
    assert isinstance(env, SoftwareEnv)
    for task in env.tasks:
        _, info = env.reset(options={"task": task.id})
        assert info["tests_passed"] < 1.0
        assert env.state.cursor.path == "parcels/core.py"
        terminated = False
        while not terminated:
            action = env.interface.toward(env.state, task.reference)
            *_, terminated, truncated, info = env.step(action)
            assert not truncated
        assert info["is_success"]
    env.close()


@pytest.mark.nightly
def test_the_recipe_that_ships_is_sound() -> None:
    """Takes the registry, and some seconds a task: here the last one of some packages."""
    benchmark = Fixes()
    chosen = [task_id(one.name, one.fixes[-1]) for one in shipped()[::4]]
    report = check(benchmark, [find_task(benchmark, one) for one in chosen])
    assert len(report.tasks) >= 3
    assert {one.verdict for one in report.tasks} == {Verdict.SOUND}, report.tasks
