"""What is found out of a project's tests before anything is tried; real runs in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.config import LocalSandboxConfig
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.experiments.projects import examining
from hrmgym.experiments.projects.examining import (
    Examined,
    Settings,
    TestsError,
    examine,
    file_to_repair,
    functions_to_repair,
    judged,
    settings_of,
)
from hrmgym.experiments.projects.layout import Project
from hrmgym.experiments.projects.observing import Observation, Observed
from hrmgym.tests.experiments.projects.small_projects import MEAN, SHOP


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LocalSandboxConfig()) as made:
        yield made


def project(files: dict[str, str]) -> Project:
    return Project(Path("/nowhere"), files)


def test_failing_and_passing_tests_are_told_apart_by_two_runs(sandbox: Sandbox) -> None:
    files = {**MEAN, "test_more.py": "import pytest\n@pytest.mark.skip\ndef test_s():\n    pass\n"}
    found = examine(project(files), ".", sandbox)
    assert found.failing == ("test_stats.py::test_mean", "test_stats.py::test_mean_of_two")
    assert len(found.passing) == 3
    assert found.skipped == ("test_more.py::test_s",)
    assert found.messages["test_stats.py::test_mean"] == "AssertionError: assert 3.0 == 2"
    assert not found.flaky
    assert 0 < found.busy_s < found.cpu_s


def test_settings_that_name_absent_plugins_are_left_out_and_src_is_found(sandbox: Sandbox) -> None:
    found = examine(project(SHOP), "tests", sandbox)
    assert found.notes == (
        "addopts of pyproject.toml left out: unrecognized arguments: --cov=shop",
    )
    assert found.failing == (
        "tests/test_cart.py::test_total",
        "tests/test_cart.py::TestCart::test_count",
    )
    candidates = [path for path in SHOP if path.startswith("src/")]
    path, why = file_to_repair(found, candidates)
    assert path == "src/shop/cart.py"
    assert "passing ones do not" in why


@pytest.mark.parametrize(
    ("test", "target", "message"),
    [
        ("import requests_or_none\n", ".", r"test_a\.py cannot be collected: .*'requests_or_none'"),
        ("import requests_or_none\n", ".", r"packages are those of here; --python names others"),
        ("def test_a(:\n", "test_a.py", r"test_a\.py cannot be collected: SyntaxError"),
        ("x = 1\n", "test_a.py", "it holds no test that pytest collects"),
        ("def test_a(): pass\n", "test_a.py::test_b", r"selects no test.*not found.*test_b"),
        ("import os\nos._exit(3)\n", "test_a.py", "the tests ended the process"),
        (
            "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n",
            "test_a.py",
            "all 1 tests are skipped",
        ),
    ],
)
def test_tests_that_say_nothing_are_an_error(
    sandbox: Sandbox, test: str, target: str, message: str
) -> None:
    with pytest.raises(TestsError, match=message):
        examine(project({"test_a.py": test}), target, sandbox, "here")


def test_flaky_failures_are_told_and_do_not_count(sandbox: Sandbox) -> None:
    # Runs differ by chance alone: of forty tests, some come out one way and then the other.
    flaky = "import random\n" + "".join(
        f"def test_{n}():\n    assert random.random() < 0.5\n" for n in range(40)
    )
    files = {"test_a.py": flaky, "test_b.py": "def test_sure():\n    assert False\n"}
    found = examine(project(files), ".", sandbox)
    assert "test_b.py::test_sure" in found.failing
    assert found.flaky
    assert not set(found.flaky) & {*found.failing, *found.passing}


def test_where_every_failing_test_is_flaky_nothing_can_be_repaired() -> None:
    def seen(status: str) -> Observation:
        return Observation({"a": Observed(status), "b": Observed("passed")}, {}, 1, 0.1, "")

    with pytest.raises(TestsError, match="flaky: a did not come out the same in 3 runs"):
        judged(Settings(".", ""), seen("failed"), [seen("failed"), seen("passed")])
    found = judged(Settings(".", ""), seen("failed"), [seen("failed"), seen("failed")])
    assert (found.failing, found.passing) == (("a",), ("b",))


def test_a_test_that_never_ends_fails_and_the_others_run(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "TEST_S", 0.5)
    files = {"test_a.py": "def test_a():\n    while True:\n        pass\ndef test_b(): pass\n"}
    found = examine(project(files), ".", sandbox)
    assert found.failing == ("test_a.py::test_a",)
    assert found.passing == ("test_a.py::test_b",)
    assert "took longer than 0.5 s" in found.messages["test_a.py::test_a"]


def test_the_folders_that_imports_look_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def paths(files: dict[str, str]) -> tuple[str, ...]:
        return settings_of(Project(tmp_path.resolve(), files), ".").args

    assert paths({"src/a.py": ""}) == ("-o", "pythonpath=src")
    assert paths({"src/__init__.py": "", "src/a.py": ""}) == ()
    assert paths({"src/a.py": "", "pytest.ini": "[pytest]\npythonpath = lib\n"}) == ()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert paths({"src/a.py": ""}) == ("-o", "pythonpath=src sub")


def examined(**tests: Observed) -> Examined:
    """What some tests would have said."""
    first = Observation(tests, {}, 1, 0.1, "")
    return Examined(
        settings=Settings(".", ""),
        failing=tuple(first.failing),
        passing=tuple(first.passing),
        messages={},
        flaky=(),
        skipped=(),
        broken={},
        first=first,
        cpu_s=0.1,
        busy_s=0.1,
    )


def ran(status: str, *paths: str, path: str = "t.py", called: str = "") -> Observed:
    return Observed(
        status, path=path, called=called, ran=frozenset((one, "function") for one in paths)
    )


def test_the_file_is_that_of_the_failing_frame_else_the_most_suspicious_one() -> None:
    both = ["a.py", "b.py"]
    frame = examined(one=ran("failed", "a.py", "b.py", path="b.py", called="a.py"))
    assert file_to_repair(frame, both) == ("b.py", "one fails in it")
    suspicious = examined(one=ran("failed", "a.py", "b.py"), two=ran("passed", "a.py"))
    assert file_to_repair(suspicious, both)[0] == "b.py"
    called = examined(one=ran("failed", "a.py", "b.py", called="b.py"))
    assert file_to_repair(called, both)[0] == "b.py"
    with pytest.raises(TestsError, match=r"no failing test runs a function.*a\.py, b\.py"):
        file_to_repair(examined(one=ran("failed", "c.py")), both)


def test_the_functions_that_failing_tests_run_come_by_suspicion() -> None:
    names = ["Box.open", "Box.close", "f.<locals>.<listcomp>", "f.<locals>.g", "<module>", "gone"]
    bad = frozenset(("a.py", name) for name in names) | {("b.py", "h")}
    good = frozenset({("a.py", "Box.open")})
    found = examined(one=Observed("failed", ran=bad), two=Observed("passed", ran=good))
    text = (
        "class Box:\n    def open(self): pass\n    def close(self): pass\n"
        "def f(x):\n    def g(): pass\n    return [i for i in x]\ndef h(): pass\n"
    )
    assert functions_to_repair(found, "a.py", text) == [
        *("a.py::Box.close", "a.py::f", "a.py::f.g", "a.py::Box.open")
    ]
