"""What fails on our side has a reason code, and is never a verdict."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from hrmgym.envs.sandboxes import failures
from hrmgym.envs.sandboxes.confinement import cgroups
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.inside import calls, runs, wire
from hrmgym.envs.sandboxes.local.bench import LocalBench
from hrmgym.envs.sandboxes.retries import MOST_FAILURES, Counts, Lost, Retries
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    FailureCode,
    Limits,
    PytestTests,
    Status,
    StdioCase,
    StdioTests,
    TestSpec,
)
from hrmgym.errors import SandboxError, SandboxUnavailableError

CODES = {
    errno.EMFILE: FailureCode.DESCRIPTORS,
    errno.ENFILE: FailureCode.DESCRIPTORS,
    errno.ENOSPC: FailureCode.DISK,
    errno.EDQUOT: FailureCode.DISK,
    errno.EIO: FailureCode.DISK,
    errno.EROFS: FailureCode.DISK,
    errno.EAGAIN: FailureCode.PROCESSES,
    errno.ENOMEM: FailureCode.HOST_MEMORY,
    errno.EPIPE: FailureCode.LOST_CONNECTION,
    errno.ECONNRESET: FailureCode.LOST_CONNECTION,
    errno.EPERM: FailureCode.INTERNAL,
}


@pytest.mark.parametrize("number", CODES)
def test_an_error_of_the_system_is_tried_again_and_then_has_its_code(number: int) -> None:
    counts, made, replaced = Counts(), [], []

    def attempt() -> NoReturn:
        made.append(1)
        raise OSError(number, os.strerror(number))

    retries = Retries(lambda: replaced.append(1), lambda: True, counts)
    with pytest.raises(Lost) as error:
        retries.persist(attempt, lambda _: False)
    assert error.value.code is CODES[number]
    assert len(made) == len(replaced) == MOST_FAILURES
    assert counts == Counts(runs=1, retried=MOST_FAILURES - 1, failed=1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), FailureCode.HOST_MEMORY),
        (RuntimeError("can't start new thread"), FailureCode.PROCESSES),
        (SandboxError("the sandbox did not start", "sandbox_start"), FailureCode.SANDBOX_START),
    ],
)
def test_so_is_want_of_memory_threads_and_a_start(error: Exception, code: FailureCode) -> None:
    results: list[Exception | str] = [error, error, "good"]

    def attempt() -> str:
        result = results.pop(0)
        if isinstance(result, str):
            return result
        raise result

    def once_more_than_allowed() -> NoReturn:
        raise error

    retries = Retries(lambda: None, lambda: True, Counts())
    assert retries.persist(attempt, lambda _: False) == "good"
    with pytest.raises(Lost) as lost:
        retries.persist(once_more_than_allowed, lambda _: False)
    assert lost.value.code is code


@pytest.mark.parametrize("error", [SandboxUnavailableError("no"), SandboxError("no"), KeyError()])
def test_what_is_no_failure_of_the_machine_is_told_at_once(error: Exception) -> None:
    def attempt() -> NoReturn:
        raise error

    with pytest.raises(type(error)):
        Retries(lambda: None, lambda: True, Counts()).persist(attempt, lambda _: False)


# --- the real thing ------------------------------------------------------------------------------

#: Runs every kind of tests with fewer and fewer descriptors to spare, and then with enough.
_FEW_FILES = """
import json, os, resource, sys
from hrmgym.envs.sandboxes import retries
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.tests.hostwork import KINDS, RIGHT
from hrmgym.envs.task import Limits

retries._PAUSE_S = 0.0
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
found = {}
with Sandbox() as sandbox:
    for name, (tests, _) in KINDS.items():
        for spare in (0, 1, 2, 3, 5, 8, 13):
            top = max(map(int, os.listdir("/proc/self/fd")))
            resource.setrlimit(resource.RLIMIT_NOFILE, (top + spare, hard))
            fresh = spare % 2 > 0
            try:
                outcome = sandbox.run_tests({"solution.py": RIGHT}, tests, Limits(), fresh=fresh)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            found[f"{name} {spare}"] = [outcome.resolved, outcome.failure]
        outcome = sandbox.run_tests({"solution.py": RIGHT}, tests, Limits())
        found[f"{name} enough"] = [outcome.resolved, outcome.failure]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_without_descriptors_there_is_a_code_and_no_verdict() -> None:
    command = [sys.executable, "-c", _FEW_FILES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    found = json.loads(done.stdout or "null")
    assert found, done.stderr[-2000:]
    for name, (resolved, failure) in found.items():
        assert resolved or failure == "descriptors", (name, found)
        assert resolved or not name.endswith("enough"), (name, found)
    assert any(not resolved for resolved, _ in found.values())


SMALL = Limits(file_mb=1)
UNFIT: dict[str, dict[str, str]] = {
    "too large": {"f.py": "def f(x): return x", "big": "x" * (3 << 20)},
    "too many": {"f.py": "def f(x): return x", **{f"a/{i}": "x" for i in range(600)}},
    "name too long": {"f.py": "def f(x): return x", "a" * 300: ""},
}
KINDS: dict[str, TestSpec] = {
    "calls": CallTests(path="f.py", function="f", cases=(CallCase(id="c", args=(1,), expected=1),)),
    "stdio": StdioTests(path="f.py", cases=(StdioCase(id="c", stdin="", expected=""),)),
    "apart": PytestTests(
        files={"test_a.py": "from f import f\ndef test(): assert f(1) == 1\n"},
        ids=("test_a.py::test",),
    ),
    "together": PytestTests(
        files={"test_a.py": "from f import f\ndef test(): assert f(1) == 1\n"},
        ids=("test_a.py::test",),
        together=True,
    ),
    "command": CommandTests(command=("true",)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", UNFIT)
def test_files_that_cannot_be_written_are_their_own_fault(
    sandbox: Sandbox, name: str, kind: str
) -> None:
    """An agent could write them to be spared a verdict."""
    tests = KINDS[kind]
    outcome = sandbox.run_tests(UNFIT[name], tests, SMALL)
    assert outcome.failure is None
    assert set(outcome.tests.values()) == {Status.ERROR}, outcome.message
    right = {"f.py": "def f(x): return x"}
    assert sandbox.run_tests(right, tests, SMALL).resolved


def start(become: Callable[[], None], act: Callable[..., NoReturn], root: str) -> runs.Start:
    """A child that is started like a run's, and has ended."""
    begun = runs.Start()
    request = {"files": {"a": "1"}, "limits": {"file_mb": 1}}
    out, into = os.pipe()
    os.waitpid(begun.fork(request, root, become, into, act), 0)
    os.close(out)
    os.close(into)
    return begun


def end(*_: Any) -> NoReturn:
    os._exit(0)


def fail(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAGAIN, errno.ENOMEM, errno.EPERM])
def test_a_run_that_does_not_begin_says_why(number: int, tmp_path: Any) -> None:
    with pytest.raises(OSError, match=os.strerror(number)) as error:
        start(lambda: fail(number), end, str(tmp_path)).check()
    assert error.value.errno == number


def test_what_foreign_code_says_afterwards_is_not_believed(tmp_path: Any) -> None:
    def forge(*_: Any) -> NoReturn:
        raise OSError(errno.EMFILE, "not true")

    start(lambda: None, end, str(tmp_path)).check()
    start(lambda: None, forge, str(tmp_path)).check()


def test_a_run_that_was_killed_before_it_began_is_no_run(tmp_path: Any) -> None:
    with pytest.raises(OSError, match="did not begin"):
        start(lambda: os.kill(os.getpid(), 9), end, str(tmp_path)).check()


def test_descriptors_that_find_no_room_are_an_error() -> None:
    ours, theirs = socket.socketpair()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ours, theirs:
        socket.send_fds(ours, [wire.pack({})], [0, 1, 2])
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # those three are in use
        try:
            with pytest.raises(OSError, match="Too many open files"):
                wire.receive(theirs)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class _Reading:
    """A runtime whose files cannot be read."""

    def __init__(self, number: int) -> None:
        self._number = number

    async def read_file(self, request: object) -> NoReturn:
        fail(self._number)


@pytest.mark.parametrize(
    ("number", "raised"),
    [
        (errno.ENOENT, False),
        (errno.EACCES, False),
        (errno.EISDIR, False),
        (errno.EMFILE, True),
        (errno.ENFILE, True),
        (errno.EIO, True),
        (errno.ENOMEM, True),
    ],
)
def test_a_report_that_cannot_be_read_for_want_of_something_is_not_an_empty_one(
    number: int, raised: bool
) -> None:
    reading = LocalBench(_Reading(number), "/", "")  # type: ignore[arg-type]
    if not raised:
        assert asyncio.run(reading.read("report")) == ""
        return
    with pytest.raises(OSError, match=os.strerror(number)):
        asyncio.run(reading.read("report"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EAGAIN, errno.EMFILE, errno.ENOMEM])
def test_a_group_that_cannot_be_made_just_now_is_an_error(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = cgroups._Process()
    process._numbers = itertools.count(1000)  # other names than those of this process's groups
    first = process.take()
    if first is None:
        pytest.skip("no control groups here")
    monkeypatch.setattr(cgroups, "Group", lambda *_: fail(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        process.take()  # without one, the next run would have other limits
    process.give_back(first)


def test_codes_of_exceptions() -> None:
    assert failures.code_of(ValueError()) is FailureCode.INTERNAL
    assert calls.line("bad") == b'["bad"]\n'
