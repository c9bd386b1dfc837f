"""An id selects what pytest selects: apart, together, and in a deployment of SWE-ReX's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.jsonl import read_tasks
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.inside import selection
from hrmgym.envs.task import Limits, Outcome, PytestTests
from hrmgym.errors import DataError

CODE = "def double(x):\n    return 2 * x\n"
TEST = """
import unittest
import pytest
from m import double

@pytest.mark.parametrize("x", [1, 2, "a::b", "[c]", "é", " d"])
def test_each(x): assert double(x) == x + x
def test_eachone(): assert double(3) == 7
def test_skipped(): pytest.skip("now")
def test_fine(): assert double(1) == 2

class TestFine:
    def test_a(self): assert double(1) == 2
    @pytest.mark.parametrize("n", [1, 2])
    def test_b(self, n): assert double(n) == 2 * n
    class TestInner:
        def test_c(self): pass

class TestMixed:
    def test_a(self): assert double(1) == 2
    def test_b(self): assert double(1) == 3
    def test_c(self): raise SystemExit(3)

class TestWithSkip:
    def test_a(self): assert double(1) == 2
    def test_b(self): pytest.skip("now")

class Case(unittest.TestCase):
    def test_a(self): self.assertEqual(double(1), 2)
    def test_b(self): self.assertEqual(double(2), 4)

class Helper:
    def test_a(self): pass
"""
FILES = {
    "tests/test_a.py": TEST,
    "tests/test_b.py": "from m import double\ndef test_x(): assert double(2) == 4\n",
    "tests/test_broken.py": "from m import nothing\ndef test_x(): pass\n",
    "tests/test_bad_class.py": "def test_x(): pass\nclass TestBad:\n"
    "    def __init__(self): pass\n    def test_y(self): pass\n",
    "tests/empty_test.py": "x = 1\n",
    "-odd @name.py": "def test_x(): pass\n",
    "@file.py": "def test_x(): pass\n",
}
#: Id -> its status.
IDS = {
    "tests/test_a.py": "failed",
    "tests/test_b.py": "passed",
    "./tests/test_b.py::test_x": "passed",
    "tests/../tests/./test_a.py::test_fine": "passed",
    "tests//test_a.py::TestFine::test_a": "passed",
    "tests/test_a.py::test_each": "passed",
    "tests/test_a.py::test_each[1]": "passed",
    "tests/test_a.py::test_each[a::b]": "passed",
    "tests/test_a.py::test_each[[c]]": "passed",
    "tests/test_a.py::test_each[ d]": "passed",
    "tests/test_a.py::test_each[\\xe9]": "passed",
    "tests/test_a.py::test_each[é]": "missing",
    "tests/test_a.py::test_each[9]": "missing",
    "tests/test_a.py::test_eachone": "failed",
    "tests/test_a.py::test_eac": "missing",
    "tests/test_a.py::test_skipped": "skipped",
    "tests/test_a.py::TestFine": "passed",
    "tests/test_a.py::TestFine::test_b": "passed",
    "tests/test_a.py::TestFine::TestInner": "passed",
    "tests/test_a.py::TestFine::test_none": "missing",
    "tests/test_a.py::TestMixed": "failed",
    "tests/test_a.py::TestMixed::test_c": "failed",
    "tests/test_a.py::TestWithSkip": "skipped",
    "tests/test_a.py::Case": "passed",
    "tests/test_a.py::Case::test_b": "passed",
    "tests/test_a.py::Helper": "missing",
    "tests/test_a.py::Nothing::test_a": "missing",
    "tests/test_a.py::test_fine::more": "missing",
    "tests/test_a.py::test_\udc80": "missing",
    "tests/test_a.py::test_a\nb": "missing",
    "tests/test_broken.py": "error",
    "tests/test_broken.py::test_x": "error",
    "tests/test_bad_class.py": "passed",
    "tests/empty_test.py": "missing",
    "-odd @name.py": "passed",
    "@file.py::test_x": "passed",
}
LIMITS = Limits(cpu_s=10.0, wall_s=60.0)
Run = Callable[[PytestTests], Outcome]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with Sandbox() as sandbox:
        yield lambda tests: sandbox.run_tests({"m.py": CODE}, tests, LIMITS)


@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
def test_statuses(run: Run, together: bool) -> None:
    outcome = run(PytestTests(files=FILES, ids=tuple(IDS), together=together))
    assert {name: str(status) for name, status in outcome.tests.items()} == IDS


def test_selects_what_pytest_selects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, text in {**FILES, "m.py": CODE}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)

    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def collected(*arguments: str) -> list[str]:
        argv = [sys.executable, "-B", "-m", "pytest", "-q", "--collect-only", *arguments]
        argv += ["-c/dev/null", f"--rootdir={tmp_path}", "-pno:cacheprovider"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        return [line for line in done.stdout.splitlines() if line.startswith("tests/")]

    nodes = collected("tests/test_a.py")
    assert len(nodes) == 20
    for name in (
        "./tests/test_a.py::test_each",
        "tests/test_a.py::test_each[a::b]",
        "tests/test_a.py::TestFine",
        "tests/test_a.py::test_eac",
        "tests/test_a.py::Helper",
    ):
        assert selection.choose([name], nodes)[name] == collected(name), name


@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "tests/test_a.py::test_fin",
            "selects no test; did you mean 'tests/test_a.py::test_fine'?",
        ),
        ("tests/empty_test.py", "selects no test"),
        (
            "tests/test_a.py::TestMixed",
            "tests/test_a.py::TestMixed::test_b: AssertionError: assert 2 == 3",
        ),
        ("tests/test_broken.py", "cannot import name 'nothing'"),
    ],
)
def test_message(run: Run, name: str, says: str, together: bool) -> None:
    outcome = run(PytestTests(files=FILES, ids=(name,), together=together))
    assert says in outcome.message
    assert not outcome.resolved


def test_one_test_by_several_ids() -> None:
    """It runs once, and counts for each."""
    test = "import m\ndef test_x(): assert m.count() == 1\ndef test_y(): pass\n"
    ids = ("t.py", "t.py::test_x", "./t.py::test_y")
    with Sandbox() as sandbox:
        for together in (False, True):
            tests = PytestTests(files={"t.py": test}, ids=ids, together=together)
            code = "seen = []\ndef count():\n    seen.append(1)\n    return len(seen)\n"
            assert sandbox.run_tests({"m.py": code}, tests, LIMITS).resolved


def test_a_test_of_several_that_ends_the_process() -> None:
    test = "import m\ndef test_x(): pass\ndef test_y(): m.end()\ndef test_z(): pass\n"
    with Sandbox() as sandbox:
        for together in (False, True):
            tests = PytestTests(
                files={"t.py": test}, ids=("t.py", "t.py::test_x"), together=together
            )
            outcome = sandbox.run_tests(
                {"m.py": "import os\ndef end(): os._exit(0)\n"}, tests, LIMITS
            )
            assert [str(status) for status in outcome.tests.values()] == ["error", "passed"]


REFUSED = {
    "": "names no file",
    "::test_x": "names no file",
    "/t.py": "absolute path",
    "/workspace/t.py::test_x": "absolute path",
    "../t.py": "leaves the workspace",
    "a/../../t.py::test_x": "leaves the workspace",
    "t.py::": "empty part",
    "t.py::::test_x": "empty part",
    "t.py::TestX::": "empty part",
    "t[1].py::test_x": "'['",
    "tests": "Python file",
    "data.txt": "Python file",
    "t": "Python file",
    "tt.py": "'tt.py' is no file of these tests; did you mean 't.py'?",
    " t.py": "no file of these tests",
    "m.py::test_x": "no file of these tests",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(DataError) as caught:
        PytestTests(files={"t.py": ""}, ids=(name,))
    assert REFUSED[name] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refused_twice() -> None:
    for ids in (("t.py", "t.py"), ("t.py::a", "./t.py::a"), ("t.py", "a/../t.py")):
        with pytest.raises(DataError, match=r"twice|select the same"):
            PytestTests(files={"t.py": ""}, ids=ids)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_a_file_of_tasks(tmp_path: Path, name: str) -> None:
    tests = {"kind": "pytest", "files": {"t.py": "def test_x(): pass\n"}, "ids": ["t.py::test_x"]}
    line = {
        "id": "a",
        "language": "python",
        "prompt": "",
        "files": {"m.py": ""},
        "editable": ["m.py"],
        "visible_tests": tests,
        "hidden_tests": tests | {"ids": ["t.py", name]},
        "reference": {"m.py": "x = 1\n"},
    }
    path = tmp_path / "tasks.jsonl"
    path.write_text("\n" + json.dumps(line) + "\n")
    with pytest.raises(DataError) as caught:
        read_tasks(path)
    assert str(caught.value).startswith(f"{path}:2: hidden_tests")
    said = str(caught.value)
    assert REFUSED[name] in said or "does not stay inside the workspace" in said
