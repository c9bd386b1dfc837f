"""Tests in a harness, run by real tools in a local sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.blobs import Blob, Entry
from hrmgym.envs.outcome import FailureCode, Outcome, Status
from hrmgym.envs.sandboxes.config import RemoteSandboxConfig
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts.modes import tests_apart as mode_of
from hrmgym.envs.task import HarnessTests, Limits
from hrmgym.envs.testkinds.laying import with_the_tasks_own
from hrmgym.envs.workspace import Base, Files
from hrmgym.errors import DataError
from hrmgym.tests.rexserver import TOKEN, swerex_remote

LIMITS = Limits(cpu_s=10.0, wall_s=30.0, memory_mb=2048, processes=64)
NODE = any(Path(folder, "node").exists() for folder in ("/usr/local/bin", "/usr/bin"))
MISSING, PASSED, FAILED = Status.MISSING, Status.PASSED, Status.FAILED


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def tap(script: str, **more: object) -> HarnessTests:
    """Tests that a shell script makes up."""
    given = {"fail_to_pass": ("a", "b"), "files": {"t.sh": script}} | more
    return HarnessTests(command=("sh", "t.sh"), parser="tap", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "statuses", "message"),
    [
        ("echo 1..2; echo ok 1 - a; echo ok 2 - b", (PASSED, PASSED), ""),
        ("echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1", (PASSED, FAILED), "not ok 2 - b"),
        ("echo 1..2; echo ok 1 - a; echo not ok 2 - b", (MISSING, FAILED), "the exit code is 0"),
        ("echo 1..2; echo ok 1 - a; echo ok 2 - b; exit 3", (MISSING, MISSING), "code is 3"),
        ("echo 1..1; echo ok 1 - a", (PASSED, MISSING), "the log does not tell of 'b'"),
        ("echo 1..3; echo ok 1 - a; echo ok 2 - b", (MISSING, MISSING), "the plan is of 3 tests"),
        ("echo ok 1 - a; echo ok 2 - b", (MISSING, MISSING), "no plan"),
        ("echo 1..2; echo ok 1 - a; echo ok 2 - b; kill -9 $$", (MISSING, MISSING), "signal 9"),
        ("echo 'f.c:7: error: no such thing'; exit 2", (MISSING, MISSING), "f.c:7: error: no such"),
        ("true", (MISSING, MISSING), "no plan in the log"),
        ("echo 1..2; echo ok 1 - a; echo ok 2 - b >> /dev/null", (MISSING, MISSING), "of 2 tests"),
    ],
)
def test_what_a_log_and_an_exit_code_say_together(
    script: str, statuses: tuple[Status, Status], message: str, sandbox: Sandbox
) -> None:
    outcome = sandbox.run_tests({}, tap(script), LIMITS)
    assert tuple(outcome.tests.values()) == statuses
    assert message in outcome.message
    assert outcome.failure is None


def test_what_takes_too_long_or_says_too_much_has_not_passed(sandbox: Sandbox) -> None:
    slow = tap("echo 1..2; echo ok 1 - a; echo ok 2 - b; sleep 60")
    outcome = sandbox.run_tests({}, slow, replace(LIMITS, wall_s=1.0))
    assert set(outcome.tests.values()) == {Status.TIMEOUT}
    flood = tap("yes | head -c 70000; echo 1..2; echo ok 1 - a; echo ok 2 - b")
    outcome = sandbox.run_tests({}, flood, LIMITS)
    assert set(outcome.tests.values()) == {MISSING}
    assert "more than the 64 KiB of limits.output_kb" in outcome.message


def test_a_tool_that_is_not_there_is_no_verdict_whatever_the_code_does(sandbox: Sandbox) -> None:
    tests = HarnessTests(command=("no-such-tool",), parser="tap", fail_to_pass=("a",))
    outcome = sandbox.run_tests({}, tests, LIMITS)
    assert outcome.failure is FailureCode.TOOLCHAIN_MISSING
    assert "no program 'no-such-tool'" in outcome.message
    for script in ("exit 127", "echo sh: go: not found; exit 127"):
        outcome = sandbox.run_tests({}, tap(script), LIMITS)
        assert outcome.failure is None
        assert not outcome.resolved


# --- files ---------------------------------------------------------------------------------------


def test_files_reach_the_harness_as_they_are(sandbox: Sandbox) -> None:
    """Text, bytes, programs, what is deleted and what is renamed."""
    base = Base.of({"run": "#!/bin/sh\necho no\n", "old.bin": b"\0\xff\xfe", "d/gone": "x"})
    script = (
        'n=0; check() { n=$((n+1)); if eval "$2"; then echo ok $n - $1;'
        " else echo not ok $n - $1; bad=1; fi; }\n"
        "echo 1..5\n"
        "check program 'test \"$(./run)\" = yes'\n"
        'check binary \'test "$(od -An -tx1 new.bin)" = " 00 ff fe 0a"\'\n'
        "check renamed 'test ! -e old.bin'\n"
        "check deleted 'test ! -e d/gone'\n"
        'check bytes \'test "$(od -An -tx1 b.dat)" = " ff 00"\'\n'
        "exit ${bad:-0}\n"
    )
    names = ("program", "binary", "renamed", "deleted", "bytes")
    tests = tap(script, fail_to_pass=names, files={"t.sh": script, "b.dat": b"\xff\0"})
    files = base.files.with_text("run", "#!/bin/sh\necho yes\n")
    files = files.changed({"run": Entry("f", 0o755, Blob.of("#!/bin/sh\necho yes\n"))})
    files = files.with_text("new.bin", b"\0\xff\xfe\n").without("old.bin").without("d/gone")
    outcome = sandbox.run_tests(files.limited_to(["**"]), tests, LIMITS)
    assert set(outcome.tests.values()) == {PASSED}, (outcome.tests, outcome.message)
    assert sandbox.run_tests(base.files, tests, LIMITS).passed == 1  # the tests' own


@pytest.mark.nightly
def test_a_tree_of_20_000_files(sandbox: Sandbox, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"d{number}").mkdir()
        for name in range(100):
            (tmp_path / f"d{number}" / f"f{name}").write_text(str(number))
    base = Base.from_tree(str(tmp_path))
    script = (
        "echo 1..2; test $(find . -type f | wc -l) = 20001 && echo ok 1 - a || echo not ok 1 - a;"
        " test -x d7/f7 && echo ok 2 - b && exit 0; echo not ok 2 - b; exit 1"
    )
    files = base.files.changed({"d7/f7": Entry("f", 0o755, Blob.of("7"))})
    outcome = sandbox.run_tests(files.limited_to(["d7/**"]), tap(script), LIMITS)
    assert set(outcome.tests.values()) == {PASSED}, outcome.message
    assert sandbox.run_tests(base.files, tap(script), LIMITS).tests["b"] is FAILED


def laid(files: Files, *patterns: str, may_change: tuple[str, ...] = ()) -> dict[str, str]:
    return dict(with_the_tasks_own(files, patterns, (), may_change))


def test_what_a_runner_obeys_is_as_the_task_has_it() -> None:
    tree = {"go.mod": "m", "a/conftest.py": "c", "v/x": "x", "src/a.go": "a"}
    base = Base.of(tree)
    changed = base.files.with_text("go.mod", "bad").with_text("src/go.mod", "bad")
    assert laid(changed, "go.mod") == tree
    assert laid(changed, "go.mod", may_change=("src/*",)) == tree | {"src/go.mod": "bad"}
    assert laid(base.files.without("a"), "conftest.py") == tree
    assert laid(base.files.without("a").with_text("a", "file"), "conftest.py") == tree
    link = Entry("l", 0, "src")
    assert laid(base.files.changed({"w": link}), "w/*").keys() == tree.keys()
    assert with_the_tasks_own(base.files.changed({"w": link}), ["w/*"]).entry("w") is None
    folder = base.files.with_text("conftest.py/x", "bad")
    assert laid(folder, "conftest.py") == tree
    assert laid(base.files.with_text("v/y", "new").without("v/x"), "v/*") == tree
    plain = Files.of({"go.mod": "mine"})
    assert laid(plain, "go.mod") == {"go.mod": "mine"}


def test_the_program_itself_is_the_tasks(sandbox: Sandbox) -> None:
    fake = "echo 1..2; echo ok 1 - a; echo ok 2 - b\n"
    base = Base.of({"run.sh": "echo 1..2; echo not ok 1 - a; echo not ok 2 - b; exit 1\n"})
    tests = HarnessTests(command=("sh", "./run.sh"), parser="tap", fail_to_pass=("a", "b"))
    outcome = sandbox.run_tests(base.files.with_text("run.sh", fake), tests, LIMITS)
    assert set(outcome.tests.values()) == {FAILED}


@pytest.mark.parametrize("planted", ["report.xml", "out/report.xml", "link"])
def test_a_report_from_before_is_not_read(planted: str, sandbox: Sandbox) -> None:
    text = (
        '<testsuite tests="1" failures="0" errors="0" skipped="0"><testcase name="a"/></testsuite>'
    )
    report = "out/report.xml" if planted != "report.xml" else planted
    tests = HarnessTests(
        command=("true",), parser="junit", reports=(report,), fail_to_pass=("a",), control=False
    )
    files = Base.of({"x": ""}).files.with_text(
        report if planted != "link" else "o/report.xml", text
    )
    if planted == "link":
        files = files.changed({"out": Entry("l", 0, "o")})
    outcome = sandbox.run_tests(files, tests, LIMITS)
    assert outcome.tests == {"a": MISSING}
    written = replace(tests, command=("sh", "-c", f"mkdir -p out; echo '{text}' > {report}"))
    assert sandbox.run_tests(files, written, LIMITS).resolved


# --- real runners, with their controls -----------------------------------------------------------

_UNIT = """\
import unittest

from solution import double


class TestDouble(unittest.TestCase):
    def test_it(self):
        self.assertEqual(double(4), 8)


if __name__ == "__main__":
    unittest.main(verbosity=2)
"""
_NODE = """\
const { test } = require('node:test');
const assert = require('node:assert');
const { double } = require('./solution.js');
test('doubles', () => assert.strictEqual(double(4), 8));
"""
UNITTEST = HarnessTests(
    command=("python3", "-m", "unittest", "-v", "test_it"),
    parser="unittest",
    files={"test_it.py": _UNIT},
    fail_to_pass=("test_it.TestDouble.test_it",),
)
RUNNERS = {
    "unittest": (UNITTEST, "solution.py", "def double(x):\n    return x {}\n"),
    "unittest-main": (
        replace(
            UNITTEST,
            command=("python3", "test_it.py"),
            fail_to_pass=("test_it (__main__.TestDouble)",),
        ),
        "solution.py",
        "def double(x):\n    return x {}\n",
    ),
    "node": (
        HarnessTests(
            command=("node", "--test", "--test-reporter=tap", "it.test.js"),
            parser="tap",
            files={"it.test.js": _NODE},
            fail_to_pass=("doubles",),
        ),
        "solution.js",
        "exports.double = (x) => x {};\n",
    ),
}


@pytest.mark.parametrize("name", RUNNERS)
def test_a_real_runner_tells_a_repair_from_a_failure(name: str, sandbox: Sandbox) -> None:
    if name == "node" and not NODE:
        pytest.skip("no node in /usr/bin")
    tests, path, text = RUNNERS[name]
    base = Base.of({path: text.format("- 1")})
    right = sandbox.run_tests(base.files.with_text(path, text.format("* 2")), tests, LIMITS)
    assert right.resolved, right.message
    wrong = sandbox.run_tests(base.files, tests, LIMITS)
    assert set(wrong.tests.values()) == {FAILED}, (wrong.tests, wrong.message)
    assert "confirmed by a test that must fail" in mode_of(tests, keeps_apart=True)[1]


@pytest.mark.parametrize(
    ("parser", "flag"),
    [
        ("pytest", "-x"),
        ("pytest", "--maxfail=1"),
        ("unittest", "--failfast"),
        ("go", "-failfast"),
        ("jest", "--bail"),
        ("catch2", "-a"),
        ("cargo", "--quiet"),
    ],
)
def test_a_runner_that_stops_early_has_no_control_and_says_so(parser: str, flag: str) -> None:
    files = {
        "test_a.py": _UNIT,
        "a_test.go": 'package a\n\nimport "testing"\n',
        "a.test.js": "",
        "a.cpp": 'TEST_CASE("a") {}\n',
        "tests/a.rs": "",
    }
    goes_on = ("run", "--no-fail-fast") if parser == "cargo" else ("run",)
    tests = HarnessTests(command=goes_on, parser=parser, files=files, fail_to_pass=("a",))
    assert "confirmed by" in mode_of(tests, keeps_apart=True)[1]
    for other in (replace(tests, command=("run", flag)), replace(tests, control=False)):
        assert mode_of(other, keeps_apart=True)[0] == "harness"
        assert "no test that must fail" in mode_of(other, keeps_apart=True)[1]


@pytest.mark.nightly
def test_the_same_in_a_sandbox_that_swe_rex_reaches() -> None:
    with swerex_remote() as port:
        config = RemoteSandboxConfig(auth_token=TOKEN, port=port)
        with Sandbox(config) as sandbox:
            test_a_real_runner_tells_a_repair_from_a_failure("unittest", sandbox)
            outcome = sandbox.run_tests({}, tap("echo 1..2; echo ok 1 - a; echo ok 2 - b"), LIMITS)
            assert outcome.resolved


@pytest.mark.parametrize(
    "given",
    [{"command": ()}, {"command": ("",)}, {"fail_to_pass": ()}, {"pass_to_pass": ("a",)}],
)
def test_tests_that_say_too_little_are_refused(given: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(DataError):
        replace(tap("true"), **given)


def test_a_name_without_its_package_stands_for_all_of_that_name(sandbox: Sandbox) -> None:
    log = Path(__file__).with_name("logs").joinpath("go.txt").read_text()
    tests = HarnessTests(
        command=("sh", "-c", "cat log; exit 1"),
        parser="go",
        files={"log": log},
        fail_to_pass=("TestAdd", "TestPar", "example.com/ledger/sub::TestAdd", "TestNo"),
    )
    outcome: Outcome = sandbox.run_tests({}, tests, LIMITS)
    assert list(outcome.tests.values()) == [FAILED, PASSED, PASSED, MISSING]
