"""Tests of the search for tests: what is called, what is kept, what is not trusted."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import Limits, Status
from hrmgym.trainers.data import found_tests
from hrmgym.trainers.data.corpus import CorpusFunction
from hrmgym.trainers.data.found_tests import (
    MOST_CASES,
    CheckedFunction,
    find_tests,
    functions_with_tests,
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def function(code: str, name: str = "f") -> CorpusFunction:
    return CorpusFunction(name, code, "", "here")


def found(code: str, sandbox: Sandbox) -> CheckedFunction | None:
    return next(iter(find_tests([function(code)], sandbox)), None)


def test_the_calls_found_pass_on_the_function_and_tell_it_from_another(sandbox: Sandbox) -> None:
    tested = found("def f(x):\n    return x * 2\n", sandbox)
    assert tested is not None
    assert 2 <= len(tested.cases) <= MOST_CASES
    assert len({repr(case.expected) for case in tested.cases}) == len(tested.cases)
    assert all(case.expected == case.args[0] * 2 for case in tested.cases)
    right = sandbox.run_tests({"f.py": tested.code}, tested.tests, Limits())
    wrong = sandbox.run_tests({"f.py": "def f(x):\n    return x\n"}, tested.tests, Limits())
    assert right.resolved
    assert not wrong.resolved


def test_two_searches_find_the_same(sandbox: Sandbox) -> None:
    code = "def f(rows, least):\n    return [one for one in rows if one > least]\n"
    assert found(code, sandbox) == found(code, sandbox) is not None


def test_what_a_generator_yields_is_its_result(sandbox: Sandbox) -> None:
    tested = found("def f(x):\n    for one in x:\n        yield one\n", sandbox)
    assert tested is not None
    assert all(case.consume and isinstance(case.expected, list) for case in tested.cases)


def test_modules_that_are_used_are_imported(sandbox: Sandbox) -> None:
    tested = found("def f(x):\n    return math.floor(x) + 1\n", sandbox)
    assert tested is not None
    assert tested.imports == "import math\n\n\n"


@pytest.mark.parametrize(
    "code",
    [
        "def f(self, x):\n    return x\n",
        "def f(x):\n    return helper(x)\n",
        "def f(x, *more):\n    return x\n",
        "def f(x, *, y):\n    return x\n",
        "def f():\n    return 1\n",
        "def f(a, b, c, d, e):\n    return a\n",
        "def f(x):\n    return hash(x)\n",
        "def f(x):\n    global g\n    g = x\n    return x\n",
        "async def f(x):\n    return x\n",
    ],
)
def test_what_cannot_stand_alone_is_not_called(code: str) -> None:
    class Refuses(Sandbox):
        def run_tests(self, *args: object, **options: object) -> object:  # type: ignore[override]
            raise AssertionError("called")

    assert found(code, Refuses()) is None


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return 7\n",
        "def f(x):\n    return object()\n",
        "def f(x):\n    return [object()]\n",
        "def f(x):\n    return {1: float('nan'), 2: x}\n",
        "def f(x):\n    raise ValueError\n",
        "def f(x):\n    return repr(x) * 100\n",
        "def f(x):\n    import random\n    return random.random()\n",
        "def f(x):\n    import os\n    return os.getpid(), x\n",
    ],
    ids=["constant", "object", "hidden object", "nan", "raises", "long", "chance", "process"],
)
def test_results_that_pin_nothing_down_are_no_tests(code: str, sandbox: Sandbox) -> None:
    assert found(code, sandbox) is None


@pytest.mark.parametrize(
    "body",
    [
        "while x == x: pass",
        "import os; os._exit(0)",
        "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
        "while True: x = [x] * 9",
        "import os\n    while True: os.fork()",
        "import time; time.sleep(99)",
    ],
    ids=["loop", "exit", "kill", "memory", "fork", "sleep"],
)
def test_a_function_that_ends_its_process_costs_only_itself(body: str) -> None:
    hostile = function(f"def f(x):\n    {body}\n    return x\n")
    plain = function("def g(x):\n    return x * 2\n", "g")
    with Sandbox() as sandbox:
        assert [one.name for one in find_tests([hostile, plain], sandbox)] == ["g"]


def test_what_was_found_is_read_again_and_a_broken_cache_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    texts = {
        "keep": "def keep(x):\n    y = x\n    return y\n",
        "pairs": "def pairs(x):\n    y = x\n    return [(one, {one: 1.5}) for one in y]\n",
        "long": "def long(x):\n" + "    x = x\n" * 20 + "    return x\n",
    }
    functions = tuple(function(code, name) for name, code in texts.items())
    monkeypatch.setenv("HRMGYM_CACHE", str(tmp_path))
    monkeypatch.setattr(found_tests, "stdlib_functions", lambda: functions)
    first = functions_with_tests(packages=False)
    assert [one.name for one in first] == list(texts)
    monkeypatch.setattr(found_tests, "find_tests", lambda *_: pytest.fail("looked again"))
    assert functions_with_tests(packages=False) == first
    assert [one.name for one in functions_with_tests(packages=False, max_lines=5)] == [
        "keep",
        "pairs",
    ]
    (cache,) = tmp_path.iterdir()
    cache.write_bytes(b"broken")
    monkeypatch.setattr(found_tests, "find_tests", lambda *_: iter(first[:1]))
    with caplog.at_level(logging.WARNING):
        assert functions_with_tests(packages=False) == first[:1]
    assert "broken" in caplog.text


def test_functions_of_the_standard_library_have_tests_that_they_pass(sandbox: Sandbox) -> None:
    functions = [one for one in found_tests.stdlib_functions() if "textwrap" in one.origin] + list(
        found_tests.stdlib_functions()[:400]
    )
    some = list(itertools.islice(find_tests(functions, sandbox), 5))
    assert some
    for tested in some:
        files = {tested.tests.path: tested.imports + tested.code}
        outcome = sandbox.run_tests(files, tested.tests, Limits(), fresh=True)
        assert set(outcome.tests.values()) == {Status.PASSED}
