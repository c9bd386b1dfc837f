"""One process makes many runs of the same tests: none may see what another has left."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from hrmgym.envs.sandboxes.between import modules
from hrmgym.envs.sandboxes.between.baseline import Baseline, Unclear
from hrmgym.envs.sandboxes.local.bench import open_bench
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.verdicts import testing
from hrmgym.envs.task import Limits, Outcome, PytestTests

LIMITS = Limits(cpu_s=0.5, wall_s=5.0)
Run = Callable[[str, str], Outcome]


# --- what is noticed ---


class Held:
    items = [1]  # noqa: RUF012

    def __init__(self) -> None:
        self.inside = {"a": [1]}


def space(**values: Any) -> dict[str, Any]:
    return {"__name__": __name__, **values}


def later(items: list[int]) -> Callable[[], list[int]]:
    return lambda: items


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([1, [2]], lambda v: v[1].append(3)),
        ({"a": 1}, lambda v: v.update(a=True)),
        ({"a": 1}, lambda v: v.update(a=1.0)),
        ({1, 2}, lambda v: v.add(3)),
        (bytearray(b"a"), lambda v: v.extend(b"b")),
        (Held(), lambda v: v.inside["a"].append(2)),
        (Held(), lambda v: setattr(v, "more", 1)),
        (Held, lambda v: v.items.append(2)),
        (later([1]), lambda v: v().append(2)),
        (lambda x=[]: x, lambda v: v.__defaults__[0].append(1)),
    ],
)
def test_changes_in_place_are_noticed(value: Any, change: Callable[[Any], None]) -> None:
    base = Baseline([space(value=value)], [], modules.Finder())
    assert base.restore()
    change(value)
    assert not base.restore()
    if value is Held:
        Held.items.pop()


def test_globals_are_put_back() -> None:
    globals_ = space(count=1, names=["a"], pattern=re.compile("a"), itself=None)
    globals_["itself"] = globals_["names"]
    before = dict(globals_)
    base = Baseline([globals_], [{"x": [1]}], modules.Finder())
    globals_.update(count=2, extra=3)
    del globals_["names"]
    assert base.restore()
    assert globals_ == before


def test_imports_are_put_back() -> None:
    base = Baseline([space()], [], modules.Finder())
    sys.modules["a_module_of_tested_code"] = ModuleType("a_module_of_tested_code")
    assert base.restore()
    assert "a_module_of_tested_code" not in sys.modules


def test_changes_of_the_environment_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Baseline([space()], [], modules.Finder())
    monkeypatch.setenv("HRMGYM_TEST_OF_BASELINE", "1")
    assert not base.restore()
    monkeypatch.undo()
    assert base.restore()
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert not base.restore()


@pytest.mark.parametrize("value", [iter([1]), (x for x in "a"), open], ids=["iter", "gen", "io"])
def test_what_changes_unseen_is_refused(value: Any) -> None:
    held = [value] if value is not open else [sys.stdout]
    with pytest.raises(Unclear):
        Baseline([space(value=held)], [], modules.Finder())


# --- in the sandbox ---


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    loop = asyncio.new_event_loop()
    runtime = LocalRuntime()
    bench = loop.run_until_complete(open_bench(runtime))

    def make(tests: str, program: str) -> Outcome:
        names = re.findall(r"^def (test\w*)", tests, re.MULTILINE)
        spec = PytestTests(
            files={"test_a.py": tests}, ids=tuple(f"test_a.py::{name}" for name in names)
        )
        files = {"program.py": program}
        return loop.run_until_complete(testing.run_tests(bench, files, spec, LIMITS))

    yield make
    loop.run_until_complete(runtime.close())
    loop.close()


TESTS = """
from program import add, spoil
KNOWN = [1, 2]
COUNT = 0

def test_add():
    global COUNT
    COUNT += 1
    assert COUNT == 1
    assert add(KNOWN) == 3

def test_spoil():
    spoil(KNOWN)
"""
GOOD = "def add(xs):\n    return sum(xs)\ndef spoil(xs):\n    pass\n"


def test_runs_do_not_see_each_other(run: Run) -> None:
    for _ in range(3):
        assert run(TESTS, GOOD).resolved
    spoiling = GOOD.replace("pass", "xs.append(5)")
    for _ in range(3):  # the list is changed in the tests' process, and must be whole again
        assert run(TESTS, spoiling).resolved
    assert not run(TESTS, GOOD.replace("sum(xs)", "4")).resolved
    assert run(TESTS, GOOD).resolved


def test_tested_code_finds_nothing_of_how_its_process_was_made(run: Run) -> None:
    tests = "from program import names\ndef test_names():\n    assert names() == []\n"
    program = "import os\ndef names():\n    return [n for n in os.environ if n[:3] == 'LD_']\n"
    assert run(tests, program).resolved


def test_a_program_that_ends_or_hangs_the_tests_harms_no_later_run(run: Run) -> None:
    tests = "from program import numbers\ndef test_sum():\n    assert sum(numbers()) == 3\n"
    good = "def numbers():\n    return [1, 2]\n"
    assert run(tests, good).resolved
    endless = "def numbers():\n    while True:\n        yield 0\n"
    assert [str(s) for s in run(tests, endless).tests.values()] == ["timeout"]
    assert run(tests, good).resolved
    assert not run(tests, "import os\ndef numbers():\n    os._exit(0)\n").resolved
    assert run(tests, good).resolved
    noise = "import os\ndef numbers():\n    os.write(3, bytes(4) + b'x')\n    return [1, 2]\n"
    assert not run(tests, noise).resolved
    assert run(tests, good).resolved
