"""Tests of mining a pair of releases, in a sandbox."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hrmgym.envs.benchmarks.fixes import building
from hrmgym.envs.benchmarks.fixes.layout import Layout
from hrmgym.envs.benchmarks.fixes.mining.pairs import mine
from hrmgym.envs.benchmarks.fixes.mining.runs import Run, Runs
from hrmgym.envs.task import PytestTests
from hrmgym.errors import DataError
from hrmgym.tests.envs.benchmarks.fixes.conftest import Mined
from hrmgym.tests.sdists import NEWER


def test_a_pair_gives_the_functions_that_its_tests_tell_apart(mined: Mined) -> None:
    assert [fix.function for fix in mined.made.fixes] == ["total", "Parcel.same"]
    assert mined.made.counts == {
        "changed": 4,
        "coupled": 1,
        "untested": 1,
        "tried": 2,
        "clean": 2,
    }
    total, same = mined.made.fixes
    failing = {*total.visible.fail_to_pass, *total.hidden.fail_to_pass}
    assert failing == {
        "tests/test_core.py::test_the_limit_itself",
        "tests/test_core.py::test_another_limit",
    }
    assert same.visible.fail_to_pass == same.hidden.fail_to_pass
    assert same.hidden.fail_to_pass == ("tests/test_core.py::TestParcel::test_case",)
    assert not total.visible.together
    assert not total.hidden.together


def test_a_task_is_what_the_releases_say_and_hides_its_hidden_tests(mined: Mined) -> None:
    fix = mined.made.fixes[0]
    task = building.task_of(mined.package, fix, *mined.layouts)
    assert task.id == "parcels-1.1-parcels.core.total"
    assert task.focus == "parcels/core.py::total"
    assert task.reference == {"parcels/core.py": NEWER}
    assert "weight >= limit" in task.workspace.files["parcels/core.py"]
    assert not [path for path in task.workspace.files if "test" in path]
    assert task.tags == ("parcels", "small")
    assert isinstance(task.visible_tests, PytestTests)
    shown = "\n".join(task.visible_tests.files.values())
    for name in fix.hidden.ids:
        assert name.rpartition("::")[2] + "(" not in shown
    assert "tests/test_else.py" not in task.visible_tests.files


def test_another_content_is_refused(mined: Mined) -> None:
    fix = mined.made.fixes[0]
    old, new = mined.layouts
    tests = new.tests | {"tests/helper.py": "# changed\n"}  # type: ignore[operator]
    with pytest.raises(
        DataError, match=r"parcels 1\.1: parcels/core.py::total: content \w{12}, ex"
    ):
        building.task_of(mined.package, fix, old, replace(new, tests=tests))
    with pytest.raises(DataError, match="not a function of both releases"):
        building.task_of(mined.package, replace(fix, function="nope"), old, new)


@pytest.mark.nightly
def test_no_more_than_asked_for(mined: Mined) -> None:
    made = mine(mined.package, ("1.0", "1.1"), mined.layouts, mined.sandbox, 0, 0)
    assert made.fixes == []
    assert made.counts["over the cap"] == 2


def test_releases_that_differ_in_nothing_that_runs_give_nothing(mined: Mined) -> None:
    new = mined.layouts[1]
    made = mine(mined.package, ("1.1", "1.2"), (new, new), mined.sandbox, 0, 10)
    assert (made.fixes, made.counts["changed"]) == ([], 0)


RUNS = """\
import time, os, pytest
from a import f

def test_pass():
    assert f(1) == 1

def test_fail():
    assert f(1) == 2, "not two"

def test_skip():
    pytest.skip("no")

@pytest.mark.xfail
def test_xfail():
    assert False

@pytest.fixture
def broken():
    raise OSError("broken")

def test_error(broken):
    pass

def test_hang():
    while True:
        pass

def test_deaf():
    while True:
        try:
            time.sleep(9)
        except BaseException:
            pass

def test_never_reached():
    os._exit(3)
"""


def test_runs_say_what_became_of_each_test(mined: Mined) -> None:
    layout = Layout({"a.py": "def f(x):\n    return x\n"}, {"t.py": RUNS, "pytest.ini": ""}, "")
    runs = Runs(mined.sandbox, {**layout.package, **layout.tests})
    quick = [f"t.py::test_{name}" for name in ("pass", "fail", "skip", "xfail", "error", "hang")]
    results = runs.make(
        [
            Run(id="all", targets=["t.py"], only=quick, test_s=0.3, profile=True),
            Run(id="other", targets=["t.py"], only=quick[:2], files={"a.py": "f = lambda x: 2\n"}),
            Run(id="again", targets=["t.py"], only=quick[:2]),
            Run(id="deaf", targets=["t.py"], only=["t.py::test_deaf"], test_s=0.1, wall_s=1.0),
            Run(id="gone", targets=["t.py"], only=["t.py::test_never_reached"]),
            Run(id="none", targets=["t.py"], files={"a.py": None}),
        ],
        60.0,
    )
    said = {name.rpartition("_")[2]: test for name, test in results["all"].tests.items()}
    assert {name: test.status for name, test in said.items()} == {
        "pass": "passed",
        "fail": "failed",
        "skip": "skipped",
        "xfail": "skipped",
        "error": "error",
        "hang": "failed",
    }
    assert results["all"].whole
    assert (said["fail"].exception, "not two" in said["fail"].message) == ("AssertionError", True)
    assert said["error"].exception == "OSError"
    assert "a.py::f" in said["pass"].ran
    assert "a.py::f" not in said["skip"].ran
    assert results["other"].passed == {"t.py::test_fail"}
    assert results["again"].passed == {"t.py::test_pass"}
    assert not results["deaf"].whole
    assert results["deaf"].tests["t.py::test_deaf"].status == "failed"
    assert not results["gone"].whole
    assert results["none"].tests == {}
