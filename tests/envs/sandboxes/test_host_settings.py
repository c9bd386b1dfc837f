"""The table in docs/sandbox.md of settings that a host may have: each row is tried as it stands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import hrmgym.tests
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallCase, CallTests, Limits, Status

_DOCS = Path(__file__).parents[3] / "docs" / "sandbox.md"
_ROW = re.compile(
    r"^\| (?P<name>[^|]+) \| `(?P<shell>[^`]+)` \| (?P<result>[^|]+) \|$", re.MULTILINE
)
_WORK = Path(hrmgym.tests.__file__).parent / "hostwork.py"
#: Rows that every test run tries; the others take minutes together.
_QUICK = ("umask 077", "ulimit -n 64", "exec 0<&- 1>&- 2>&-")
#: Commands that root alone can give.
_ROOT = re.compile(r"\b(mount|setpriv)\b")


@dataclass(frozen=True)
class Row:
    """One setting."""

    name: str
    shell: str
    """What sets it, in bash, before the program starts; `"$@"` stands for the program."""
    result: str
    """`right verdicts`, or `error: ` and a part of the message."""


def rows() -> list[Row]:
    """The table."""
    section = _DOCS.read_text("utf-8").partition("## Settings of the machine")[2]
    return [Row(**match.groupdict()) for match in _ROW.finditer(section.partition("\n## ")[0])]


def marked(row: Row) -> object:
    quick = row.shell in _QUICK
    marks = [pytest.mark.slow if quick else pytest.mark.nightly]
    if _ROOT.search(row.shell):
        marks.append(pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))
    return pytest.param(row, id=row.shell[:60], marks=marks)


def run(shell: str) -> str:
    """What hostwork.py says under a setting."""
    out, into = os.pipe()
    command = ["bash", "-c", f'{shell}\nexec "$@"', "bash", sys.executable, str(_WORK), str(into)]
    if _ROOT.search(shell):
        command = ["unshare", "-m", "--propagation", "private", *command]
    try:
        done = subprocess.run(
            command, pass_fds=[into], capture_output=True, timeout=300, check=False
        )
    finally:
        os.close(into)
    with os.fdopen(out, "rb") as file:
        said = file.read().decode()
    return said or f"nothing, but {done.stderr.decode(errors='replace')[-800:]}"


def test_the_table_is_there() -> None:
    found = rows()
    assert len(found) > 40
    assert {row.result.partition(":")[0] for row in found} == {"right verdicts", "error"}
    assert set(_QUICK) <= {row.shell for row in found}


@pytest.mark.parametrize("row", [marked(row) for row in rows()])
def test_a_setting_of_the_host(row: Row) -> None:
    said = run(row.shell)
    if row.result == "right verdicts":
        assert said == "right"
    else:
        assert said.startswith("error: ")
        assert row.result.removeprefix("error: ").strip('\u201c\u201d"') in said


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGPROF, signal.SIGCHLD, signal.SIGALRM, signal.SIGINT])
def test_a_blocked_signal_changes_no_verdict(number: signal.Signals) -> None:
    """A mask is inherited by what this process starts; no shell can set one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        assert run("true") == "right"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_blocked_timer_signal_still_ends_an_endless_loop() -> None:
    cases = (CallCase(id="a", args=(1,), expected=1),)
    tests = CallTests(path="f.py", function="f", cases=cases)
    limits = Limits(cpu_s=0.2, wall_s=30)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])
    try:
        with Sandbox() as sandbox:
            loop = {"f.py": "def f(x):\n    while True: pass\n"}
            outcome = sandbox.run_tests(loop, tests, limits)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert outcome.tests == {"a": Status.TIMEOUT}
    assert outcome.wall_s < limits.wall_s
