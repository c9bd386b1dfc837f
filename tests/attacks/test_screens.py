"""Edits that attack the process in which they, and others after them, are tried.

What a screen says is confirmed by an ordinary run. So the most that an edit can win is that others
after it are thought wrong, or run for nothing; most cannot even do that.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.edits.screen import Screen
from hrmgym.envs.kinds import kind_of
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts.screens import Plan, Request
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    Limits,
    PytestTests,
    StdioCase,
    StdioTests,
    Task,
    TestSpec,
    Workspace,
)

HEAD = "import math\nimport string\n\n\ndef double(x):\n"
MAIN = '\n\nif __name__ == "__main__":\n    print(double(int(input())))\n'
HIDDEN = 987_654_321


def program(body: str) -> str:
    """The module with this body of `double`."""
    return HEAD + textwrap.indent(body, "    ") + MAIN


WRONG = program("return math.floor(x) - 1\n")
#: Needs what attacks change: functions of a module and a class of one, builtins, recursion.
RIGHT = program(
    "assert string.Formatter().format('{}', x) == str(x)\n"
    "assert len(sorted(range(5), key=abs)) == 5\n"
    "return math.floor(x) + math.floor(x)\n"
)

#: Name -> body. None of them makes the next text come out otherwise.
HARMS = {
    "a function of a module": "math.floor = lambda v: 0\nreturn 0",
    "a function of a module, swapped": "math.floor, math.ceil = math.ceil, math.floor\nreturn 1",
    "a method of a library's class": "string.Formatter.format = lambda *a: ''\nreturn 0",
    "a builtin": "import builtins\nbuiltins.sorted = lambda *a, **k: []\nreturn 0",
    "builtins by another way": "globals()['__builtins__'].__dict__['len'] = None\nreturn 0",
    "builtins of a function": "double.__builtins__['len'] = None\nreturn 0",
    "another test's code": (
        "import sys\ntests = sys.modules.get('test_s')\nif tests:\n"
        "    tests.test_31.__code__ = (lambda: 1 / 0).__code__\nreturn 0"
    ),
    "modules": "import sys\nsys.modules['math'] = sys.modules['string'] = None\nreturn 0",
    "setattr": "setattr(math, 'floor', None)\nreturn 0",
    "a deleted attribute": "del string.Formatter\nreturn 0",
    "the path of imports": (
        "import sys\nsys.path.insert(0, '/tmp')\nsys.path_hooks.clear()\nreturn 0"
    ),
    "recursion": "import sys\nsys.setrecursionlimit(40)\nreturn 0",
    "deep recursion": "return double(x) + 1",
    "working folder": "import os\nos.chdir('/')\nreturn 0",
    "environment": "import os\nos.environ.clear()\nreturn 0",
    "its own file": "open('solution.py', 'w').write('def double(x): return 0')\nreturn 0",
    "a file": "open('math.py', 'w').write('floor = None')\nreturn 0",
    "a tracer": "import sys\nsys.settrace(lambda *a: 1 / 0)\nreturn 0",
    "a profiler": "import sys\nsys.setprofile(lambda *a: exec('raise SystemExit'))\nreturn 0",
    "a thread": (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\nreturn 0"
    ),
    "a thread that patches": (
        "import threading, time\n"
        "def later():\n    while True:\n        math.floor = None\n"
        "threading.Thread(target=later, daemon=True).start()\nreturn 0"
    ),
    "a fork that lives": "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nreturn 0",
    "a fork that returns": "import os\nos.fork()\nreturn 0",
    "forks": (
        "import os\ntry:\n    while True:\n        os.fork()\nexcept BaseException:\n    return 0"
    ),
    "a loop": "while True:\n    pass",
    "a loop that swallows": (
        "while True:\n    try:\n        while True:\n            pass\n"
        "    except BaseException:\n        pass"
    ),
    "a loop that swallows once": (
        "try:\n    while True:\n        pass\nexcept BaseException:\n    return 2 * x"
    ),
    "a loop whose end patches": (
        "try:\n    while True:\n        pass\nfinally:\n    math.floor = None"
    ),
    "a loop that no other timer ends": (
        "import signal\nsignal.signal(signal.SIGVTALRM, signal.SIG_IGN)\nwhile True:\n    pass"
    ),
    "a loop without the timers": (
        "import signal\nsignal.setitimer(signal.ITIMER_VIRTUAL, 0)\n"
        "signal.setitimer(signal.ITIMER_PROF, 0)\nwhile True:\n    pass"
    ),
    "a timer for later": (
        "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\nreturn 0"
    ),
    "a handler of the timer": (
        "import signal\nsignal.signal(signal.SIGVTALRM, lambda *a: None)\nreturn 0"
    ),
    "a loop in C": "return sum(range(10 ** 12))",
    "a loop that no timer ends": (
        "import signal\nsignal.signal(signal.SIGPROF, signal.SIG_IGN)\nwhile True:\n    pass"
    ),
    "a loop with other timers": (
        "import signal\nsignal.setitimer(signal.ITIMER_PROF, 0)\nwhile True:\n    pass"
    ),
    "a sleep": "import time\ntime.sleep(1000)",
    "memory": "return len([0] * 10 ** 10)",
    "memory that is kept": "math.kept = []\nwhile True:\n    math.kept.append(bytearray(1 << 20))",
    "memory, swallowed": (
        "kept = []\ntry:\n    while True:\n        kept.append(bytearray(1 << 20))\n"
        "except MemoryError:\n    return 0"
    ),
    "its end": "import os\nos._exit(0)",
    "its end by another code": "import os\nos._exit(1)",
    "exit": "raise SystemExit(0)",
    "interrupt": "raise KeyboardInterrupt",
    "a signal": "import os\nos.kill(os.getpid(), 9)",
    "a signal to all": "import os\nos.kill(-1, 9)",
    "a signal to its parent": "import os\nos.kill(os.getppid(), 9)",
    "a crash": "import ctypes\nctypes.string_at(0)",
    "all descriptors": "import os\nos.closerange(0, 1024)\nreturn 0",
    "writing to all descriptors": (
        "import os\nfor fd in range(64):\n    try:\n        os.write(fd, b'[\"ok\",4]\\n' * 9)\n"
        "    except OSError:\n        pass\nreturn 0"
    ),
    "garbage collection": "import gc\ngc.disable()\ngc.set_threshold(1)\nreturn 0",
    "at each garbage collection": (
        "import gc\ngc.callbacks.append(lambda *a: setattr(math, 'floor', None))\nreturn 0"
    ),
    "signal handlers": (
        "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nsignal.alarm(0)\nreturn 0"
    ),
    "random numbers": "import random\nrandom.seed(1)\nreturn random.random()",
    "the mask of files": "import os\nos.umask(0o777)\nreturn 0",
    "priority": "import os\nos.nice(19)\nreturn 0",
    "warnings": "import warnings\nwarnings.simplefilter('error')\nreturn 0",
}
#: Harms that take their time.
SLOW = frozenset(
    name
    for name in HARMS
    if name.startswith(("a loop ", "memory", "forks", "a sleep", "a thread that"))
)
_FRAMES = """\
import sys
frame = sys._getframe()
while 'board' not in frame.f_locals:
    frame = frame.f_back
"""
#: These forge what the screen says.
FORGERIES = {
    "passes for all": _FRAMES
    + (
        "board = frame.f_locals['board']\nfor at in range(board.size):\n"
        "    board.write(at, 1, 2, 0.0)\nboard.end(board.size, 1)\nimport os\nos._exit(0)"
    ),
    "failures for all": _FRAMES
    + (
        "board = frame.f_locals['board']\nfor at in range(board.size):\n"
        "    board.write(at, 2, 2, 0.0)\nboard.end(board.size, 1)\nimport os\nos._exit(0)"
    ),
    "nonsense": _FRAMES
    + (
        "board = frame.f_locals['board']\nboard._memory[:] = b'\\xff' * len(board._memory)\n"
        "import os\nos._exit(0)"
    ),
    "nonsense, and on": _FRAMES
    + (
        "board = frame.f_locals['board']\n"
        "board._memory[:] = b'\\xff' * len(board._memory)\nreturn 0"
    ),
    "nothing at all": _FRAMES + "frame.f_locals['board'].end(0, 1)\nimport os\nos._exit(0)",
    "broken": _FRAMES + "frame.f_locals['board'].end(0, 3)\nimport os\nos._exit(0)",
    "a judge that says yes": _FRAMES
    + (
        "trial = frame.f_locals['trial']\n"
        "type(trial).attempt = lambda self, *more: (1, 2, True)\nreturn 0"
    ),
    "an object that equals all": (
        "class Equal:\n    def __eq__(self, other):\n        return True\nreturn Equal()"
    ),
    "a number that equals all": (
        "class Equal(int):\n    def __eq__(self, other):\n        return True\n"
        "    __hash__ = int.__hash__\nreturn Equal(1)"
    ),
    "expected values": (
        "import gc\nfor one in gc.get_objects():\n    if type(one).__name__ == '_Case':\n"
        "        if one.args() == [x]:\n            return one.value\nreturn 0"
    ),
}

KINDS: dict[str, TestSpec] = {
    "calls": CallTests(
        path="solution.py",
        function="double",
        cases=tuple(CallCase(id=str(x), args=(x,), expected=2 * x) for x in (23, 31)),
    ),
    "stdio": StdioTests(
        path="solution.py",
        cases=tuple(StdioCase(id=str(x), stdin=f"{x}\n", expected=f"{2 * x}\n") for x in (23, 31)),
    ),
    "pytest": PytestTests(
        files={
            "test_s.py": "import solution\n"
            + "".join(
                f"\ndef test_{x}():\n    assert solution.double({x}) == {2 * x}\n" for x in (23, 31)
            )
        },
        ids=("test_s.py::test_23", "test_s.py::test_31"),
    ),
}


_kinds = pytest.mark.parametrize(
    "kind",
    [pytest.param(one, marks=[pytest.mark.nightly] if one != "calls" else []) for one in KINDS],
)


class Doubling(Benchmark):
    """The benchmark of the one task."""

    name = "doubling"
    version = "0"
    splits = ("test",)

    def tasks(self, split: str) -> Sequence[Task]:
        return ()


def task_of(kind: str) -> Task:
    hidden = CallCase(id=f"hidden-{HIDDEN}", args=(HIDDEN,), expected=2 * HIDDEN)
    return Task(
        id="double",
        benchmark="doubling",
        language="python",
        split="test",
        prompt="",
        workspace=Workspace(files={"solution.py": WRONG}),
        editable=("solution.py",),
        visible_tests=KINDS[kind],
        hidden_tests=CallTests(path="solution.py", function="double", cases=(hidden,)),
        reference={"solution.py": RIGHT},
        limits=Limits(cpu_s=0.5, wall_s=1.5, memory_mb=256, processes=16, file_mb=8),
    )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def screen_of(kind: str, sandbox: Sandbox) -> Screen:
    task = task_of(kind)
    made = Screen(Doubling(), task, task.workspace.start, "solution.py", sandbox)
    assert made.why == ""
    return made


@pytest.mark.parametrize(
    "kind",
    [one if one == "calls" else pytest.param(one, marks=pytest.mark.nightly) for one in KINDS],
)
def test_what_an_edit_does_is_no_harm_to_the_next(kind: str, sandbox: Sandbox) -> None:
    made = screen_of(kind, sandbox)
    texts = [text for body in HARMS.values() for text in (program(body), RIGHT, WRONG)]
    found = list(made.run(texts, cpu_s=0.2, stop=False))
    said = dict(zip(HARMS, zip(found[::3], found[1::3], found[2::3], strict=True), strict=True))
    for name, (attack, right, wrong) in said.items():
        assert not attack.passed, name
        assert right.passed, name
        assert not wrong.passed, name
        assert {one.failure for one in (attack, right, wrong)} == {None}, name
    assert sum(one.hot for one in found) > 0.9 * len(found)


@pytest.mark.parametrize(
    "kind",
    [one if one == "calls" else pytest.param(one, marks=pytest.mark.nightly) for one in KINDS],
)
def test_what_an_edit_forges_is_not_confirmed(kind: str, sandbox: Sandbox) -> None:
    for name, body in FORGERIES.items():
        made = screen_of(kind, sandbox)
        texts = [WRONG, program(body), WRONG, WRONG]
        found = list(made.run(texts, cpu_s=0.2, stop=False))
        assert len(found) == len(texts), name
        for text, one in zip(texts, found, strict=True):
            assert not (one.passed and made.confirm(text).resolved), name
    found = list(screen_of(kind, sandbox).run([WRONG, RIGHT]))
    assert [one.passed for one in found] == [False, True]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_hidden_goes_into_a_screen(kind: str) -> None:
    task = task_of(kind)
    plan = kind_of(task.visible_tests).screen(
        task.workspace.start, task.visible_tests, "solution.py"
    )
    assert isinstance(plan, Plan)
    header, blob = Request(plan, task.workspace.start, "solution.py", task.limits).message([WRONG])
    for secret in (str(HIDDEN), str(2 * HIDDEN), "string.Formatter()"):
        assert secret not in repr(header)
        assert secret.encode() not in blob


def test_garbage_acts_before_the_next_text_is_tried(sandbox: Sandbox) -> None:
    """Otherwise a text that does nothing but fill memory could set off what one before has left."""
    late = program(
        "class Late:\n    def __del__(self):\n        math.floor = None\n"
        "one = Late()\none.itself = one\nreturn 0"
    )
    collects = program("import gc\ngc.collect()\nreturn math.floor(x) * 2")
    texts = [WRONG, late, collects, late, WRONG, collects]
    found = list(screen_of("calls", sandbox).run(texts, stop=False))
    assert [one.passed for one in found] == [False, False, True, False, False, True]
    assert all(one.hot for one in found)


def test_one_sandbox_finds_nothing_of_what_another_screened(sandbox: Sandbox) -> None:
    """A trace that an edit leaves in files is gone for the next request, whatever it says."""
    made = screen_of("calls", sandbox)
    leaves = program("open('/tmp/trace', 'w').close()\nopen('trace', 'w').close()\nreturn 0")
    looks = program(
        "import os\nfound = os.path.exists('/tmp/trace') or os.path.exists('trace')\n"
        "return 0 if found else 2 * x"
    )
    assert not next(iter(made.run([leaves]))).passed
    assert next(iter(made.run([looks]))).passed
    assert [one.passed for one in made.run([leaves, looks], stop=False)] == [False, True]
    assert replace(task_of("calls")).visible_tests  # the task itself is as it was
