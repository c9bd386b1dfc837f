"""The synchronous handle: its life, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallTests, CommandTests, Limits
from hrmgym.errors import SandboxError

Make = Callable[..., CallTests]
DOUBLE = {"f.py": "def f(x):\n    return x * 2\n"}


def children(pid: int) -> set[int]:
    """All processes below `pid`."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            rest = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(rest[1])
    found: set[int] = set()
    while more := {p for p, above in parents.items() if above in found | {pid}} - found:
        found |= more
    return found


def kill_all(processes: set[int]) -> None:
    """SIGKILL to each; the death of one may be the death of another."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def descriptors() -> set[str]:
    """This process's open files."""
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{path.name}:{path.readlink()}")
        except OSError:
            continue  # the one that lists them
    return found


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within a minute."""
    for _ in range(6000):
        if condition():
            return True
        time.sleep(0.01)
    return False


# --- what it does ---


def test_workspace_and_session(sandbox: Sandbox) -> None:
    sandbox.put_files({"src/a.py": "print('a')\n", "data": b"\xff"})
    assert sandbox.run_command("cd src && python a.py && echo x > new") == ("a\n", 0)
    assert sandbox.run_command("pwd") == ("/workspace/src\n", 0)
    assert sandbox.get_files() == {"data": b"\xff", "src/a.py": b"print('a')\n", "src/new": b"x\n"}
    sandbox.put_files({"only": "1"})
    assert sandbox.get_files() == {"only": b"1"}
    assert sandbox.run_command("cd /workspace; ls") == ("only\n", 0)


def test_command_out_of_time(sandbox: Sandbox) -> None:
    output, code = sandbox.run_command("x=1; echo started; sleep 100", timeout_s=0.3)
    assert code == 124
    assert output.startswith("started\n")
    assert output.endswith("[killed after 0.3 s]\n")
    assert sandbox.run_command("echo $x") == ("1\n", 0)


def test_shell_that_is_gone_is_replaced(sandbox: Sandbox) -> None:
    assert sandbox.run_command("cd /; exit 5") == ("", 5)
    assert sandbox.run_command("pwd") == ("/workspace\n", 0)
    assert sandbox.run_command("trap '' INT; while :; do sleep 0.01; done", 0.2)[1] == 124
    assert sandbox.run_command("pwd") == ("/workspace\n", 0)


def test_syntax_error_is_an_ordinary_failure(sandbox: Sandbox) -> None:
    output, code = sandbox.run_command("if true; then")
    assert code == 2
    assert "unexpected end of file" in output


def test_tests_do_not_touch_the_workspace(sandbox: Sandbox, calls: Make, quick: Limits) -> None:
    sandbox.put_files({"mine": "1"})
    assert sandbox.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
    tests = CommandTests(command=("sh", "-c", "ls -A . /tmp; exit 1"))
    assert sandbox.run_tests(DOUBLE, tests, quick).message == "/tmp:"
    assert sandbox.get_files() == {"mine": b"1"}


def test_test_runs_leave_nothing_for_the_next(sandbox: Sandbox, quick: Limits) -> None:
    litter = CommandTests(command=("sh", "-c", "touch x /tmp/x; setsid -f sleep 4716"))
    assert sandbox.run_tests({}, litter, quick).resolved
    look = CommandTests(command=("sh", "-c", 'test -z "$(ls -A . /tmp | grep x; pgrep sleep)"'))
    assert sandbox.run_tests({}, look, quick).resolved


def test_size_of_the_scratch_space_follows_the_limits(sandbox: Sandbox, quick: Limits) -> None:
    script = "for i in 1 2 3; do head -c 1000000 /dev/zero > $i || exit 1; done"
    fill = CommandTests(command=("sh", "-c", script))
    assert sandbox.run_tests({}, fill, replace(quick, file_mb=4)).resolved
    assert not sandbox.run_tests({}, fill, replace(quick, file_mb=2)).resolved


def test_from_many_threads(sandbox: Sandbox, calls: Make, quick: Limits) -> None:
    outcomes = []

    def work(factor: int) -> None:
        files = {"f.py": f"def f(x):\n    return x * {factor}\n"}
        for _ in range(5):
            outcomes.append(sandbox.run_tests(files, calls(((3,), 3 * factor)), quick).resolved)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 30


# --- its life ---


def test_nothing_starts_before_it_is_needed_and_nothing_is_left(calls: Make, quick: Limits) -> None:
    with Sandbox() as warm:  # the loop's thread stays
        warm.run_command("true")
    processes, before = children(os.getpid()), descriptors()
    with Sandbox() as made:
        assert children(os.getpid()) == processes
        made.run_tests(DOUBLE, calls(((2,), 4)), quick)
        made.run_command("setsid -f sleep 4717")
        assert len(children(os.getpid())) > len(processes)
    assert children(os.getpid()) == processes
    assert descriptors() == before


def test_it_can_be_used_again_after_close(calls: Make, quick: Limits) -> None:
    made = Sandbox()
    for _ in range(2):
        assert made.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
        made.close()
    made.close()


def test_dead_guest_is_replaced(calls: Make, quick: Limits) -> None:
    others = children(os.getpid())
    with Sandbox() as made:
        assert made.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
        kill_all(children(os.getpid()) - others)
        assert made.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
        assert made.run_command("echo up") == ("up\n", 0)
        kill_all(children(os.getpid()) - others)
        assert made.run_tests({}, CommandTests(command=("true",)), quick).resolved
        made.put_files({"x": ""})
        assert made.run_command("ls") == ("x\n", 0)


def test_lost_workspace_is_not_passed_over_in_silence() -> None:
    others = children(os.getpid())
    with Sandbox() as made:
        made.put_files({"x": ""})
        kill_all(children(os.getpid()) - others)
        with pytest.raises(SandboxError, match="sandbox has ended"):
            made.get_files()
        assert made.get_files() == {}


def test_a_sandbox_that_nobody_has_any_more_is_ended(calls: Make, quick: Limits) -> None:
    with Sandbox() as warm:
        warm.run_command("true")
    processes = children(os.getpid())
    made = Sandbox()
    assert made.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
    made.run_command("true")
    assert children(os.getpid()) != processes
    del made
    assert wait_until(lambda: children(os.getpid()) == processes)


def test_fresh_runs_see_nothing_of_each_other(calls: Make, quick: Limits) -> None:
    with Sandbox() as made:
        for _ in range(3):
            assert made.run_tests(DOUBLE, calls(((2,), 4)), quick, fresh=True).resolved
            assert not made.run_tests(DOUBLE, calls(((2,), 5)), quick, fresh=True).resolved
        count = {"f.py": "import os\ndef f(): return os.getpid()\n"}  # in its own namespace

        def seen(*, fresh: bool) -> set[str]:
            tests = calls(((), 0))
            return {made.run_tests(count, tests, quick, fresh=fresh).message for _ in range(3)}

        assert len(seen(fresh=True)) == 1  # always the first one
        assert len(seen(fresh=False)) == 3


def test_from_a_thread_that_runs_an_event_loop(
    sandbox: Sandbox, calls: Make, quick: Limits
) -> None:
    async def cell() -> bool:
        return sandbox.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved

    assert asyncio.run(cell())


def test_command_on_files_is_made_again_when_its_guest_is_lost() -> None:
    with Sandbox() as made:
        assert made.run_command_in({"a": "1"}, "cat a; echo 2 >> a") == ("1", 0)
        kill_all(children(os.getpid()) - {os.getpid()})
        assert made.run_command_in({"a": "1"}, "cat a; ls") == ("1a\n", 0)
        assert made.run_command_in({}, "kill -9 $BASHPID")[1] == -9
        assert made.counts.retried >= 2


# --- the end of the process ---

_SCRIPT = """
import os, signal, sys
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.pool import acquire, release
from hrmgym.envs.task import CallCase, CallTests, Limits

case = CallCase(id="a", args=(2,), expected=4)
tests = CallTests(path="f.py", function="f", cases=(case,))
def check(sandbox):
    files = {"f.py": "def f(x): return x * 2"}
    assert sandbox.run_tests(files, tests, Limits()).resolved
    assert sandbox.run_command("setsid -f sleep " + sys.argv[1] + "; echo x") == ("x\\n", 0)
sandbox = Sandbox()
check(sandbox)
pool = acquire()
pool.run_tests({"f.py": ""}, tests, Limits())
"""


def run_script(tail: str, mark: str) -> tuple[int, str, subprocess.Popen[str]]:
    """Run the script; exit code, error output, and the process, whose input is still open."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _SCRIPT + tail, mark],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    return process.wait(120), said, process


@pytest.fixture
def ended(running: Callable[[str], bool]) -> Callable[[str], bool]:
    """Whether the daemon with this mark has ended, or does so soon."""
    return lambda mark: wait_until(lambda: not running(f"sleep {mark}"))


def test_nothing_outlives_an_interpreter_that_forgot_to_close(
    ended: Callable[[str], bool],
) -> None:
    code, said, process = run_script("", "4718.1")
    assert (code, said) == (0, "")
    assert ended("4718.1")
    process.communicate()


def test_nothing_outlives_a_killed_interpreter(ended: Callable[[str], bool]) -> None:
    code, _, process = run_script("os.kill(os.getpid(), signal.SIGKILL)", "4718.2")
    assert code == -signal.SIGKILL
    assert ended("4718.2")
    process.communicate()


def test_nothing_outlives_a_killed_interpreter_whose_fork_lives_on(
    ended: Callable[[str], bool],
) -> None:
    tail = """
if os.fork() == 0:
    os.close(2)
    sys.stdin.read()  # until the test closes it
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    code, _, process = run_script(tail, "4718.3")
    assert code == -signal.SIGKILL
    assert ended("4718.3")
    process.communicate()


def test_forked_process_gets_sandboxes_of_its_own(ended: Callable[[str], bool]) -> None:
    tail = """
pid = os.fork()
if pid == 0:
    check(sandbox)
    check(Sandbox())
    pool.run_tests({"f.py": ""}, tests, Limits())
    release(pool)
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
check(sandbox)
sandbox.close()
release(pool)
"""
    code, said, process = run_script(tail, "4718.4")
    assert (code, said) == (0, "")
    assert ended("4718.4")
    process.communicate()
