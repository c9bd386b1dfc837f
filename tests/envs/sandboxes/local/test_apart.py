"""Tests run apart from the code that they test, which tries everything to pass them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from hrmgym.envs.outcome import FailureCode
from hrmgym.envs.sandboxes.failures import GuestDied
from hrmgym.envs.sandboxes.local.bench import open_bench
from hrmgym.envs.sandboxes.local.link import Guest
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.verdicts import testing
from hrmgym.envs.task import Limits, Outcome, PytestTests, Status

Run = Callable[..., Outcome]
LIMITS = Limits(cpu_s=2.0, wall_s=20.0)


@contextmanager
def runner(runtime: LocalRuntime) -> Iterator[Run]:
    loop = asyncio.new_event_loop()
    bench = loop.run_until_complete(open_bench(runtime))
    yield lambda files, tests, limits=LIMITS: loop.run_until_complete(
        testing.run_tests(bench, files, tests, limits)
    )
    loop.run_until_complete(runtime.close())
    loop.close()


@pytest.fixture(scope="module")
def runtime() -> LocalRuntime:
    return LocalRuntime()


@pytest.fixture(scope="module")
def run(runtime: LocalRuntime) -> Iterator[Run]:
    with runner(runtime) as made:
        yield made


def task_of(text: str, *names: str, **files: str) -> PytestTests:
    more = {name.replace("__", "/") + ".py": body for name, body in files.items()}
    return PytestTests(
        files={"test_a.py": text, **more},
        ids=tuple(f"test_a.py::{name}" for name in names or ["test"]),
    )


def statuses(outcome: Outcome) -> list[str]:
    return [status.value for status in outcome.tests.values()]


# --- code that wants to pass ---

VALUE = task_of(
    """
import pytest
import unittest
from lib import f

def test_equal(): assert f(1) == 7.5
def test_approx(): assert f(1) == pytest.approx(7.5)
def test_near(): assert abs(f(1) - 7.5) < 0.1
def test_raises():
    with pytest.raises(KeyError, match="key"):
        f(2)
class TestCase(unittest.TestCase):
    def test_equal(self): self.assertEqual(f(1), 7.5)
    def test_almost(self): self.assertAlmostEqual(f(1), 7.5)
    def test_greater(self): self.assertGreater(f(1), 7)
    def test_in(self): self.assertIn(f(1), [7.5])
    def test_type(self): self.assertIsInstance(f(1), float)
""",
    *("test_equal", "test_approx", "test_near", "test_raises", "TestCase::test_equal"),
    *("TestCase::test_almost", "TestCase::test_greater", "TestCase::test_in"),
    "TestCase::test_type",
)
EQUAL = """
class Equal(BASE):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __hash__(self): return 0
    def __sub__(self, other): return 0.0
    def __rsub__(self, other): return 0.0
    def __abs__(self): return self
    def __round__(self, n=0): return 0
    def __contains__(self, x): return True
    def __bool__(self): return True
    __class__ = property(lambda self: float)
def f(x): return Equal()
"""
ATTACKS = {
    "equal": EQUAL.replace("BASE", "object"),
    "equal number": EQUAL.replace("BASE", "float"),
    "equal text": EQUAL.replace("BASE", "str"),
    "no equality": EQUAL.replace("BASE", "object").replace("__eq__", "x").replace("__ne__", "y"),
    "exit": "import os\ndef f(x): os._exit(0)\n",
    "exit at import": "import os\nos._exit(0)\n",
    "system exit": "import sys\ndef f(x): sys.exit(0)\n",
    "system exit at import": "import sys\nsys.exit(0)\n",
    "skip": "import unittest\ndef f(x): raise unittest.SkipTest('no')\n",
    "skip at import": "import unittest\nraise unittest.SkipTest('no')\n",
    "interrupt": "def f(x): raise KeyboardInterrupt\n",
    "generator exit": "class E(GeneratorExit): pass\ndef f(x): raise E\n",
    "pytest skip": "class Skipped(BaseException): pass\nSkipped.__module__ = 'builtins'\ndef f(x): raise Skipped\n",  # noqa: E501
    "no pytest": "import pytest\ndef f(x): pytest.skip('no')\n",
    "frames": """
import sys, gc
def f(x):
    frame = sys._getframe()
    while frame is not None:
        for value in [*frame.f_locals.values(), *frame.f_code.co_consts]:
            if type(value) is float and 2 * value == 15: return value
        frame = frame.f_back
    return next(o for o in gc.get_objects() if type(o) is tuple and 2 * o[0] == 15)[0]
""",
    "files": """
import os, re
def f(x):
    for top in ("/workspace", "/tmp", "/opt", "/proc"):
        for folder, _, names in os.walk(top):
            for name in names:
                if name.startswith("test_a"):
                    return float(re.search("== ([0-9.]+)", open(f"{folder}/{name}").read())[1])
""",
    "descriptors": """
import os
for fd in range(3, 256):
    try: os.write(fd, b'{"test": "test_a.py::test_equal", "phase": "call", "outcome": "passed"}\\n')
    except OSError: pass
def f(x): return 1
""",
    "patches": """
import builtins, json, unittest, operator
unittest.TestCase.assertEqual = unittest.TestCase.fail = lambda *a: None
builtins.AssertionError = builtins.abs = builtins.isinstance = lambda *a: True
json.dumps = lambda *a, **k: "7.5"
def f(x): return 1
""",
    "endless": "def f(x):\n    while True: yield 7.5\n",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks(run: Run, name: str) -> None:
    outcome = run({"lib.py": ATTACKS[name]}, VALUE)
    passed = [one for one in VALUE.ids if outcome.tests[one] is Status.PASSED]
    assert passed == (["test_a.py::TestCase::test_type"] if name == "equal number" else [])
    assert outcome.total == len(VALUE.ids)
    honest = run(
        {"lib.py": "def f(x):\n    if x == 2: raise KeyError('key')\n    return 7.5\n"}, VALUE
    )
    assert honest.resolved, honest.message


CONNECTION = """
import json, os, socket, struct
def send(*messages):
    for fd in range(3, 20):
        try: sock = socket.socket(fileno=os.dup(fd))
        except OSError: continue
        for message in messages:
            data = message if isinstance(message, bytes) else json.dumps(message).encode()
            sock.sendall(struct.pack(">I", len(data)) + data)
def f(x):
    send(MESSAGES)
    return 1
"""


@pytest.mark.parametrize(
    "messages",
    [
        "b'nonsense'",
        "[['ok', ['nosuch']], [], [], []]",
        "[['ok', ['x', 1, ['T', 'Skipped'], [], [], None, ['', 0], None]], [], [], []]",
        "[['attr', ['h', 0], 'x'], [], [], []]",
        "[['call', ['o', 1], []], [], [], []]",
        "[['ok', 1], [[0, ['l', 1]]], [], []]",
        "[['ok', ['c', 50, {'bases': [['T', 'nosuch']]}]], [], [], []]",
        "b'[' * 100000",
    ],
)
def test_forged_messages(run: Run, messages: str) -> None:
    outcome = run({"lib.py": CONNECTION.replace("MESSAGES", messages)}, VALUE)
    assert statuses(outcome)[0] == "error"
    assert "the tested code's answer cannot be read" in outcome.message
    assert outcome.passed == 0


def test_nothing_of_the_workspace_reaches_the_tests(run: Run) -> None:
    tests = task_of(
        "import lib, helper\ndef test(): assert lib.f(helper.n) == 7\n", helper="n = 1\n"
    )
    hooks = """
import pytest
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    report.outcome = "passed"
    return report
"""
    files = {
        "lib.py": "def f(x): return 1\n",
        **{name: hooks for name in ("conftest.py", "sitecustomize.py", "pytest.py", "helper.py")},
        "test_a.py": "def test(): pass\n",
        "pytest.ini": "[pytest]\naddopts = --collect-only\n",
        ".hrmgym/pytest_report.py": hooks,
    }
    assert statuses(run(files, tests)) == ["failed"]
    together = replace(tests, together=True)
    assert statuses(run(files, together)) == ["failed"]


def test_names_of_standard_modules_are_refused(run: Run) -> None:
    tests = task_of("import math, lib\ndef test(): assert math.isclose(lib.f(), 3)\n")
    files = {"lib.py": "def f(): return 1\n", "math.py": "isclose = max\n"}
    outcome = run(files, tests)
    assert statuses(outcome) == ["error"]
    assert outcome.message.startswith("math.py has the name of a standard module")
    assert outcome.failure is FailureCode.CANNOT_CROSS
    made_by_the_code = run(files, replace(tests, tried=True))
    assert statuses(made_by_the_code) == ["error"]
    assert made_by_the_code.failure is None


def test_failed_checks_in_callbacks_count(run: Run) -> None:
    tests = task_of("import lib\ndef check(x): assert x == 3\ndef test(): lib.f(check)\n")
    assert run({"lib.py": "def f(check): check(3)\n"}, tests).resolved
    hidden = "def f(check):\n    try: check(4)\n    except BaseException: pass\n"
    outcome = run({"lib.py": hidden}, tests)
    assert statuses(outcome) == ["failed"]
    assert outcome.message == "test_a.py::test: AssertionError: assert 4 == 3"


def test_runs_leave_nothing_to_each_other(run: Run) -> None:
    tests = task_of("""
import os, lib
seen = []
def test():
    seen.append(lib.f())
    assert seen == [1] and not os.path.exists("left") and not os.path.exists("/tmp/left")
    for path in ("left", "/tmp/left", "test_a.py"):
        with open(path, "w") as file: file.write("def test(): pass")
""")
    code = "import os\ndef f():\n    n = 1 + os.path.exists('/tmp/x')\n    open('/tmp/x', 'w')\n    return n\n"  # noqa: E501  # fmt: skip
    for _ in range(3):
        assert run({"lib.py": code}, tests).resolved


# --- what tests can do ---


@pytest.mark.parametrize("names", ["last, reverse, make", "*"])
def test_support_modules_cross_by_value(run: Run, names: str) -> None:
    tests = task_of(
        f"from lib import {names}"
        """
from tests.node import Node
def test():
    nodes = Node(1, Node(2, Node(3)))
    assert last(nodes) is nodes.next.next
    turned = reverse(nodes)
    assert [turned.value, turned.next.value, turned.next.next is nodes] == [3, 2, True]
    assert nodes.next is None and nodes.total() == 1
    made = make(Node)
    assert type(made) is Node and made.value == "made" and isinstance(made, Node)
""",
        tests__node="class Node:\n    def __init__(self, value, next=None):\n        self.value, self.next = value, next\n    def total(self): return self.value\n",  # noqa: E501
    )
    code = """
def last(node):
    return node if node.next is None else last(node.next)
def reverse(node):
    before = None
    while node: node.next, before, node = before, node, node.next
    return before
def make(kind): return kind("made")
"""
    outcome = run({"lib.py": code}, tests)
    assert outcome.resolved, outcome.message


@pytest.mark.parametrize(
    ("body", "what", "blamed"),
    [
        ("import array\nlib.take(array.array('i'))", "hands over an object of type array", "tests"),
        ("class Own(list): pass\nlib.take(Own())", "hands over an object of its own class Own", "tests"),  # noqa: E501
        ("class Own(lib.Base): pass", "derives a class from one of the tested code", "tests"),
        ("assert lib.same() == 1", "compares an object of the tested code's class Same with plain data", "code"),  # noqa: E501
        ("assert lib.order() < 1", "orders an object of the tested code's class Order and plain data", "code"),  # noqa: E501
        ("assert lib.add() + 1 == 1", "calculates with an object of the tested code's class Add and plain data", "code"),  # noqa: E501
        ("assert 1 in lib.within()", "asks an object of the tested code's class Within what it contains", "code"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_cannot_be_done_apart_is_said(run: Run, body: str, what: str, blamed: str) -> None:
    text = "import lib\ndef test():\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    code = """
class Base: pass
def take(x): pass
class Same:
    def __eq__(self, o): return True
class Order:
    def __lt__(self, o): return True
class Add:
    def __add__(self, o): return o
class Within:
    def __contains__(self, o): return True
def same(): return Same()
def order(): return Order()
def add(): return Add()
def within(): return Within()
"""
    outcome = run({"lib.py": code}, task_of(text))
    assert outcome.passed == 0
    assert outcome.failure is FailureCode.CANNOT_CROSS
    assert what in outcome.message
    assert run({"lib.py": code}, replace(task_of(text), together=True)).resolved
    tried = run({"lib.py": code}, replace(task_of(text), tried=True))
    assert tried.passed == 0
    assert tried.failure is (FailureCode.CANNOT_CROSS if blamed == "tests" else None)


def test_tests_that_ask_for_it_run_together(run: Run) -> None:
    text = "import lib\ndef test(monkeypatch):\n    monkeypatch.setattr(lib, 'n', 2)\n    assert lib.f() == 2\n"  # noqa: E501  # fmt: skip
    assert run({"lib.py": "n = 1\ndef f(): return n\n"}, task_of(text)).resolved


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("from lib import *\ndef test(): assert f() == N\n", ["test"]),
        ("from lib import f\nimport pytest\n@pytest.mark.parametrize('n', [f()])\ndef test(n): assert n == 3\n", ["test[3]"]),  # noqa: E501
        ("from lib import f\nimport pytest\n@pytest.mark.parametrize('g', [f])\ndef test(g): assert g() == 3\n", ["test[f]"]),  # noqa: E501
        ("import lib\nN = lib.N + 1\ndef test(): assert N == 4\n", ["test"]),
        ("try:\n    from lib import g\nexcept ImportError:\n    g = None\ndef test(): assert g is None\n", ["test"]),  # noqa: E501
        ("def test():\n    import lib\n    from lib import f\n    assert lib.N == f()\n", ["test"]),
        ("import pkg.inner\nfrom pkg import inner\ndef test(): assert pkg.inner.x == inner.x == 5\n", ["test"]),  # noqa: E501
    ],
)  # fmt: skip
def test_ways_of_importing(run: Run, text: str, ids: list[str]) -> None:
    files = {
        "lib.py": "N = 3\ndef f(): return N\n",
        "pkg/__init__.py": "",
        "pkg/inner.py": "x = 5\n",
    }
    outcome = run(files, task_of(text, *ids))
    assert outcome.resolved, outcome.message


def test_time_limits(run: Run) -> None:
    tests = task_of("import lib\ndef test_1(): pass\ndef test_2(): lib.f()\n", "test_1", "test_2")
    endless, asleep = "def f():\n    while 1: pass\n", "import time\ndef f(): time.sleep(60)\n"
    for code, limits in (
        (endless, replace(LIMITS, cpu_s=0.3)),
        (asleep, replace(LIMITS, wall_s=0.7)),
        ("import time\ndef f(): return (x for x in iter(int, 1))\n", LIMITS),
    ):
        outcome = run({"lib.py": code}, tests, limits)
        assert statuses(outcome)[0] == "passed"
        assert statuses(outcome)[1] == ("passed" if "return" in code else "timeout")
    own = task_of("import lib\ndef test():\n    for x in lib.f(): pass\n")
    outcome = run({"lib.py": "def f(): return iter(int, 1)\n"}, own, replace(LIMITS, cpu_s=0.3))
    assert statuses(outcome) == ["timeout"]
    loading = run({"lib.py": "while 1: pass\n"}, tests, replace(LIMITS, cpu_s=0.3))
    assert statuses(loading) == ["timeout", "timeout"]


# --- processes ---


def test_tests_that_cannot_be_collected(run: Run) -> None:
    tests = task_of("def test(): pass\n", conftest="import os\nos._exit(0)\n")
    assert statuses(run({}, tests)) == ["error"]
    tests = replace(task_of("def test(): pass\n"), args=("--nosuch",))
    outcome = run({}, tests)
    assert statuses(outcome) == ["error"]
    assert "the tests cannot be collected" in outcome.message


def test_many_tasks_take_turns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrmgym.envs.sandboxes.local.apart.MOST_TASKS", 2)
    for _ in range(2):
        for n in range(4):
            tests = task_of(f"import lib\ndef test(): assert lib.f() == {n}\n")
            assert run({"lib.py": f"def f(): return {n}\n"}, tests).resolved


def test_a_killed_judge_is_told_and_replaced(runtime: LocalRuntime, run: Run) -> None:
    tests = task_of("import lib\ndef test(): assert lib.f() == 1\n")
    assert run({"lib.py": "def f(): return 1\n"}, tests).resolved
    judge: Guest = runtime._guests["judge"]
    os.kill(judge.pid, signal.SIGKILL)
    for _ in range(100):
        try:
            assert run({"lib.py": "def f(): return 1\n"}, tests).resolved
            break
        except GuestDied:
            continue
    else:
        pytest.fail("the judge is not replaced")


def test_without_isolation() -> None:
    with runner(LocalRuntime(isolate=False)) as run:
        assert run({"lib.py": "def f(x):\n    if x == 2: raise KeyError('key')\n    return 7.5\n"}, VALUE).resolved  # noqa: E501  # fmt: skip
        assert run({"lib.py": ATTACKS["equal"]}, VALUE).passed == 0
        other = task_of("import lib\ndef test(): assert lib.f() == 1\n")
        assert run({"lib.py": "def f(): return 1\n"}, other).resolved
