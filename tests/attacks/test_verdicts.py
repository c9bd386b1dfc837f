"""What is said of programs that break off, lie or break down: the truth, and nothing that differs
from run to run. The honest program runs after every one of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import hrmgym
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallCase, CallTests, Limits, Outcome

Run = Callable[..., Outcome]

LIMITS = Limits(cpu_s=0.5, wall_s=5.0, memory_mb=256, processes=16, output_kb=16, file_mb=8)
PAIRS: tuple[tuple[tuple[object, ...], object], ...] = (((1,), 2), ((2,), 4), ((3,), 6))


def calls(*pairs: tuple[tuple[object, ...], object], consume: bool = False) -> CallTests:
    cases = tuple(
        CallCase(id=f"case{i}", args=args, expected=expected, consume=consume)
        for i, (args, expected) in enumerate(pairs)
    )
    return CallTests(path="f.py", function="f", cases=cases)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One for all: each program must leave it usable."""
    with Sandbox() as made:
        yield made


@pytest.fixture
def run(sandbox: Sandbox) -> Iterator[Run]:
    """Runs a program against f(1) == 2 and so on, or what it is told."""

    def one(program: str, *pairs: tuple[tuple[object, ...], object]) -> Outcome:
        return sandbox.run_tests({"f.py": program}, calls(*(pairs or PAIRS)), LIMITS)

    yield one
    honest = {"f.py": "def f(x):\n    return x * 2\n"}
    after = sandbox.run_tests(honest, calls(((1,), 2), (("ab",), "abab")), LIMITS)
    assert after.resolved, after.message


def statuses(outcome: Outcome) -> list[str]:
    return [str(status) for status in outcome.tests.values()]


def test_endless_loop(run: Run) -> None:
    outcome = run("def f(x):\n    while True: pass\n")
    assert statuses(outcome) == ["timeout"] * 3
    assert outcome.message == "f(1) timed out"


def test_endless_loop_while_loading(run: Run) -> None:
    assert statuses(run("while True: pass\n")) == ["timeout"] * 3


def test_memory(run: Run) -> None:
    outcome = run("def f(x):\n    return len(bytearray(1 << 30))\n", ((1,), 1 << 30))
    assert outcome.message == "f(1) raised MemoryError (line 2)"


@pytest.mark.parametrize("code", [0, 3])
def test_early_end_of_the_process(run: Run, code: int) -> None:
    outcome = run(f"import os\ndef f(x):\n    os._exit({code})\n")
    assert statuses(outcome) == ["error", "missing", "missing"]
    assert outcome.message == f"f(1) ended its process with exit code {code}"


@pytest.mark.parametrize("error", ["SystemExit(0)", "KeyboardInterrupt()", "GeneratorExit()"])
def test_exceptions_that_are_no_errors(run: Run, error: str) -> None:
    assert statuses(run(f"def f(x):\n    raise {error}\n")) == ["failed"] * 3


def test_recursion(run: Run) -> None:
    assert run("def f(x):\n    return f(x)\n").message.startswith("f(1) raised RecursionError")


def test_crash_of_the_interpreter(run: Run) -> None:
    outcome = run("import ctypes\ndef f(x):\n    ctypes.string_at(0)\n")
    assert statuses(outcome) == ["error", "missing", "missing"]
    assert outcome.message == "f(1) was killed by SIGSEGV"


def test_exception_with_a_hostile_text(run: Run) -> None:
    outcome = run(
        "class E(Exception):\n"
        "    def __str__(self): raise SystemExit\n"
        "E.__name__ = 'x' * 100000\n"
        "def f(x):\n    raise E\n"
    )
    assert statuses(outcome) == ["failed"] * 3
    assert len(outcome.message) <= 300


def test_much_output_is_no_fault_and_a_large_answer_is_cut(run: Run) -> None:
    assert run("def f(x):\n    print('x' * 50_000_000)\n    return x * 2\n").resolved
    outcome = run("def f(x):\n    return 'x' * 1_000_000\n")
    assert outcome.message == "f(1) returned <too large>, expected 2"


def test_endless_iterator(sandbox: Sandbox) -> None:
    files = {"f.py": "import itertools\ndef f(x):\n    return itertools.repeat(x)\n"}
    outcome = sandbox.run_tests(files, calls(((1,), [1, 1]), consume=True), LIMITS)
    assert outcome.message == "f(1) returned <too large>, expected [1, 1]"


def test_descriptors_of_the_sandbox_are_closed(run: Run) -> None:
    program = (
        "import os\n"
        "def f(x):\n"
        "    found = []\n"
        "    for fd in range(1024):\n"
        "        try: os.fstat(fd); found.append(fd)\n"
        "        except OSError: pass\n"
        "    return found\n"
    )
    assert run(program, ((1,), [0, 1, 2, 3])).resolved


def test_no_process_but_the_sandbox_s_own_can_be_seen(run: Run) -> None:
    program = (
        "import os\n"
        "def f(host):\n"
        "    pids = sorted(int(p) for p in os.listdir('/proc') if p.isdigit())\n"
        "    lines = [open(f'/proc/{p}/cmdline').read().strip(chr(0)) for p in pids]\n"
        "    return len(pids), set(lines), os.getpid() < 1000 or host != os.getpid()\n"
    )
    assert run(program, ((os.getpid(),), (2, {"sandbox"}, True))).resolved


def test_no_file_of_the_host_that_matters(run: Run, tmp_path: Path) -> None:
    (tmp_path / "solution.py").write_text("secret")
    checkout = Path(hrmgym.envs.__path__[0]).parent
    secrets = [tmp_path, checkout, Path(__file__), Path(pytest.__file__), Path(np.__file__)]
    secrets += [Path("/etc/shadow"), Path("/proc/1/environ"), Path("/home"), Path("/var/log")]
    program = (
        "import os\n"
        "def f(paths):\n"
        "    seen = []\n"
        "    for path in paths:\n"
        "        try: seen += os.listdir(path) if os.path.isdir(path) else [open(path).read()]\n"
        "        except OSError: pass\n"
        "    return seen\n"
    )
    outcome = run(program, (([str(path) for path in secrets],), []))
    assert outcome.resolved, outcome.message


def test_nothing_of_ours_can_be_imported(run: Run) -> None:
    program = (
        "import importlib, sys\n"
        "def f(names):\n"
        "    found = [name for name in names if name in sys.modules]\n"
        "    for name in names:\n"
        "        try: importlib.import_module(name); found.append(name)\n"
        "        except ImportError: pass\n"
        "    return found\n"
    )
    names = ["hrmgym", "hrmgym.envs.sandboxes.inside.values", "numpy", "pydantic", "pip"]
    assert run(program, ((names,), [])).resolved


def test_nothing_is_left_for_the_next_run(run: Run) -> None:
    program = (
        "import os, sys\n"
        "def f(x):\n"
        "    seen = os.listdir('/tmp'), os.listdir('.'), os.umask(0), getattr(os, 'mark', 0)\n"
        "    for path in ('/tmp/left', 'left', '/dev/shm/left'): open(path, 'w').close()\n"
        "    os.mkfifo('pipe'); os.symlink('/etc', 'link'); os.makedirs('a/' * 200)\n"
        "    os.mark = 1\n"
        "    return seen\n"
    )
    for _ in range(2):
        assert run(program, ((1,), ([], ["f.py"], 0o22, 0))).resolved
