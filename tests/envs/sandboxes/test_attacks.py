"""Programs that attack their sandbox. None may win, and each must leave the sandbox usable.

An attack either returns what it saw, and the test expects what a sandbox should let it see; or it
does harm, and the test looks at the outcome. The honest program runs after every one of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hrmgym
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallTests, Limits, Outcome

Make = Callable[..., CallTests]
Attack = Callable[..., Outcome]

HONEST = "def f(x):\n    return x * 2\n"


@pytest.fixture
def attack(sandbox: Sandbox, calls: Make, quick: Limits) -> Iterator[Attack]:
    """Runs a program against f(1) == 2 or what it is told, and an honest program afterwards."""

    def run(program: str, *pairs: tuple[tuple[object, ...], object], **limits: float) -> Outcome:
        tests = calls(*(pairs or [((1,), 2), ((2,), 4), ((3,), 6)]))
        return sandbox.run_tests({"f.py": program}, tests, replace(quick, **limits))

    yield run
    after = sandbox.run_tests({"f.py": HONEST}, calls(((1,), 2), (("ab",), "abab")), quick)
    assert after.resolved, after.message


def statuses(outcome: Outcome) -> list[str]:
    return [str(status) for status in outcome.tests.values()]


# --- time, memory, disk, processes ---


def test_endless_loop(attack: Attack) -> None:
    outcome = attack("def f(x):\n    while True: pass\n")
    assert statuses(outcome) == ["timeout"] * 3
    assert outcome.message == "f(1) timed out"
    assert outcome.wall_s < 5


def test_endless_loop_while_loading(attack: Attack) -> None:
    assert statuses(attack("while True: pass\n")) == ["timeout"] * 3


def test_sleeping_for_ever(attack: Attack) -> None:
    program = "import time\ndef f(x):\n    time.sleep(1000)\n"
    assert statuses(attack(program, wall_s=0.5)) == ["timeout"] * 3


def test_ignoring_signals(attack: Attack) -> None:
    program = (
        "import signal\n"
        "for number in signal.valid_signals() - {9, 19}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "signal.setitimer(signal.ITIMER_PROF, 0)\n"
        "def f(x):\n    while True: pass\n"
    )
    assert statuses(attack(program, wall_s=1.0)) == ["timeout"] * 3


def test_memory_hog(attack: Attack) -> None:
    outcome = attack("def f(x):\n    return len(bytearray(1 << 30))\n", ((1,), 1 << 30))
    assert outcome.message == "f(1) raised MemoryError (line 2)"


def test_memory_of_many_children_is_limited_too(attack: Attack) -> None:
    program = (
        "import os\n"
        "def f(x):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try: bytearray(1 << 30)\n"
        "        except MemoryError: os._exit(5)\n"
        "        os._exit(0)\n"
        "    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
    )
    assert attack(program, ((1,), 5)).resolved


@pytest.mark.parametrize("folder", ["", "/tmp/"])
def test_disk_hog(attack: Attack, folder: str) -> None:
    program = (
        "def f(folder):\n"
        "    written = 0\n"
        "    try:\n"
        "        for i in range(100):\n"
        "            with open(f'{folder}big{i}', 'wb') as file:\n"
        "                written += file.write(bytes(1 << 20))\n"
        "    except OSError:\n"
        "        return written <= 8 << 20\n"
    )
    assert attack(program, ((folder,), True)).resolved


def test_many_small_files(attack: Attack) -> None:
    program = (
        "def f(x):\n"
        "    try:\n"
        "        for i in range(10 ** 6): open(f'/tmp/{i}', 'w').close()\n"
        "    except OSError:\n"
        "        return 'full'\n"
    )
    assert attack(program, ((1,), "full"), cpu_s=4, wall_s=15).resolved


def test_large_single_file(attack: Attack) -> None:
    program = (
        "import os\n"
        "def f(x):\n"
        "    try: os.truncate(os.open('/tmp/a', os.O_CREAT | os.O_WRONLY), 1 << 40)\n"
        "    except OSError as error: return error.errno\n"
    )
    assert attack(program, ((1,), 27)).resolved  # EFBIG


def test_fork_bomb(attack: Attack, running: Callable[[str], bool]) -> None:
    program = (
        "import os\n"
        "def f(x):\n"
        "    while True:\n"
        "        try: os.fork()\n"
        "        except OSError: pass\n"
    )
    assert statuses(attack(program, cpu_s=30, wall_s=0.7)) == ["timeout"] * 3


def test_number_of_processes(attack: Attack) -> None:
    program = (
        "import os, time\n"
        "def f(x):\n"
        "    count = 0\n"
        "    try:\n"
        "        while count < 1000:\n"
        "            if os.fork() == 0: time.sleep(100)\n"
        "            count += 1\n"
        "    except BlockingIOError: pass\n"
        "    return 10 <= count <= 16\n"
    )
    assert attack(program, ((1,), True)).resolved


def test_threads_count_as_processes(attack: Attack) -> None:
    program = (
        "import threading, time\n"
        "def f(x):\n"
        "    try:\n"
        "        for i in range(1000):\n"
        "            threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
        "    except RuntimeError: return i <= 16\n"
    )
    assert attack(program, ((1,), True)).resolved


def test_daemons_do_not_outlive_the_run(attack: Attack, running: Callable[[str], bool]) -> None:
    program = (
        "import os, time\n"
        "def f(x):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            os.setsid()\n"
        "            os.execvp('sleep', ['sleep', '4711.4711'])\n"
        "        os._exit(0)\n"
        "    time.sleep(0.05)\n"
        "    return x * 2\n"
    )
    outcome = attack(program)
    assert outcome.resolved
    assert outcome.wall_s < 4  # nobody waits for the daemon, which holds the pipe of the answers
    assert not running("4711.4711")


# --- ends and errors ---


@pytest.mark.parametrize("code", [0, 3])
def test_early_exit_of_the_process(attack: Attack, code: int) -> None:
    outcome = attack(f"import os\ndef f(x):\n    os._exit({code})\n")
    assert statuses(outcome) == ["error", "missing", "missing"]
    assert outcome.message == f"f(1) ended its process with exit code {code}"


@pytest.mark.parametrize("error", ["SystemExit(0)", "KeyboardInterrupt()", "GeneratorExit()"])
def test_exceptions_that_are_no_errors(attack: Attack, error: str) -> None:
    assert statuses(attack(f"def f(x):\n    raise {error}\n")) == ["failed"] * 3


def test_recursion(attack: Attack) -> None:
    outcome = attack("def f(x):\n    return f(x)\n")
    assert outcome.message.startswith("f(1) raised RecursionError")


def test_crash_of_the_interpreter(attack: Attack) -> None:
    outcome = attack("import ctypes\ndef f(x):\n    ctypes.string_at(0)\n")
    assert statuses(outcome) == ["error", "missing", "missing"]
    assert outcome.message == "f(1) was killed by SIGSEGV"


def test_exception_with_a_hostile_text(attack: Attack) -> None:
    program = (
        "class E(Exception):\n"
        "    def __str__(self): raise SystemExit\n"
        "E.__name__ = 'x' * 100000\n"
        "def f(x):\n    raise E\n"
    )
    outcome = attack(program)
    assert statuses(outcome) == ["failed"] * 3
    assert len(outcome.message) <= 300


# --- lies ---


def test_object_that_equals_everything(attack: Attack) -> None:
    program = (
        "class E:\n"
        "    def __eq__(self, other): return True\n"
        "    __hash__ = object.__hash__\n"
        "class N(int):\n"
        "    def __eq__(self, other): return True\n"
        "    __hash__ = int.__hash__\n"
        "def f(x):\n    return [E(), N(7), [E()]][x - 1]\n"
    )
    assert statuses(attack(program)) == ["failed"] * 3


@pytest.mark.parametrize(
    "line", ['["ok",true]', '["passed"]', "[", "x" * 100_000, '["ok",{"o":""}]']
)
def test_forged_replies_on_every_descriptor(attack: Attack, line: str) -> None:
    program = (
        "import os\n"
        "def f(x):\n"
        "    for fd in range(3, 256):\n"
        f"        try: os.write(fd, {line!r}.encode() * 1 + b'\\n')\n"
        "        except OSError: pass\n"
        "    os._exit(0)\n"
    )
    assert not any(status == "passed" for status in statuses(attack(program)))


def test_flood_of_replies(attack: Attack) -> None:
    program = "import os\ndef f(x):\n    while True: os.write(3, b'x' * 65536)\n"
    assert not attack(program, wall_s=1.0).passed


def test_patched_builtins(attack: Attack) -> None:
    program = (
        "import builtins, json, sys\n"
        "def f(x):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for name in ('encode', '_encode', 'same'):\n"
        "            if name in frame.f_globals: frame.f_globals[name] = lambda *a, **k: True\n"
        "        frame = frame.f_back\n"
        "    builtins.len = builtins.type = builtins.isinstance = lambda *a: True\n"
        "    json.dumps = lambda *a, **k: '[\"ok\",true]'\n"
        "    return 0\n"
    )
    assert not attack(program).passed


def test_huge_output_and_huge_results(attack: Attack) -> None:
    assert attack("def f(x):\n    print('x' * 50_000_000)\n    return x * 2\n").resolved
    outcome = attack("def f(x):\n    return 'x' * 1_000_000\n")
    assert outcome.message == "f(1) returned <too large>, expected 2"


def test_endless_iterator(sandbox: Sandbox, calls: Make, quick: Limits) -> None:
    tests = calls(((1,), [1, 1]), consume=True)
    files = {"f.py": "import itertools\ndef f(x):\n    return itertools.repeat(x)\n"}
    outcome = sandbox.run_tests(files, tests, quick)
    assert outcome.message == "f(1) returned <too large>, expected [1, 1]"


# --- what can be seen and reached ---


def test_no_file_of_the_host_that_matters(attack: Attack, tmp_path: Path) -> None:
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
    outcome = attack(program, (([str(path) for path in secrets],), []))
    assert outcome.resolved, outcome.message


def test_nothing_of_ours_can_be_imported(attack: Attack) -> None:
    program = (
        "import importlib, sys\n"
        "def f(names):\n"
        "    found = [name for name in names if name in sys.modules]\n"
        "    for name in names:\n"
        "        try: importlib.import_module(name); found.append(name)\n"
        "        except ImportError: pass\n"
        "    return found\n"
    )
    names = ["hrmgym", "hrmgym.envs.sandboxes.values", "numpy", "pydantic", "pip"]
    assert attack(program, ((names,), [])).resolved


def test_no_process_of_the_host(attack: Attack) -> None:
    program = (
        "import os\n"
        "def f(host):\n"
        "    pids = sorted(int(p) for p in os.listdir('/proc') if p.isdigit())\n"
        "    lines = [open(f'/proc/{p}/cmdline').read().strip(chr(0)) for p in pids]\n"
        "    return len(pids), lines[0], os.getpid() < 1000 or host != os.getpid()\n"
    )
    assert attack(program, ((os.getpid(),), (2, "sandbox", True))).resolved


def test_killing_the_parent_and_everybody(attack: Attack) -> None:
    program = (
        "import os, signal\n"
        "def f(x):\n"
        "    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGTERM):\n"
        "        for target in (os.getppid(), 1):\n"
        "            try: os.kill(target, number)\n"
        "            except PermissionError: pass\n"
        "    return x * 2\n"
    )
    assert attack(program).resolved


def test_no_network(attack: Attack) -> None:
    program = (
        "import socket\n"
        "def f(host, port):\n"
        "    names = [name for _, name in socket.if_nameindex()]\n"
        "    try: socket.create_connection((host, port), 1)\n"
        "    except OSError as error: return type(error).__name__, names\n"
        "    return 'connected', names\n"
    )
    outcome = attack(
        program, (("1.1.1.1", 80), ("OSError", ["lo"])), (("127.0.0.1", 22), ("OSError", ["lo"]))
    )
    assert outcome.resolved, outcome.message


def test_host_sockets_cannot_be_reached(attack: Attack, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as named:
        abstract.bind("\0hrmgym-test-of-sandboxes")
        abstract.listen()
        named.bind(str(tmp_path / "s"))
        named.listen()
        program = (
            "import socket\n"
            "def f(path):\n"
            "    try: socket.socket(socket.AF_UNIX).connect(path)\n"
            "    except OSError: return 'refused'\n"
        )
        pairs = [(("\0hrmgym-test-of-sandboxes",), "refused"), ((str(tmp_path / "s"),), "refused")]
        assert attack(program, *pairs).resolved


def test_no_power(attack: Attack) -> None:
    program = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "def f(x):\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    status = dict(line.split(':\\t') for line in lines)\n"
        "    tried = [libc.unshare(flag) for flag in (0x10000000, 0x00020000, 0x20000000)]\n"
        "    tried += [libc.mount(b'x', b'/tmp', b'tmpfs', 0, None), libc.chroot(b'/tmp')]\n"
        "    tried += [libc.setuid(0), libc.ptrace(16, 1, 0, 0), libc.umount2(b'/proc', 2)]\n"
        "    caps = {k: int(v, 16) for k, v in status.items() if k.startswith('Cap')}\n"
        "    return set(tried), set(caps.values()), status['NoNewPrivs'], os.getuid()\n"
    )
    assert attack(program, ((1,), ({-1}, {0}, "1", 1000))).resolved


def test_nothing_outside_the_scratch_space_can_be_written(attack: Attack) -> None:
    program = (
        "import os, sys\n"
        "def f(paths):\n"
        "    done = []\n"
        "    for path in [*paths, os.path.dirname(os.__file__) + '/x.py', sys.executable]:\n"
        "        try: open(path, 'w'); done.append(path)\n"
        "        except OSError: pass\n"
        "    return done\n"
    )
    paths = ["/x", "/usr/x", "/etc/passwd", "/opt/x", "/dev/x", "/proc/sys/kernel/core_pattern"]
    paths += ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/1/oom_score_adj"]
    assert attack(program, ((paths,), [])).resolved


def test_descriptors_of_the_sandbox_are_closed(attack: Attack) -> None:
    program = (
        "import os\n"
        "def f(x):\n"
        "    found = []\n"
        "    for fd in range(1024):\n"
        "        try: os.fstat(fd); found.append(fd)\n"
        "        except OSError: pass\n"
        "    return found\n"
    )
    assert attack(program, ((1,), [0, 1, 2, 3])).resolved


def test_limits_cannot_be_raised(attack: Attack) -> None:
    program = (
        "import resource\n"
        "def f(x):\n"
        "    for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC):\n"
        "        try: resource.setrlimit(which, (-1, -1)); return 'raised'\n"
        "        except (PermissionError, ValueError): pass\n"
        "    return 'held'\n"
    )
    assert attack(program, ((1,), "held")).resolved


def test_lowering_the_limits_of_the_server_hits_no_later_run(attack: Attack) -> None:
    program = (
        "import resource\n"
        "def f(x):\n"
        "    for which in range(16):\n"
        "        try: resource.prlimit(1, which, (1, 1))\n"
        "        except (PermissionError, ValueError): pass\n"
        "    return x * 2\n"
    )
    attack(program)


def test_nothing_is_left_for_the_next_run(attack: Attack) -> None:
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
        assert attack(program, ((1,), ([], ["f.py"], 0o22, 0))).resolved
