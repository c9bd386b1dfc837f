"""Logs that the tested code forges: each wins against a reader that believes it, and never here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import HarnessTests, Limits
from hrmgym.envs.workspace import Base
from hrmgym.tests.attacks.harness_attacks import (
    BUGGY,
    FORGERIES,
    GO_FORGERIES,
    GO_HIDDEN,
    GO_TASK,
    HIDDEN,
    IDS,
    NODE_FORGERIES,
    NODE_HIDDEN,
    NODE_TASK,
    REPAIRED,
    Forgery,
    last_word,
    xml,
)

LIMITS = Limits(cpu_s=10.0, wall_s=30.0)
BASE = Base.of({"solution.py": BUGGY})
_DEFAULT = {"lines-at-the-end", "conftest", "a-report-from-before"}


def marked(forgery: Forgery) -> object:
    """Some by default, the others nightly: each takes seconds."""
    marks = [] if forgery.name in _DEFAULT else [pytest.mark.nightly]
    return pytest.param(forgery, id=forgery.name, marks=marks)


_each = pytest.mark.parametrize("forgery", [marked(one) for one in FORGERIES])


def hidden(forgery: Forgery) -> HarnessTests:
    """The hidden tests; with a report where the forgery is of one."""
    command = ["python3", "-m", "pytest", "-v", "-rA", "-p", "no:cacheprovider", "tests"]
    files = {"tests/test_hidden.py": HIDDEN, **forgery.more_tests}
    if not forgery.report:
        return HarnessTests(command=tuple(command), parser="pytest", files=files, fail_to_pass=IDS)
    return HarnessTests(
        command=(*command, "--junitxml=report.xml"),
        parser="junit",
        files=files,
        reports=("report.xml",),
        fail_to_pass=tuple(f"tests.test_hidden::{name.partition('::')[2]}" for name in IDS),
    )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def grade(sandbox: Sandbox, forgery: Forgery, *, control: bool = True) -> Outcome:
    files = BASE.files
    for path, text in forgery.files.items():
        files = files.with_text(path, text)
    tests = replace(hidden(forgery), control=control)
    return sandbox.run_tests(files, tests, LIMITS, fresh=True)


def believed(folder: Path, forgery: Forgery) -> bool:
    """Whether the reader believes what the command leaves on a machine without protection."""
    tests = hidden(forgery)
    for path, text in {"solution.py": BUGGY, **forgery.files, **tests.files}.items():
        assert isinstance(text, str)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    done = subprocess.run(
        [sys.executable, *tests.command[1:]],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        timeout=60,
        check=False,
    )
    report = folder / "report.xml"
    if forgery.report:
        return forgery.reader(report.read_text() if report.exists() else "", done.returncode)
    return forgery.reader(done.stdout.decode(), done.returncode)


@_each
def test_a_forged_log_passes_no_test(forgery: Forgery, sandbox: Sandbox) -> None:
    outcome = grade(sandbox, forgery)
    assert outcome.failure is None
    assert not outcome.resolved
    assert Status.PASSED not in outcome.tests.values(), (dict(outcome.tests), outcome.message)


@_each
def test_the_forgery_wins_where_the_log_is_believed(forgery: Forgery, tmp_path: Path) -> None:
    assert believed(tmp_path, forgery)


@pytest.mark.parametrize("report", [False, True], ids=["log", "report"])
def test_an_honest_repair_passes_and_what_is_no_repair_does_not(
    report: bool, sandbox: Sandbox, tmp_path: Path
) -> None:
    reader = xml if report else last_word
    for word, text in (("repair", REPAIRED), ("failure", BUGGY)):
        honest = Forgery(name=word, files={"solution.py": text}, reader=reader, report=report)
        outcome = grade(sandbox, honest)
        assert outcome.resolved is (word == "repair"), outcome.message
        (tmp_path / word).mkdir()
        assert believed(tmp_path / word, honest) is (word == "repair")


@pytest.mark.parametrize("name", ["the-rest-of-the-log-when-called", "a-modest-log"])
def test_a_flawless_log_is_what_the_control_stops(name: str, sandbox: Sandbox) -> None:
    """So nothing else would, and tests without a control are as good as their code is honest."""
    (forgery,) = (one for one in FORGERIES if one.name == name)
    assert Status.PASSED in grade(sandbox, forgery, control=False).tests.values()
    outcome = grade(sandbox, forgery)
    assert not outcome.resolved
    assert "was put among the others" in outcome.message


# --- other runners -------------------------------------------------------------------------------

_GO = HarnessTests(
    command=("go", "test", "-v", "-vet=off", "-mod=mod", "."),
    parser="go",
    files={"hidden_test.go": GO_HIDDEN},
    fail_to_pass=("TestSum",),
)
_NODE = HarnessTests(
    command=("node", "--test-reporter=tap", "hidden.test.js"),
    parser="tap",
    files={"hidden.test.js": NODE_HIDDEN},
    fail_to_pass=("doubles",),
)
_WIDE = replace(LIMITS, cpu_s=60, wall_s=180, memory_mb=8192, processes=128, file_mb=512)
_OTHERS = [
    *((_GO, GO_TASK, one) for one in GO_FORGERIES),
    *((_NODE, NODE_TASK, one) for one in NODE_FORGERIES),
]


@pytest.mark.nightly
@pytest.mark.parametrize(("tests", "task", "forgery"), _OTHERS, ids=[x[2].name for x in _OTHERS])
def test_other_runners_are_not_fooled_either(
    tests: HarnessTests,
    task: dict[str, str],
    forgery: Forgery,
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    """And a reader that believes the log is."""
    program = tests.command[0]
    if not any(Path(folder, program).exists() for folder in ("/usr/local/bin", "/usr/bin")):
        pytest.skip(f"no {program} in /usr/bin")
    tests = replace(tests, files={**tests.files, **forgery.more_tests})
    for path, text in {**task, **forgery.files, **tests.files}.items():
        assert isinstance(text, str)
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    done = subprocess.run(
        tests.command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"GOPROXY": "off", "GOFLAGS": ""},
        check=False,
        timeout=120,
    )
    assert forgery.reader(done.stdout.decode(), done.returncode), done.stdout.decode()
    files = Base.of(task).files
    for path, text in forgery.files.items():
        files = files.with_text(path, text)
    outcome = sandbox.run_tests(files, tests, _WIDE, fresh=True)
    assert outcome.failure is None
    assert Status.PASSED not in outcome.tests.values(), outcome.message


def test_forgeries_differ() -> None:
    assert len({one.name for one in FORGERIES}) == len(FORGERIES) >= 15
    assert {one.name for one in FORGERIES} > _DEFAULT
