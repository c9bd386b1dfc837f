"""What is found out of a project's tests before anything is tried; real runs in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.sandboxes.config import LocalSandboxConfig
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.experiments.projects.examining import (
    Settings,
    TestsError,
    as_judged,
    examine,
    judged,
    settings_of,
)
from hrmgym.experiments.projects.interpreter import Packages
from hrmgym.experiments.projects.layout import Project
from hrmgym.experiments.projects.localising import file_to_repair, files_to_choose_from
from hrmgym.experiments.projects.observing import Observation, Observed
from hrmgym.tests.experiments.projects.small_projects import MEAN, SHOP, write

HERE = Packages("", "here")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LocalSandboxConfig()) as made:
        yield made


def project(files: dict[str, str]) -> Project:
    return Project(Path("/nowhere"), files)


def test_failing_and_passing_tests_are_told_apart_by_two_runs(sandbox: Sandbox) -> None:
    files = {**MEAN, "test_more.py": "import pytest\n@pytest.mark.skip\ndef test_s():\n    pass\n"}
    found = examine(project(files), ".", sandbox, HERE)
    assert found.failing == ("test_stats.py::test_mean", "test_stats.py::test_mean_of_two")
    assert len(found.passing) == 3
    assert found.skipped == ("test_more.py::test_s",)
    assert found.messages["test_stats.py::test_mean"] == "AssertionError: assert 3.0 == 2"
    assert not found.flaky
    assert 0 < found.busy_s < found.cpu_s


def test_settings_that_name_absent_plugins_are_left_out_and_src_is_found(sandbox: Sandbox) -> None:
    found = examine(project(SHOP), "tests", sandbox, HERE)
    assert found.notes == (
        "addopts of pyproject.toml left out: unrecognized arguments: --cov=shop",
    )
    assert found.failing == (
        "tests/test_cart.py::test_total",
        "tests/test_cart.py::TestCart::test_count",
    )
    candidates = files_to_choose_from(project(SHOP), Path("/nowhere"))
    assert candidates == [path for path in SHOP if path.startswith("src/")]
    path, why = file_to_repair(found, candidates)
    assert path == "src/shop/cart.py"
    assert "passing ones do not" in why


NOTHING = [
    ("import requests_or_none\n", ".", r"cannot be collected: .*'requests_or_none'.*--python"),
    ("def test_a(:\n", "test_a.py", r"test_a\.py cannot be collected: SyntaxError"),
    ("def test_a(word):\n    pass\n", ".", r"collected: fixture 'word' not found.*--python"),
    ("x = 1\n", "test_a.py", "it holds no test that pytest collects"),
    ("def test_a(): pass\n", "test_a.py::test_b", r"selects no test.*not found.*test_b"),
    ("import os\nos._exit(3)\n", "test_a.py", "the tests ended the process"),
    ("import pytest\n@pytest.mark.skip\ndef test_a(): pass\n", ".", "all 1 tests are skipped"),
]


@pytest.mark.parametrize(
    ("test", "target", "message"),
    [NOTHING[0], *(pytest.param(*one, marks=pytest.mark.nightly) for one in NOTHING[1:])],
)
def test_tests_that_say_nothing_are_an_error(
    sandbox: Sandbox, test: str, target: str, message: str
) -> None:
    with pytest.raises(TestsError, match=message):
        examine(project({"test_a.py": test}), target, sandbox, HERE)


@pytest.mark.nightly
def test_packages_and_plugins_of_an_environment_are_there(tmp_path: Path) -> None:
    files = {
        "greeting.py": "WORD = 'hello'\n",
        "pytest_word.py": "import pytest\n@pytest.fixture\ndef word():\n    return 'hello'\n",
        "pytest_word-1.dist-info/METADATA": "Name: pytest-word\nVersion: 1\n",
        "pytest_word-1.dist-info/entry_points.txt": "[pytest11]\nword = pytest_word\n",
    }
    folder = write(tmp_path / "site-packages", files)
    test = "from greeting import WORD\ndef test_a(word):\n    assert word == WORD\n"
    with Sandbox(LocalSandboxConfig(packages=str(folder))) as box:
        found = examine(
            project({"test_a.py": test}), ".", box, Packages(str(folder), "an environment")
        )
    assert found.passing == ("test_a.py::test_a",)
    assert found.notes == ("plugins of pytest loaded: pytest_word",)
    assert found.settings.args == ("-p", "pytest_word")


@pytest.mark.nightly
def test_flaky_failures_are_told_and_do_not_count(sandbox: Sandbox) -> None:
    # Runs differ by chance alone: of forty tests, some come out one way and then the other.
    flaky = "import random\n" + "".join(
        f"def test_{n}():\n    assert random.random() < 0.5\n" for n in range(40)
    )
    files = {"test_a.py": flaky, "test_b.py": "def test_sure():\n    assert False\n"}
    found = examine(project(files), ".", sandbox, HERE)
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


def test_what_the_judging_run_sees_otherwise_does_not_count() -> None:
    tests = {name: Observed("failed") for name in "ab"} | {
        name: Observed("passed") for name in "cde"
    }
    found = judged(Settings(".", ""), Observation(tests, {}, 1, 0.1, ""), [])
    statuses = dict(zip("abcde", ("failed", "passed", "passed", "error", "timeout"), strict=True))
    outcome = Outcome(tests={name: Status(status) for name, status in statuses.items()})
    left = as_judged(found, outcome)
    assert (left.failing, left.passing, left.flaky) == (("a",), ("c", "e"), ("b", "d"))
    same = Outcome(tests={name: Status(one.status) for name, one in tests.items()})
    assert as_judged(found, same) == found
    with pytest.raises(TestsError, match="flaky: a, b failed, and passed in another run"):
        as_judged(found, Outcome(tests=dict.fromkeys("abcde", Status.PASSED)))


@pytest.mark.nightly
def test_a_test_that_never_ends_fails_and_the_others_run(sandbox: Sandbox) -> None:
    files = {"test_a.py": "def test_a():\n    while True:\n        pass\ndef test_b(): pass\n"}
    found = examine(project(files), ".", sandbox, HERE, test_s=0.5)
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
