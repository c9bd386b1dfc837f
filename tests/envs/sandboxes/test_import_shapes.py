"""However a test file comes by the code that it tests: its tests run apart, say what cold pytest
says, and the code cannot fool them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Protocol

import pytest

from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.sandboxes.local.bench import open_bench
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.verdicts import testing, together
from hrmgym.envs.task import Limits, PytestTests
from hrmgym.tests.envs.sandboxes.shapes import SHAPES, SOLUTION, WRONG

Cold = Mapping[str, Mapping[str, Status]]
LIMITS = Limits(cpu_s=10.0, wall_s=60.0)


class Run(Protocol):
    def __call__(self, code: str, tests: PytestTests, limits: Limits = LIMITS) -> Outcome: ...


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    loop = asyncio.new_event_loop()
    runtime = LocalRuntime()
    bench = loop.run_until_complete(open_bench(runtime))
    yield lambda code, tests, limits=LIMITS: loop.run_until_complete(
        testing.run_tests(bench, {"solution.py": code}, tests, limits)
    )
    loop.run_until_complete(runtime.close())
    loop.close()


def shape(name: str) -> PytestTests:
    text, ids, conftest = SHAPES[name]
    folder = f"s{list(SHAPES).index(name)}"
    path = f"{folder}/test_{folder}.py"
    files = {path: text} | ({f"{folder}/conftest.py": conftest} if conftest else {})
    return PytestTests(files=files, ids=tuple(f"{path}::{i}" for i in ids))


@pytest.fixture(scope="module")
def cold(run: Run) -> Cold:
    """What pytest says in one process with the code, of all tests at once, for each program."""
    every = [shape(name) for name in SHAPES]
    whole = PytestTests(
        files={path: text for tests in every for path, text in tests.files.items()},
        ids=tuple(name for tests in every for name in tests.ids),
        together=True,
    )
    return {code: run(code, whole).tests for code in (SOLUTION, WRONG)}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_runs_apart(
    run: Run, cold: Mapping[str, Mapping[str, Status]], name: str
) -> None:
    tests = shape(name)
    assert together.reason(tests) == ""
    for code in (SOLUTION, WRONG, SOLUTION):
        outcome = run(code, tests)
        assert outcome.failure is None
        assert dict(outcome.tests) == {one: cold[code][one] for one in tests.ids}, outcome.message
    assert run(SOLUTION, tests).tests[tests.ids[-1]] is Status.PASSED
    assert run(WRONG, tests).tests[tests.ids[-1]] is Status.FAILED


#: What fools pytest in one process.
FORGERIES = {
    "equal": SOLUTION + """
class Equal(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def double(x): return Equal(7)
Box.twice = lambda self: Equal(7)
""",
    "patched": SOLUTION.replace("2 * ", "5 * ") + """
import unittest
try:
    import _pytest.runner, _pytest.python
    _pytest.python.Function.runtest = lambda self: None
except ImportError: pass
unittest.TestCase.assertEqual = lambda *a: None
unittest.TestCase.__call__ = unittest.TestCase.run = lambda *a: None
""",
    "frames": SOLUTION.replace("2 * ", "5 * ") + """
import sys
def double(x):
    frame = sys._getframe()
    while frame is not None:
        for name in ("test", "T", "TestIt", "TestBox"):
            if name in frame.f_globals: frame.f_globals[name] = lambda *a: None
        if "item" in frame.f_locals and hasattr(frame.f_locals["item"], "runtest"):
            frame.f_locals["item"].runtest = lambda: None
        frame = frame.f_back
    raise SystemExit(0)
Box.twice = lambda self: double(self.n)
""",
    "exit": SOLUTION + "import os\ndef double(x): os._exit(0)\nBox.twice = lambda self: os._exit(0)\n",  # noqa: E501
    "skip": SOLUTION + "import unittest\ndef double(x): raise unittest.SkipTest('no')\nBox.twice = double\n",  # noqa: E501
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("name", ["star", "import_module", "conftest", "setUpClass", "ids of the code", "at import"])  # fmt: skip # noqa: E501
def test_no_shape_can_be_forged(run: Run, name: str, forgery: str) -> None:
    tests = shape(name)
    for _ in range(2):
        outcome = run(FORGERIES[forgery], tests)
        assert outcome.passed == 0
        assert outcome.failure is None
        assert run(SOLUTION, tests).resolved


# --- tests that are collected with the code ---


def test_another_public_name_is_seen(run: Run) -> None:
    tests = PytestTests(
        files={"test_a.py": "from solution import *\ndef test(): assert 'extra' in globals()\n"},
        ids=("test_a.py::test",),
    )
    for _ in range(2):
        assert not run(SOLUTION, tests).resolved
        assert run(SOLUTION + "extra = 1\n", tests).resolved
        assert not run(SOLUTION + "extra = 1\n__all__ = ['double']\n", tests).resolved
        assert run(SOLUTION + "globals()['ex' + 'tra'] = 1\n", tests).resolved
        assert not run("raise ValueError\n", tests).resolved
        assert run(SOLUTION + "from string import digits as extra\n", tests).resolved


def test_other_cases_are_other_tests(run: Run) -> None:
    tests = shape("ids of the code")
    more = SOLUTION.replace("CASES = [1, 2]", "CASES = [1, 5]")
    for _ in range(2):
        assert run(SOLUTION, tests).resolved
        assert list(run(more, tests).tests.values()) == [Status.PASSED, Status.MISSING]


def test_changes_of_what_was_collected_do_not_stay(run: Run) -> None:
    text = "from solution import *\nseen = []\ndef test():\n    CASES.append(3)\n    seen.append(1)\n    assert CASES == [1, 2, 3] and seen == [1]\n"  # noqa: E501
    tests = PytestTests(files={"test_a.py": text}, ids=("test_a.py::test",))
    for _ in range(3):
        outcome = run(SOLUTION, tests)
        assert outcome.resolved, outcome.message


def test_code_that_changes_from_run_to_run(run: Run) -> None:
    code = SOLUTION + "import os\nglobals()[f'n{int.from_bytes(os.urandom(4))}'] = 1\n"
    for _ in range(6):
        assert run(code, shape("star")).resolved
    assert run(SOLUTION, shape("star")).resolved


def test_tests_that_ask_other_things_each_time(run: Run) -> None:
    text = "import os\nfrom solution import *\nX = [double(n) for n in os.urandom(2)]\ndef test(): assert double(2) == 4\n"  # noqa: E501
    tests = PytestTests(files={"test_a.py": text}, ids=("test_a.py::test",))
    for _ in range(4):
        outcome = run(SOLUTION, tests)
        assert outcome.resolved, outcome.message
        wrong = run(WRONG, tests)
        assert list(wrong.tests.values()) == [Status.FAILED], wrong.message


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("while 1: pass\n", Status.TIMEOUT),
        ("import time\ntime.sleep(60)\n", Status.TIMEOUT),
        ("import os\nos._exit(0)\n", Status.ERROR),
    ],
)
def test_code_that_cannot_be_imported(run: Run, code: str, status: Status) -> None:
    limits = Limits(cpu_s=0.5, wall_s=2.0)
    for _ in range(2):
        assert list(run(code, shape("star"), limits).tests.values()) == [status]
    assert run(SOLUTION, shape("star")).resolved
