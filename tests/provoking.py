"""A benchmark whose programs use up memory, processes, files and time, or end in any way at all.

Each has one right outcome, whatever ran before it or runs beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    Limits,
    PytestTests,
    StdioCase,
    StdioTests,
    Task,
    TestSpec,
    Workspace,
)

LIMITS = Limits(cpu_s=2.0, wall_s=10.0, memory_mb=256, processes=16, output_kb=16, file_mb=16)
UNTOUCHED = "def f(x):\n    return -1\n"

#: Bodies of `f`, and what the tests say of them: whether f(1) == 1 and f(2) == 2 hold.
CALLS = {
    "right": ("return x", "passed passed"),
    "memory that there is": ("return len(bytearray(150 << 20)) * 0 + x", "passed passed"),
    "memory that there is not": (
        "return len(bytearray(400 << 20)) * 0 + x",
        "out_of_memory out_of_memory",
    ),
    "memory of many": (
        """
    import os, time
    done, tell = os.pipe()
    for _ in range(8):
        if os.fork() == 0:
            held = b"x" * (30 << 20)
            os.write(tell, b"x")
            time.sleep(30)
    for _ in range(8):
        os.read(done, 1)
    held = b"x" * (200 << 20)
    return x""",
        "out_of_memory missing",
    ),
    "files that there are": (
        "return [open('/dev/null') for _ in range(450)] and x",
        "passed passed",
    ),
    "files that there are not": (
        "return [open('/dev/null') for _ in range(600)] and x",
        "failed failed",
    ),
    "disk that there is": (
        "open('big', 'wb').write(b'x' * (14 << 20)); return x",
        "passed passed",
    ),
    "disk that there is not": (
        "open('big', 'wb').write(b'x' * (20 << 20)); return x",
        "failed failed",
    ),
    "processes that there are": (
        """
    import os, time
    for _ in range(8):
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
    return x""",
        "passed failed",
    ),
    "endless": ("while True: pass", "timeout timeout"),
    "asleep": ("__import__('time').sleep(60)", "timeout timeout"),
    "exit": ("__import__('os')._exit(0)", "error missing"),
    "abort": ("__import__('os').abort()", "error missing"),
    "segmentation fault": ("__import__('ctypes').string_at(0)", "error missing"),
    "kill": ("__import__('os').kill(__import__('os').getpid(), 9)", "error missing"),
    "state": ("SEEN.append(x); return x if len(SEEN) < 2 else 0", "passed failed"),
}
#: Bodies of `f` that a suite of the tests' own memory is run on, and what becomes of its two tests.
SUITES = {
    "right": ("return x", "passed passed"),
    "memory": ("return len(bytearray(150 << 20)) * 0 + x", "passed passed"),
    "crash": ("__import__('os').abort()", "error missing"),
    "endless": ("while True: pass", "timeout timeout"),
}
_SUITE = """
from solution import f

HELD = bytearray(b"x" * ({mega} << 20))  # which stays as long as the tests do


def test_1():
    assert f(1) == 1


def test_2():
    more = bytearray(b"x" * (40 << 20))
    assert f(2) == 2
"""
_STDIO = "print(int(input()))\n"
_COMMAND = "python3 -c 'held = b\"x\" * (150 << 20); from solution import f; assert f(1) == 1'"


def _source(body: str) -> str:
    return f"SEEN = []\n\n\ndef f(x):\n    {body}\n"


def calls(*numbers: int) -> CallTests:
    """That f(n) == n."""
    cases = tuple(CallCase(id=f"f({n})", args=(n,), expected=n) for n in numbers)
    return CallTests(path="solution.py", function="f", cases=cases)


def suite(mega: int, number: int) -> PytestTests:
    """Two tests in a file that holds so much memory; each number makes another one."""
    text = f"# {number}\n{_SUITE.format(mega=mega)}"
    return PytestTests(files={"test_it.py": text}, ids=("test_it.py::test_1", "test_it.py::test_2"))


def items() -> dict[str, tuple[str, TestSpec, str]]:
    """Name -> the program, its tests, and what becomes of them, in their order."""
    found: dict[str, tuple[str, TestSpec, str]] = {}
    for name, (body, expected) in CALLS.items():
        found[f"calls: {name}"] = _source(body), calls(1, 2), expected
    for number, (name, (body, expected)) in enumerate(SUITES.items()):
        for mega in (1, 60):
            found[f"pytest: {name}, {mega} MiB"] = _source(body), suite(mega, number), expected
    for number in range(8):  # many tasks, all of whose tests are kept
        found[f"pytest: one of many, {number}"] = (
            _source("return x"),
            suite(60, 100 + number),
            "passed passed",
        )
    cases = tuple(StdioCase(id=f"read {n}", stdin=f"{n}\n", expected=f"{n}\n") for n in (1, 2))
    reading = StdioTests(path="solution.py", cases=cases)
    found["stdio: right"] = _STDIO, reading, "passed passed"
    found["stdio: memory"] = f"x = bytearray(150 << 20)\n{_STDIO}", reading, "passed passed"
    found["stdio: kill"] = "import os\nos.kill(os.getpid(), 9)\n", reading, "error error"
    command = CommandTests(command=("sh", "-c", _COMMAND))
    found["command: right"] = _source("return x"), command, "passed"
    found["command: wrong"] = _source("return 0"), command, "failed"
    return found


class Provoking(Benchmark):
    """The items as tasks that the reference, which is the program, solves or does not."""

    name = "provoking"
    version = "1"
    splits = ("test",)

    def tasks(self, split: str) -> Sequence[Task]:
        """All."""
        self.check_split(split)
        return [
            Task(
                id=name,
                benchmark=self.name,
                language="python",
                split="test",
                prompt="f(x) returns x.",
                workspace=Workspace(files={"solution.py": UNTOUCHED}),
                editable=("solution.py",),
                visible_tests=tests,
                hidden_tests=calls(2, 1) if isinstance(tests, CallTests) else tests,
                limits=LIMITS,
                reference={"solution.py": program},
            )
            for name, (program, tests, _) in items().items()
        ]
