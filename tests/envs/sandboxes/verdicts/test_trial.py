"""Tests that do not say the same apart from the code run together with it by themselves, and say
so; what decides is the known solution, never the code under test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hrmgym.envs.outcome import FailureCode, Outcome, Status
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts import trial
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import CallCase, CallTests, Limits, PytestTests, Task, TestSpec, Workspace
from hrmgym.tests.inmemory import Asked, InMemory, config_of
from hrmgym.tests.tiny import OneTask

LIMITS = Limits(cpu_s=10.0, wall_s=60.0)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def task_of(body: str, right: str, wrong: str, *, reference: bool = True, **files: str) -> Task:
    tests = PytestTests(files={"test_a.py": body}, ids=("test_a.py::test",))
    more = {f"{name}.py": text for name, text in files.items()}
    return Task(
        id="one",
        benchmark="one",
        language="python",
        split="test",
        prompt="",
        workspace=Workspace(files={"lib.py": wrong, **more}),
        editable=("lib.py",),
        visible_tests=tests,
        hidden_tests=tests,
        reference={"lib.py": right} if reference else {},
        limits=LIMITS,
    )


BOTH = "import lib\ndef test():\n"
#: What cannot be done from another process: test, right and wrong program, and more files.
TOGETHER: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "derives a class": (
        "import lib\nclass Own(lib.Base):\n    n = 3\ndef test(): assert Own().twice() == 6\n",
        "class Base:\n    def twice(self): return 2 * self.n\n",
        "class Base:\n    def twice(self): return self.n\n",
        {},
    ),
    "compares with plain data": (
        f"{BOTH}    assert lib.Money(5) == 5 and lib.Money(5) != 6\n",
        "class Money:\n    def __init__(self, n): self.n = n\n"
        "    def __eq__(self, o): return self.n == o\n",
        "class Money:\n    def __init__(self, n): self.n = n\n"
        "    def __eq__(self, o): return True\n",
        {},
    ),
    "a dict of its own": (
        f"{BOTH}    assert lib.Loose(a=1) == {{'A': 1}}\n",
        "class Loose(dict):\n    def __eq__(self, o): return {k.lower() for k in self} == {k.lower() for k in o}\n",  # noqa: E501
        "class Loose(dict): pass\n",
        {},
    ),
    "orders": (
        f"{BOTH}    assert lib.Money(5) < 6\n",
        "class Money:\n    def __init__(self, n): self.n = n\n    def __lt__(self, o): return self.n < o\n",  # noqa: E501
        "class Money:\n    def __init__(self, n): self.n = n\n    def __lt__(self, o): return self.n > o\n",  # noqa: E501
        {},
    ),
    "an array": (
        f"import array\n{BOTH}    assert lib.total(array.array('i', [1, 2])) == 3\n",
        "def total(xs): return sum(xs)\n",
        "def total(xs): return len(xs)\n",
        {},
    ),
    "an own list": (
        f"class Own(list): pass\n{BOTH}    assert lib.total(Own([1, 2])) == 3\n",
        "def total(xs): return sum(xs)\n",
        "def total(xs): return len(xs)\n",
        {},
    ),
    "an instance of an own class": (
        f"class Own: pass\n{BOTH}    assert lib.is_own(Own(), Own)\n",
        "def is_own(x, kind): return isinstance(x, kind)\n",
        "def is_own(x, kind): return not isinstance(x, kind)\n",
        {},
    ),
    "the caller's frame": (
        f"{BOTH}    here = 3\n    assert lib.peek() == 3\n",
        "import sys\ndef peek(): return sys._getframe(1).f_locals['here']\n",
        "def peek(): return 4\n",
        {},
    ),
    "a signature": (
        f"{BOTH}    assert lib.names(lambda a, b=1: a) == ['a', 'b']\n",
        "import inspect\ndef names(f): return list(inspect.signature(f).parameters)\n",
        "def names(f): return []\n",
        {},
    ),
    "a module named as a standard one": (
        f"import string\n{BOTH}    assert lib.digits() == string.digits\n",
        "import string\ndef digits(): return string.digits\n",
        "def digits(): return ''\n",
        {"string": "digits = 'mine'\n"},
    ),
    "another module named so": (
        f"import queue\n{BOTH}    assert lib.f() == queue.mine == 1\n",
        "import queue\ndef f(): return queue.mine\n",
        "def f(): return 0\n",
        {"queue": "mine = 1\n"},
    ),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_what_cannot_run_apart_runs_together(sandbox: Sandbox, name: str) -> None:
    body, right, wrong, files = TOGETHER[name]
    task, benchmark = task_of(body, right, wrong, **files), OneTask(None)  # type: ignore[arg-type]
    found = trial.tried(task.visible_tests, task, sandbox)
    assert isinstance(found, PytestTests)
    assert isinstance(found.together, str)
    assert found.together
    assert trial.task_apart(task, sandbox) == ("together", found.together)
    solved = benchmark.grade(task, task.solution(), sandbox)
    assert solved.resolved, solved.message
    untouched = benchmark.grade(task, task.workspace.start, sandbox)
    assert not untouched.resolved
    assert untouched.failure is None


@pytest.mark.parametrize(
    "body",
    [
        f"{BOTH}    assert lib.f(3) == 6\n",
        "from lib import *\ndef test(): assert f(3) == 6\n",
        "import pytest, lib\ndef test():\n    with pytest.raises(TypeError): lib.f()\n    assert lib.f(3) == 6\n",  # noqa: E501
    ],
)
def test_what_can_runs_apart(sandbox: Sandbox, body: str) -> None:
    task = task_of(body, "def f(x): return 2 * x\n", "def f(x): return x\n")
    assert trial.task_apart(task, sandbox) == ("apart", "")
    found = trial.tried(task.visible_tests, task, sandbox)
    assert found == replace(task.visible_tests, tried=True)  # type: ignore[type-var]
    assert trial.tried(found, task, sandbox) is found
    assert trial.tried(task.visible_tests, task, sandbox) is found


def test_a_solution_that_fails_both_ways_runs_apart(sandbox: Sandbox) -> None:
    task = task_of(f"{BOTH}    assert lib.f(3) == 7\n", "def f(x): return 2 * x\n", "x = 1\n")
    assert trial.task_apart(task, sandbox) == ("apart", "")


def test_without_a_solution_the_untouched_workspace_decides(sandbox: Sandbox) -> None:
    body, right, wrong, _ = TOGETHER["derives a class"]
    task = task_of(body, right, wrong, reference=False)
    assert trial.task_apart(task, sandbox)[0] == "together"


def test_other_tests_are_left_alone(sandbox: Sandbox) -> None:
    task = task_of(f"{BOTH}    assert lib.f(3) == 6\n", "def f(x): return 2 * x\n", "x = 1\n")
    calls = CallTests(path="lib.py", function="f", cases=(CallCase(id="1", args=(1,), expected=2),))
    own: TestSpec = replace(task.visible_tests, together=True)  # type: ignore[type-var]
    for tests in (calls, own):
        assert trial.tried(tests, task, sandbox) is tests
    assert sandbox.counts.failed == 0


#: Programs that want to be run together with the tests, or not to be judged.
DODGES = {
    "equal": "class Equal:\n    def __eq__(self, o): return True\n    __lt__ = __gt__ = __eq__\n"
    "def f(x): return Equal()\n",
    "numbers": "class Equal:\n    def __radd__(self, o): return 6\n    __add__ = __radd__\n"
    "    def __eq__(self, o): return True\ndef f(x): return Equal()\n",
    "exit": "import os\ndef f(x): os._exit(0)\n",
    "shadow": "def f(x): return 6\nraise ImportError\n",
}


@pytest.mark.parametrize("name", DODGES)
def test_the_code_has_no_say_in_it(sandbox: Sandbox, name: str) -> None:
    right, wrong = "def f(x): return 2 * x\n", "def f(x): return x\n"
    task = task_of(f"{BOTH}    assert lib.f(3) == 6\n", right, wrong)
    found = OneTask(task).run_tests(task, task.visible_tests, {"lib.py": DODGES[name]}, sandbox)
    assert found.failure is None
    assert found.passed == 0
    assert trial.task_apart(task, sandbox) == ("apart", "")


def test_what_was_never_tried_is_no_verdict(sandbox: Sandbox) -> None:
    body, right, _, _ = TOGETHER["compares with plain data"]
    tests = PytestTests(files={"test_a.py": body}, ids=("test_a.py::test",))
    outcome = sandbox.run_tests({"lib.py": right}, tests, LIMITS)
    assert outcome.failure is FailureCode.CANNOT_CROSS
    assert outcome.message.startswith("test_a.py::test: the test compares an object of the tested")
    tried = sandbox.run_tests({"lib.py": right}, replace(tests, tried=True), LIMITS)
    assert tried.failure is None
    assert list(tried.tests.values()) == [Status.FAILED]


def test_an_environment_says_so() -> None:
    body, right, wrong, _ = TOGETHER["derives a class"]
    env = SoftwareEnv(OneTask(task_of(body, right, wrong)))
    try:
        _, info = env.reset()
        assert info["tests_apart"] == "together"
        assert "derives a class" in info["tests_apart_why"]
        state = env.state
        env._state = replace(state, files=state.files.with_text("lib.py", right))
        assert env.grade(env.state).resolved
    finally:
        env.close()


def test_a_slow_machine_has_no_say_in_it() -> None:
    tests = PytestTests(files={"t.py": ""}, ids=("t.py::test",))

    def slow(asked: Asked) -> Outcome:
        """Too slow for its limits apart; together it passes."""
        assert isinstance(asked.tests, PytestTests)
        status = Status.PASSED if asked.tests.together else Status.TIMEOUT
        return Outcome(tests=dict.fromkeys(tests.test_ids, status))

    executor = InMemory(slow)
    with Sandbox(config_of(executor)) as sandbox:
        found = trial.try_out(tests, {}, Limits(cpu_s=0.1, wall_s=0.5), sandbox)
    assert not found.together
    assert len(executor.asked) == 2
    assert all(run.limits.cpu_s >= 2.0 <= run.limits.wall_s for run in executor.asked)
