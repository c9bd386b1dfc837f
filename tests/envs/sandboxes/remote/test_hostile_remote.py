"""The hostile ends, files and names of `tests/hostile.py`, in a machine that SWE-ReX reaches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hrmgym.envs.sandboxes.config import RemoteSandboxConfig
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallCase, CallTests, Limits, StdioCase, StdioTests, TestSpec
from hrmgym.envs.workspace import Files
from hrmgym.tests.hostile import CODES, COMMANDS, GOOD, PROGRAM, STOPS, cannot_be_shown
from hrmgym.tests.rexserver import TOKEN, swerex_remote

LIMITS = Limits(cpu_s=2.0, wall_s=20.0)
TESTS: dict[str, TestSpec] = {
    "calls": CallTests(
        path="f.py", function="f", cases=(CallCase(id="two", args=(2,), expected=4),)
    ),
    "stdio": StdioTests(path="main.py", cases=(StdioCase(id="two", stdin="2\n", expected="4\n"),)),
}
SOME = (
    *("signal 9", "signal 40", "exit 255", "lone surrogate", "escape sequence", "line number"),
    *("str ends the process", "deep", "huge integers", "flood", "import: signal"),
)
ENDS = {**{name: CODES[name] for name in SOME}, "stop": STOPS["stop"]}
#: These take minutes on a file system on a disk.
MANY = ("deep folders", "deep folders in /tmp", "legal depth", "too many files")
WRITTEN = (
    *(pytest.param(name, marks=pytest.mark.nightly) for name in MANY),
    *("long names", "odd names", "binary"),
    *("too large", "fifo", "socket", "link to itself", "dangling links", "folder instead"),
    *("nothing left", "no permissions", "half permissions", "killed"),
    *("real-time signal", "bytes", "noise", "processes left", "closed descriptors"),
)
BASE = Files.of({"solve.py": GOOD, "notes": "x\n"})


@pytest.fixture(scope="module")
def place() -> Iterator[Sandbox]:
    with swerex_remote() as port, Sandbox(RemoteSandboxConfig(auth_token=TOKEN, port=port)) as made:
        yield made


@pytest.mark.parametrize("kind", TESTS)
@pytest.mark.parametrize("name", ENDS)
def test_an_end_is_an_outcome(place: Sandbox, kind: str, name: str) -> None:
    limits = Limits(cpu_s=2.0, wall_s=1.0) if name == "stop" else LIMITS
    code = Files.of({"f.py": ENDS[name], "main.py": PROGRAM})
    outcome = place.run_tests(code, TESTS[kind], limits)
    assert tuple(outcome.tests) == ("two",)
    assert outcome.failure is None
    assert not outcome.resolved
    assert not cannot_be_shown(outcome.message + outcome.path)
    good = Files.of({"f.py": GOOD, "main.py": PROGRAM})
    assert place.run_tests(good, TESTS[kind], LIMITS).resolved


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_command_leaves_is_a_state_or_is_not_kept(place: Sandbox, name: str) -> None:
    done = place.change(BASE, COMMANDS[name], 60.0)
    kept = "no change is kept" not in done.output
    assert kept or done.files == BASE
    again = place.change(done.files, "echo fine", 60.0)
    assert again.output == "fine\n"
    assert again.files == done.files
    assert place.change(BASE, "ls", 60.0).output == "notes\nsolve.py\n"
