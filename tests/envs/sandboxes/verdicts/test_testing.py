"""Running tests: in the local sandbox, and through SWE-ReX's standard operations alone."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from swerex.runtime.abstract import AbstractRuntime

from hrmgym.envs.sandboxes.bench import Ran
from hrmgym.envs.sandboxes.local.bench import LocalBench, open_bench
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.remote.bench import RexBench
from hrmgym.envs.sandboxes.verdicts import testing
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    Limits,
    Outcome,
    PytestTests,
    TestSpec,
)
from hrmgym.envs.testkinds.pytest import judge_pytest

Run = Callable[..., Outcome]
Make = Callable[..., CallTests]
LIMITS = Limits(cpu_s=5.0, wall_s=20.0)


@contextmanager
def runner(runtime: AbstractRuntime) -> Iterator[Run]:
    """Runs tests in a runtime."""
    loop = asyncio.new_event_loop()
    bench: LocalBench | RexBench
    if isinstance(runtime, LocalRuntime):
        bench = loop.run_until_complete(open_bench(runtime))
    else:
        bench = RexBench(runtime)
    yield lambda *what: loop.run_until_complete(testing.run_tests(bench, *what))
    if isinstance(bench, RexBench):
        loop.run_until_complete(bench.remove())
        assert not Path(bench.root).exists()
    loop.run_until_complete(runtime.close())
    loop.close()


@pytest.fixture(scope="module")
def local() -> Iterator[Run]:
    """Runs tests in our sandbox."""
    with runner(LocalRuntime()) as run:
        yield run


@pytest.fixture(scope="module")
def rex() -> Iterator[Run]:
    """Runs tests in SWE-ReX's own runtime, which has its standard operations only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWE_REX_LOG_STREAM_LEVEL", "ERROR")
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        from swerex.runtime.local import LocalRuntime as RexRuntime

        with runner(RexRuntime()) as run:
            yield run


@pytest.fixture(params=["local", "rex"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs tests in either; both must agree."""
    made: Run = request.getfixturevalue(request.param)
    return made


def statuses(outcome: Outcome) -> list[str]:
    return [str(status) for status in outcome.tests.values()]


# --- calls ---


@pytest.mark.parametrize(
    ("program", "expected", "message"),
    [
        ("def f(x):\n    return x + 1\n", "passed failed", "f(5) returned 6, expected 7"),
        ("def f(x):\n    return [x]\n", "failed failed", "f(1) returned [1], expected 2"),
        ("def f(x):\n    return x / 0\n", "failed failed", "f(1) raised ZeroDivisionError: division by zero (line 2)"),  # noqa: E501
        ("def f(x)\n    return x\n", "error error", "f.py: SyntaxError: expected ':' (line 1)"),
        ("import nothing\n", "error error", "f.py: ModuleNotFoundError: No module named 'nothing' (line 1)"),  # noqa: E501
        ("x = 1\n", "error error", "f.py: AttributeError: module 'f' has no attribute 'f'"),
        ("f = 3\n", "failed failed", "f(1) raised TypeError: 'int' object is not callable"),
        ("import os\ndef f(x): os._exit(1)\n", "error missing", "f(1) ended its process with exit code 1"),  # noqa: E501
    ],
)  # fmt: skip
def test_calls(run: Run, calls: Make, program: str, expected: str, message: str) -> None:
    outcome = run({"f.py": program}, calls(((1,), 2), ((5,), 7)), LIMITS)
    assert statuses(outcome) == expected.split()
    assert outcome.message == message


def test_calls_that_do_not_end(run: Run, calls: Make) -> None:
    tests = calls(((1,), 2), ((5,), 7))
    files = {"f.py": "def f(x):\n    while x == 5: pass\n    return 2\n"}
    assert statuses(run(files, tests, replace(LIMITS, cpu_s=0.3))) == ["passed", "timeout"]
    files = {"f.py": "import time\ndef f(x):\n    time.sleep(60)\n"}
    assert statuses(run(files, tests, replace(LIMITS, wall_s=0.5))) == ["timeout", "timeout"]


def test_calls_get_fresh_arguments(local: Run, calls: Make) -> None:
    shared = [3, 1, 2]
    program = "def f(xs):\n    xs.sort()\n    xs.append(9)\n    return xs\n"
    outcome = local({"f.py": program}, calls(((shared,), [1, 2, 3, 9]), ((shared,), [1, 2, 3, 9])), LIMITS)  # noqa: E501  # fmt: skip
    assert outcome.resolved
    assert shared == [3, 1, 2]


def test_calls_consume_iterators_and_approximate(run: Run, calls: Make) -> None:
    program = "def f(n):\n    for i in range(n): yield i / 3\n"
    tests = calls(((3,), [0, 0.333, 0.667]), consume=True, compare="approx", tolerance=1e-3)
    assert run({"f.py": program}, tests, LIMITS).resolved


def test_modules_of_the_workspace(run: Run) -> None:
    """Siblings by bare name, by package, by relative import; a file that shadows a module."""
    files = {
        "lib/node.py": "class Node:\n    value = 4\n",
        "lib/f.py": (
            "import sys\n"
            "from node import Node\n"
            "from lib.node import Node as Other\n"
            "from .node import Node as Third\n"
            "import heapq, top\n"
            "class C:\n"
            "    @staticmethod\n"
            "    def f():\n"
            "        here = sys.modules[__name__].C is C\n"
            "        return Node.value, Other is Third, heapq.mine, top.x, __name__, here\n"
        ),
        "heapq.py": "mine = 1\n",
        "top.py": "x = 2\n",
    }
    case = CallCase(id="a", args=(), expected=(4, True, 1, 2, "lib.f", True))
    tests = CallTests(path="lib/f.py", function="C.f", cases=(case,))
    outcome = run(files, tests, LIMITS)
    assert outcome.resolved, outcome.message


def test_results_do_not_depend_on_the_process(run: Run, calls: Make) -> None:
    program = "def f(words):\n    return list(set(words))\n"
    words = [f"word{i}" for i in range(30)]
    first = run({"f.py": program}, calls(((words,), [])), LIMITS)
    again = run({"f.py": program}, calls(((words,), [])), LIMITS)
    assert first == again
    assert "word" in first.message


# --- pytest ---

TESTS = {
    "tests/test_a.py": """
import pytest, lib

def test_right(): assert lib.f(2) == 4
def test_wrong(): assert lib.f(3) == 7
@pytest.mark.parametrize("n", [1, 2])
def test_each(n): assert n == 1
def test_raises(): lib.boom()
@pytest.mark.skip
def test_skipped(): pass
@pytest.fixture
def broken(): raise ValueError("0x7f00aa")
def test_setup(broken): pass
class TestClass:
    def test_method(self, number): assert number == 5
""",
    "tests/conftest.py": "import pytest\n@pytest.fixture\ndef number(): return 5\n",
    "tests/test_b.py": "import nothing\ndef test_x(): pass\n",
    "tests/test_c.py": "import os\ndef test_1(): pass\ndef test_2(): os._exit(0)\n",
}
LIB = {"lib.py": "def f(x):\n    return x * 2\n\ndef boom():\n    return 1 / 0\n"}


def test_pytest_statuses(run: Run) -> None:
    a, b, c = "tests/test_a.py", "tests/test_b.py", "tests/test_c.py"
    expected = {
        f"{a}::test_wrong": "failed",
        f"{a}::test_right": "passed",
        f"{a}::test_each[1]": "passed",
        f"{a}::test_each[2]": "failed",
        f"{a}::test_raises": "failed",
        f"{a}::test_skipped": "skipped",
        f"{a}::test_setup": "error",
        f"{a}::TestClass::test_method": "passed",
        f"{a}::test_nosuch": "missing",
        f"{b}::test_x": "error",
        f"{c}::test_1": "passed",
        f"{c}::test_2": "error",
    }
    outcome = run(LIB, PytestTests(files=TESTS, ids=tuple(expected)), LIMITS)
    assert dict(zip(expected, statuses(outcome), strict=True)) == expected
    assert outcome.message == f"{a}::test_wrong: AssertionError: assert 6 == 7"
    assert (outcome.path, outcome.line) == (a, 5)
    assert outcome.total == 12


@pytest.mark.parametrize(
    ("name", "message", "path", "line"),
    [
        ("tests/test_a.py::test_raises", "ZeroDivisionError: division by zero", "lib.py", 5),
        ("tests/test_a.py::test_setup", "ValueError: ...", "tests/test_a.py", 12),
        ("tests/test_b.py::test_x", "ModuleNotFoundError: No module named 'nothing'", "tests/test_b.py", 1),  # noqa: E501
        ("tests/test_c.py::test_2", "ended the process", "", 0),
        ("tests/test_a.py::test_nosuch", "", "", 0),
    ],
)  # fmt: skip
def test_pytest_messages(local: Run, name: str, message: str, path: str, line: int) -> None:
    outcome = local(LIB, PytestTests(files=TESTS, ids=(name,)), LIMITS)
    assert outcome.message.startswith(f"{name}: {message}")
    assert (outcome.path, outcome.line) == (path, line)


def test_pytest_that_does_not_end(run: Run) -> None:
    files = {"test_a.py": "def test_1(): pass\ndef test_2():\n    while True: pass\n"}
    ids = ("test_a.py::test_1", "test_a.py::test_2", "test_a.py::test_3")
    outcome = run({}, PytestTests(files=files, ids=ids), replace(LIMITS, cpu_s=1))
    assert statuses(outcome) == ["passed", "timeout", "timeout"]
    assert outcome.message == "test_a.py::test_2: timed out"


def test_pytest_module_with_a_syntax_error(local: Run) -> None:
    tests = PytestTests(files={"test_a.py": "import lib\ndef test_1(): pass\n"}, ids=("test_a.py::test_1",))  # noqa: E501  # fmt: skip
    outcome = local({"lib.py": "def f(\n"}, tests, LIMITS)
    assert statuses(outcome) == ["error"]
    assert (outcome.path, outcome.line) == ("lib.py", 1)
    assert "SyntaxError" in outcome.message


def test_tests_win_over_files_of_the_candidate(local: Run) -> None:
    tests = PytestTests(files={"test_a.py": "def test_1(): assert 0\n"}, ids=("test_a.py::test_1",))
    files = {"test_a.py": "def test_1(): pass\n", "pytest.ini": "[pytest]\naddopts = --nosuch\n"}
    assert statuses(local(files, tests, LIMITS)) == ["failed"]


def test_configuration_among_the_tests_counts(local: Run) -> None:
    module = {"test_a.py": "def test_1(): pass\n"}
    config = {"pytest.ini": "[pytest]\npython_functions = check_*\n"}
    ids = ("test_a.py::test_1",)
    assert local(config, PytestTests(files=module, ids=ids), LIMITS).resolved
    assert not local({}, PytestTests(files=module | config, ids=ids), LIMITS).resolved


def test_forged_reports_are_read_as_far_as_they_make_sense() -> None:
    tests = PytestTests(files={"t.py": ""}, ids=("t.py::a", "t.py::b", "t.py::c"))
    lines = [
        '{"start": "t.py::a"}',
        '{"test": "t.py::a", "phase": "call", "outcome": "passed"}',
        '{"test": "t.py::a", "phase": "teardown", "outcome": "failed", "message": 3, "line": "x"}',
        '{"end": "t.py::a"}',
        '{"test": 3, "phase": [], "outcome": null}',
        '{"selected": "t.py::x", "tests": ["t.py::a"]}',
        '{"selected": "t.py::b", "tests": [3, null, "t.py::b"], "near": 3}',
        '{"selected": "t.py::c", "tests": "t.py::a"}',
        '{"test": "t.py::b", "phase": "call", "outcome": "splendid"}',
        "[1]",
        '{"test": "t.py::c", "phase": "call", "outcome": "passed"}',
    ]
    outcome = judge_pytest(tests, "\n".join(lines), Ran("", 0, 0.0, 0.0))
    assert statuses(outcome) == ["error", "missing", "missing"]


# --- commands ---


def test_command(run: Run) -> None:
    tests = CommandTests(command=("sh", "check.sh"), files={"check.sh": "exit $(cat code)\n"})
    assert run({"code": "0"}, tests, LIMITS).resolved
    assert statuses(run({"code": "3"}, tests, LIMITS)) == ["failed"]
    assert statuses(run({"code": "0"}, replace(tests, command=("nosuch",)), LIMITS)) == ["failed"]


def test_command_message_names_the_place(run: Run) -> None:
    script = 'echo building; echo "$PWD/src/a.c:3:7: error: no x at 0x55aa (0.25s)"; exit 1\n'
    tests = CommandTests(command=("sh", "check.sh"), files={"check.sh": script})
    outcome = run({"src/a.c": ""}, tests, LIMITS)
    assert outcome.message == "src/a.c:3:7: error: no x at ... (...)"
    assert (outcome.path, outcome.line) == ("src/a.c", 3)


@pytest.mark.parametrize("script", ["sleep 60", "while :; do :; done"])
def test_command_that_does_not_end(run: Run, script: str) -> None:
    limits = replace(LIMITS, cpu_s=1, wall_s=1.5)
    outcome = run({}, CommandTests(command=("sh", "-c", script)), limits)
    assert statuses(outcome) == ["timeout"]
    assert outcome.message == "sh timed out"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_command_that_compiles(local: Run) -> None:
    tests = CommandTests(command=("sh", "-c", "gcc -o a a.c && ./a"))
    assert local({"a.c": "int main(void) { return 0; }\n"}, tests, LIMITS).resolved
    outcome = local({"a.c": "int main(void) { return x; }\n"}, tests, LIMITS)
    assert outcome.message.startswith("a.c:1:25: error:")


def test_unknown_kinds_of_tests_are_refused(local: Run) -> None:
    with pytest.raises(TypeError, match="TestSpec"):
        local({}, TestSpec(), LIMITS)


def test_ids_of_several_tests(run: Run) -> None:
    test = "import pytest\nfrom f import f\ndef test_a(): assert f(1) == 2\nclass TestB:\n" + (
        "    @pytest.mark.parametrize('n', [1, 2])\n    def test_c(self, n): assert f(n) == 2\n"
    )
    ids = ("t.py::test_a", "./t.py", "t.py::TestB", "t.py::TestB::test_c[1]", "t.py::test_x")
    tests = PytestTests(files={"t.py": test}, ids=ids)
    right = run({"f.py": "def f(n): return 2\n"}, tests, LIMITS)
    assert statuses(right) == ["passed"] * 4 + ["missing"]
    wrong = run({"f.py": "def f(n): return 2 // n\n"}, tests, LIMITS)
    assert statuses(wrong) == ["passed", "failed", "failed", "passed", "missing"]
