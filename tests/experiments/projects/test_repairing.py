"""Repairs of small projects: real runs in a sandbox, and nothing on disk that changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.errors import ConfigError
from hrmgym.experiments.projects import search
from hrmgym.experiments.projects.examining import TestsError
from hrmgym.experiments.projects.interpreter import OURS
from hrmgym.experiments.projects.repairing import Request, experiment_of, repair_file
from hrmgym.experiments.projects.search import Ended
from hrmgym.tests.experiments.projects.small_projects import (
    MEAN,
    QUICK,
    SHOP,
    contents,
    repaired,
    write,
)


def test_a_function_is_repaired_and_the_file_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_OTHERS", 0)
    root = write(tmp_path / "p", MEAN)
    before = contents(root)
    done = repaired(root / "stats.py", root / "test_stats.py")
    assert done.status == "repaired"
    assert done.search is not None
    assert done.file is not None
    (one,) = done.search.passing
    space: dict[str, object] = {}
    exec(one.text, space)
    assert space["mean"]([1, 2, 3]) == 2  # type: ignore[operator]
    assert one.test_run == done.search.test_runs
    assert contents(root) == before


@pytest.mark.nightly
def test_of_a_folder_the_file_that_the_tests_point_to_is_repaired(tmp_path: Path) -> None:
    root = write(tmp_path / "shop", SHOP)
    done = repaired(root, root / "tests")
    assert (done.status, done.path, done.also) == (
        "repaired",
        "src/shop/cart.py",
        ("src/shop/money.py",),
    )
    assert done.search is not None
    assert any("price * count" in one.text for one in done.search.passing)
    assert len(done.examined.failing) == 2


@pytest.mark.nightly
def test_a_node_id_selects_the_tests_and_the_file_named_is_the_one_edited(tmp_path: Path) -> None:
    root = write(tmp_path / "shop", SHOP)
    done = repaired(
        root / "src/shop/cart.py", f"{root}/tests/test_cart.py::TestCart::test_count", runs=700
    )
    assert done.examined.failing == ("tests/test_cart.py::TestCart::test_count",)
    assert done.examined.passing == ()
    assert done.status == "repaired"
    wrong = repaired(root / "src/shop/money.py", root / "tests", runs=30)
    assert wrong.path == "src/shop/money.py"
    assert wrong.status == "not repaired"
    assert wrong.search is not None
    assert wrong.search.ended is Ended.RUNS
    assert wrong.search.test_runs == 30


def test_where_all_tests_pass_nothing_is_tried(tmp_path: Path) -> None:
    files = {
        "a.py": "def f():\n    return 1\n",
        "test_a.py": "from a import f\ndef test_f():\n    assert f() == 1\n",
    }
    root = write(tmp_path / "p", files)
    done = repaired(root / "a.py", root / "test_a.py")
    assert (done.status, done.search) == ("already passing", None)
    assert done.examined.passing == ("test_a.py::test_f",)


@pytest.mark.nightly
def test_all_edits_tried_in_vain_and_the_seconds_spent_are_told_apart(tmp_path: Path) -> None:
    files = {
        "a.py": "def f():\n    return 1\n",
        "test_a.py": "from a import f\ndef test_f():\n    assert f() == 'none such'\n",
    }
    root = write(tmp_path / "p", files)
    done = repaired(root / "a.py", root / "test_a.py")
    assert done.search is not None
    assert (done.status, done.search.ended) == ("not repaired", Ended.TRIED_ALL)
    assert 0 < done.search.edits < 1000
    done = repaired(root / "a.py", root / "test_a.py", seconds=0.0)
    assert done.search is not None
    assert done.search.ended is Ended.SECONDS
    assert done.search.edits == 1


def test_hostile_code_reaches_nothing_of_the_project(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "p"
    attack = f"""
import pathlib, shutil

for path in {[str(root), str(root / "a.py"), str(tmp_path)]!r}:
    try:
        pathlib.Path(path).write_text("raise SystemExit")
    except OSError:
        pass
    shutil.rmtree(path, ignore_errors=True)


def f():
    return 1
"""
    write(
        root, {"a.py": attack, "test_a.py": "from a import f\ndef test_f():\n    assert f() == 2\n"}
    )
    before = contents(root)
    done = repaired(root / "a.py", root / "test_a.py", runs=2)
    assert done.examined.failing == ("test_a.py::test_f",)
    assert contents(root) == before


@pytest.mark.nightly
def test_windows_line_ends_and_another_encoding_are_repaired_in_place(tmp_path: Path) -> None:
    root = write(tmp_path / "p", MEAN)
    text = "# coding: latin-1\n# öl\n" + MEAN["stats.py"]
    (root / "stats.py").write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    done = repaired(root / "stats.py", root / "test_stats.py")
    assert done.status == "repaired"
    assert done.file is not None
    assert done.search is not None
    data = done.file.edited(done.search.passing[0].text)
    assert data.startswith("# coding: latin-1\r\n# öl\r\n".encode("latin-1"))
    assert data.count(b"\r\n") == data.count(b"\n")
    same = [a == b for a, b in zip(data.split(b"\r\n"), done.file.data.split(b"\r\n"), strict=True)]
    assert same.count(False) == 1


@pytest.mark.nightly
def test_ctrl_c_keeps_what_was_found_so_far(tmp_path: Path) -> None:
    root = write(tmp_path / "p", MEAN)

    def interrupt(phase: str, done: int, total: int, text: str) -> None:
        if phase == "test runs" and (text if stop_after_pass else done >= 5):
            raise KeyboardInterrupt

    request = Request(target=root / "stats.py", tests=f"{root}/test_stats.py", overrides=QUICK)
    stop_after_pass = False
    early = repair_file(request, interrupt)
    assert (early.status, early.search and early.search.test_runs) == ("interrupted", 5)
    stop_after_pass = True
    late = repair_file(request, interrupt)
    assert late.status == "repaired"
    assert late.search is not None
    assert late.search.ended is Ended.INTERRUPTED
    assert len(late.search.passing) == 1


def test_mistakes_are_told_before_anything_runs(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {**MEAN, "notes.txt": "", "out/a.py": ""})
    file = root / "stats.py"
    for tests, message in (
        (root / "test_stat.py", r"no file or folder .*; did you mean 'test_stats.py'\?"),
        (root / "notes.txt", "tests are Python files that pytest collects"),
        (f"{root}::test_mean", "is a folder; node ids begin with a file"),
    ):
        with pytest.raises(ConfigError, match=message):
            repaired(file, tests)
    with pytest.raises(ConfigError, match="is not in the project's folder"):
        repaired(file, root / "test_stats.py", root=root / "out")
    with pytest.raises(ConfigError, match=r"override 'polcy=x'.*did you mean 'policy'"):
        experiment_of(["polcy=x"])
    request = Request(
        target=file, tests=f"{root}/test_stats.py", python=root, overrides=("sandbox=docker",)
    )
    with pytest.raises(ConfigError, match="a 'docker' sandbox has the packages of its own image"):
        repair_file(request, lambda *_: None)


@pytest.mark.nightly
def test_a_file_that_is_no_program_or_one_of_the_tests_is_refused(tmp_path: Path) -> None:
    bad = "def test_a():\n    assert False\n"
    root = write(tmp_path / "p", {"a.py": "def f(:\n", "test_a.py": bad})
    with pytest.raises(ConfigError, match=r"a\.py: not Python source"):
        repaired(root / "a.py", root / "test_a.py")
    with pytest.raises(TestsError, match=r"test_a\.py is one of the tests' own files"):
        repaired(root / "test_a.py", root / "test_a.py")


@pytest.mark.nightly
def test_packages_and_plugins_of_an_environment_are_there_in_every_run(tmp_path: Path) -> None:
    packages = f"env/lib/python{OURS}/site-packages"
    root = write(
        tmp_path / "p",
        {
            "env/pyvenv.cfg": "",
            f"{packages}/rates.py": "RATE = 3\n",
            f"{packages}/pytest_n.py": "import pytest\n@pytest.fixture\ndef n():\n    return 2\n",
            f"{packages}/pytest_n-1.dist-info/METADATA": "Name: pytest-n\nVersion: 1\n",
            f"{packages}/pytest_n-1.dist-info/entry_points.txt": "[pytest11]\nn = pytest_n\n",
            "a.py": "from rates import RATE\n\n\ndef f(n):\n    return n + RATE\n",
            "test_a.py": "from a import f\ndef test_a(n):\n    assert f(n) == 6\n"
            "def test_b():\n    assert f(5) == 15\n",
        },
    )
    done = repaired(root / "a.py", root / "test_a.py", python=root / "env")
    assert done.status == "repaired"
    assert done.search is not None
    assert "return n * RATE" in done.search.passing[0].text
