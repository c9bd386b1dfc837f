"""What is kept of edits in a file: for whom it counts, who may write, what a kill leaves."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs import outcome_file
from hrmgym.envs.edits.screen import Coverage, Screened, TestLines
from hrmgym.envs.outcome import FailureCode, Outcome, Status
from hrmgym.envs.outcome_file import OutcomeFile, TaskOutcomes
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Task
from hrmgym.envs.workspace import Files
from hrmgym.errors import DataError
from hrmgym.tests.tiny import OneTask, calls, double_task

FILES = Files.of({"f.py": "1"})
FAILED = Outcome(
    tests={"a": Status.PASSED, "b": Status.FAILED},
    uncounted=frozenset({"a"}),
    message="b: 1 is not 2",
    path="f.py",
    line=3,
    cpu_s=0.25,
)
FOUND: list[Screened | Outcome | Coverage] = [
    FAILED,
    Screened(passed=False, cut=True, cpu_s=0.02, tests=3, runs=2),
    Screened(passed=False, hot=False, outcome=FAILED),
    Coverage({"a": TestLines(True, frozenset({1, 7}))}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outcomes.sqlite"


def opened(path: Path, **changes: object) -> TaskOutcomes:
    """What is kept of a task, as a process finds it that has just begun."""
    return of(path, replace(double_task(), **changes))  # type: ignore[arg-type]


def of(path: Path, task: Task, sandbox: str | dict[str, object] = "local") -> TaskOutcomes:
    env = SoftwareEnv(OneTask(task), canvas=96, auto_test=False, sandbox=sandbox)
    env.reset()
    return OutcomeFile(path).of(env)


@pytest.mark.parametrize("found", FOUND)
def test_what_is_kept_comes_back_whole(path: Path, found: Screened | Outcome | Coverage) -> None:
    opened(path).keep("run", FILES, 0.5, found)
    again = opened(path).recall("run", FILES, 0.5, type(found))
    assert repr(again) == repr(found)  # times, too, which count in no comparison


def test_another_way_limit_or_program_is_not_known(path: Path) -> None:
    opened(path).keep("run", FILES, 0.5, FAILED)
    known = opened(path)
    assert known.recall("grade", FILES, 0.5, Outcome) is None
    assert known.recall("run", FILES, 0.25, Outcome) is None
    assert known.recall("run", Files.of({"f.py": "2"}), 0.5, Outcome) is None
    assert known.recall("run", Files.of({"f.py": "1"}), 0.5, Outcome) == FAILED


OTHERS: dict[str, Callable[[Path], TaskOutcomes]] = {
    "task": lambda path: opened(path, id="double-2"),
    "visible tests": lambda path: opened(
        path, visible_tests=calls("double.py", "double", ((3,), 7))
    ),
    "hidden tests": lambda path: opened(path, hidden_tests=calls("double.py", "double", ((3,), 7))),
    "reference": lambda path: opened(path, reference={"double.py": "1"}),
    "limits": lambda path: opened(path, limits=replace(double_task().limits, memory_mb=512)),
    "files": lambda path: opened(
        path, workspace=replace(double_task().workspace, files={"double.py": "1"})
    ),
    "sandbox": lambda path: of(path, double_task(), {"type": "local", "allow_unisolated": True}),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_was_found_with_something_else_is_not_believed(path: Path, other: str) -> None:
    opened(path).keep("run", FILES, 0.5, FAILED)
    assert OTHERS[other](path).recall("run", FILES, 0.5, Outcome) is None
    assert opened(path).recall("run", FILES, 0.5, Outcome) == FAILED


def test_nor_what_was_found_with_other_code_or_another_version_of_the_benchmark(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(path).keep("run", FILES, 0.5, FAILED)
    monkeypatch.setattr(OneTask, "version", "2")
    assert opened(path).recall("run", FILES, 0.5, Outcome) is None
    monkeypatch.undo()
    monkeypatch.setattr(outcome_file, "_code", lambda: "other")
    assert opened(path).recall("run", FILES, 0.5, Outcome) is None


def test_stages_are_no_part_of_it_since_each_outcome_has_its_own_limit(path: Path) -> None:
    opened(path).keep("run", FILES, 0.5, FAILED)
    staged = of(path, double_task(), {"type": "local", "stages": [0.1]})
    assert staged.recall("run", FILES, 0.5, Outcome) == FAILED


@pytest.mark.parametrize(
    "found",
    [
        replace(FAILED, failure=FailureCode.DISK),
        Screened(passed=False, hot=False, outcome=replace(FAILED, failure=FailureCode.DISK)),
        Coverage({}, "the sandbox was lost"),
    ],
)
def test_a_failure_of_the_sandbox_is_not_kept(
    path: Path, found: Screened | Outcome | Coverage
) -> None:
    opened(path).keep("run", FILES, 0.5, found)
    assert opened(path).recall("run", FILES, 0.5, type(found)) is None


def test_the_first_outcome_stays(path: Path) -> None:
    one, two = opened(path), opened(path)
    one.keep("run", FILES, 0.5, FAILED)
    two.keep("run", FILES, 0.5, replace(FAILED, message="later"))
    assert opened(path).recall("run", FILES, 0.5, Outcome) == FAILED


WRITER = """
import sys
from pathlib import Path
from hrmgym.envs.workspace import Files
from hrmgym.tests.envs.test_outcome_file import FAILED, opened
known = opened(Path(sys.argv[1]))
for number in range(10**6):
    known.keep("run", Files.of({"f.py": f"{sys.argv[2]} {number}"}), 0.5, FAILED)
    print(number, flush=True)
"""


@pytest.fixture
def writers(path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-c", WRITER, str(path)]
    made = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "ab"]
    yield made
    for one in made:
        one.kill()
        one.wait()


def test_what_two_processes_have_written_is_there_when_they_are_killed(
    path: Path, writers: list[subprocess.Popen[str]]
) -> None:
    for one in writers:
        assert one.stdout is not None
        for _ in range(50):  # both at once
            one.stdout.readline()
    said = []
    for one in writers:
        one.kill()
        said.append(len(one.communicate()[0].splitlines()) + 50)
    known = opened(path)
    for name, count in zip("ab", said, strict=True):
        for number in range(count - 1):  # the last line may itself be cut off
            files = Files.of({"f.py": f"{name} {number}"})
            assert known.recall("run", files, 0.5, Outcome) == FAILED


def test_what_is_no_file_of_outcomes_is_told(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database, and left as it is\n" * 50)
    with pytest.raises(
        DataError, match=r"notes\.txt: no file of outcomes can be had there: file is"
    ):
        OutcomeFile(text)
    assert text.read_text().startswith("no database")
    with pytest.raises(DataError, match="no file of outcomes can be had there: unable to open"):
        OutcomeFile(tmp_path / "missing" / "outcomes.sqlite")


def test_a_broken_outcome_is_told_and_not_believed(path: Path) -> None:
    opened(path).keep("run", FILES, 0.5, FAILED)
    database = sqlite3.connect(path)
    with database:
        database.execute("""update outcomes set found = '{"tests": {"a": "fine"}}'""")
    database.close()
    with pytest.raises(DataError, match=r"an outcome is broken: tests\.a: .*; remove the file"):
        opened(path).recall("run", FILES, 0.5, Outcome)
