"""What screens tell of the test that fails: whether an edit changes what it does, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hrmgym.envs.edits.screen import Screen, Screened
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts.screens import How
from hrmgym.envs.task import CallCase, CallTests, PytestTests, StdioCase, StdioTests, TestSpec
from hrmgym.tests.envs.edits.test_screen import Doubling, task_of

START = "def double(x):\n    y = x - 1\n    return y\n"
SAME = START.replace("x - 1", "-1 + x")
OTHER = START.replace("x - 1", "x - 2")
RAISES = START.replace("return y", "return y + z")
RAISES_TOO = START.replace("return y", "return z + y")
LATER = RAISES.replace("    return", "\n    return", 1)
STOPS = START.replace("return y", "raise SystemExit(3)")
PROGRAM = "\nif __name__ == '__main__':\n    print(double(int(input())))\n"

CALLS = CallTests(
    path="solution.py",
    function="double",
    cases=(
        CallCase(id="one", args=(1,), expected=0),
        CallCase(id="two", args=(2,), expected=4),
        CallCase(id="three", args=(3,), expected=6),
    ),
)
TESTS = """import unittest
from solution import double


def test_one():
    assert double(1) == 0


def test_two():
    assert double(0) == -1
    assert double(2) == 4, double(2)


class TestThree(unittest.TestCase):
    def test_three(self):
        self.assertEqual(double(3), 6)
"""
FAILING = ("test_solution.py::test_two", "test_solution.py::TestThree::test_three")
PASSING = ("test_solution.py::test_one",)
PYTEST = PytestTests(
    ids=PASSING + FAILING,
    files={"test_solution.py": TESTS},
    fail_to_pass=FAILING,
    pass_to_pass=PASSING,
)
FIXTURE = "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef some():\n    yield\n\n\n"
THROUGH = replace(PYTEST, files={"test_solution.py": FIXTURE + TESTS})
STDIO = StdioTests(
    path="solution.py",
    cases=tuple(
        StdioCase(id=str(x), stdin=f"{x}\n", expected=f"{y}\n") for x, y in ((1, 0), (2, 4), (3, 6))
    ),
)
KINDS: dict[str, TestSpec] = {
    "calls": CALLS,
    "pytest": PYTEST,
    "pytest, through its hooks": THROUGH,
    "stdio": STDIO,
    "one test": replace(PYTEST, ids=FAILING[:1], fail_to_pass=FAILING[:1], pass_to_pass=()),
}
FAILED = (*FAILING, "two", "three", "2", "3")
ALL = [kind for kind in KINDS if kind != "one test"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def told(sandbox: Sandbox, kind: str, *texts: str, wanted: bool = True) -> list[Screened]:
    more = PROGRAM if kind == "stdio" else ""
    task = task_of(KINDS[kind], START + more)
    screen = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox, failing=FAILED)
    found = list(screen.run([text + more for text in texts], stop=False, told=wanted))
    assert all(one.hot or one.passed for one in found), screen.why
    return found


@pytest.mark.parametrize("kind", ["calls", "pytest", "stdio"])
def test_tests_that_fail_run_first(sandbox: Sandbox, kind: str) -> None:
    """What turns none of them is through after one test, and what breaks another after three."""
    breaks = START.replace("x - 1", "2 * x if x > 1 else x - (x == 0)")
    first, last = told(sandbox, kind, START, breaks)
    assert first.behaviour is not None
    assert last.behaviour is not None
    assert (first.tests, last.tests) == (1, 3)
    names = [KINDS[kind].test_ids[one.behaviour.test] for one in (first, last) if one.behaviour]
    assert names[0] in FAILED
    assert names[1] not in FAILED


@pytest.mark.parametrize("kind", ALL)
def test_what_changes_nothing_is_told_from_what_does(sandbox: Sandbox, kind: str) -> None:
    start, same, *others = told(sandbox, kind, START, SAME, OTHER, RAISES)
    assert start.behaviour is not None
    assert start.behaviour == same.behaviour
    for one in others:
        assert one.behaviour is not None
        assert (one.tests, one.behaviour.digest) != (start.tests, start.behaviour.digest)
    assert (start.behaviour.how, start.behaviour.line) == (How.WRONG, 0)
    assert KINDS[kind].test_ids[start.behaviour.test] in FAILED


@pytest.mark.parametrize("kind", ALL)
def test_an_exception_is_told_by_its_line_and_not_known_by_it(sandbox: Sandbox, kind: str) -> None:
    raises, alike, later, stops = (
        one.behaviour for one in told(sandbox, kind, RAISES, RAISES_TOO, LATER, STOPS)
    )
    assert raises is not None
    assert alike == raises
    assert (raises.how, raises.line) == (How.RAISED, 3)
    assert later is not None
    assert (later.digest, later.line) == (raises.digest, 4)
    assert stops is not None
    assert stops.digest != raises.digest


def test_how_far_a_test_gets_is_told(sandbox: Sandbox) -> None:
    start, first, other = (one.behaviour for one in told(sandbox, "one test", START, RAISES, OTHER))
    lines = TESTS.splitlines()
    assert start is not None
    assert first is not None
    assert other is not None
    assert lines[start.reached - 1].strip() == "assert double(2) == 4, double(2)"
    assert lines[first.reached - 1].strip() == "assert double(0) == -1"
    assert first.reached == other.reached


@pytest.mark.parametrize("kind", ALL)
def test_of_what_passes_or_is_not_asked_for_nothing_is_told(sandbox: Sandbox, kind: str) -> None:
    assert [one.behaviour for one in told(sandbox, kind, START, RAISES, wanted=False)] == [None] * 2


@pytest.mark.parametrize("kind", ALL)
def test_the_untouched_file_is_told_of_test_by_test(sandbox: Sandbox, kind: str) -> None:
    text = START + PROGRAM if kind == "stdio" else START
    task = task_of(KINDS[kind], text)
    screen = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox)
    tests = screen.coverage().tests
    assert sorted(one.passed for one in tests.values()) == [False, False, True]
    assert all((one.behaviour is None) == one.passed for one in tests.values())
    (found,) = screen.run([text], told=True)
    assert found.behaviour in [one.behaviour for one in tests.values()]


@pytest.mark.parametrize(
    "how",
    [
        "class E(Exception):\n    def __str__(self): raise SystemExit\n",
        "class E(Exception):\n    def __str__(self): return 9\n",
        "class E(BaseException):\n    __class__ = int\n",
        "class E(AssertionError):\n    def __str__(self):\n        while True: pass\n",
        "class E(Exception):\n    def __str__(self): return '\\udcff' * 10 ** 6\n",
        "def E():\n    e = KeyError('x')\n    e.__traceback__ = None\n    return e\n",
    ],
)
def test_hostile_exceptions_end_no_screen(sandbox: Sandbox, how: str) -> None:
    hostile = how + "def double(x):\n    raise E()\n"
    texts = [hostile, START, hostile, OTHER]
    task = task_of(CALLS, START)
    screen = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox)
    found = list(screen.run(texts, cpu_s=0.2, stop=False, told=True))
    assert not any(one.passed for one in found)
    plain = list(screen.run([START, OTHER], told=True))
    assert [found[1].behaviour, found[3].behaviour] == [one.behaviour for one in plain]


@pytest.mark.parametrize(
    "value", ["object()", "[float('nan')]", "iter(())", "[0] * 10 ** 7", "lambda: 0", "{1: {2}}"]
)
def test_results_of_any_kind_are_told(sandbox: Sandbox, value: str) -> None:
    text = f"def double(x):\n    return {value}\n"
    first, second = told(sandbox, "calls", text, text)
    assert first.behaviour is not None
    assert first.behaviour == second.behaviour


def test_calls_that_depend_on_those_before_keep_their_order(sandbox: Sandbox) -> None:
    """The fix counts up from 1: whichever call came first would get 1."""
    buggy = "seen = []\n\n\ndef double(x):\n    seen.append(x)\n    return max(1, len(seen) - 1)\n"
    cases = tuple(CallCase(id=f"case {n}", args=(0,), expected=n) for n in (1, 2, 3))
    task = task_of(CallTests(path="solution.py", function="double", cases=cases), buggy)
    failing = ("case 2", "case 3")
    start = task.workspace.start
    screen = Screen(Doubling(), task, start, "solution.py", sandbox, failing=failing)
    fixed = buggy.replace("max(1, len(seen) - 1)", "len(seen)")
    assert [one.passed for one in screen.run([buggy, fixed], stop=False)] == [False, True]
