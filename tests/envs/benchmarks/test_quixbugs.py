"""Tests of QuixBugs on its real data."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.quixbugs import GRADE_CPU_S, QuixBugs, failing_cases, halve
from hrmgym.envs.outcome import grade_of
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CallTests, Limits, PytestTests, Status, Task
from hrmgym.errors import DataError

pytestmark = pytest.mark.needs_data

#: Programs whose bug is an endless loop; each costs its whole CPU limit.
ENDLESS = {"bitcount", "find_first_in_sorted", "sqrt"}


def test_halves_are_deterministic_and_share_out_the_failing_cases() -> None:
    visible, hidden = halve(["a", "b", "c", "d", "e"], {"a", "c", "d"})
    assert visible == {"a", "d", "e"}
    assert hidden == {"b", "c"}
    assert halve(["a"], {"a"}) == ({"a"}, set())
    assert halve(["a", "b", "c"], {"a", "b"}, slow={"a"}) == ({"b"}, {"a", "c"})


def test_there_are_forty_programs_and_every_case_is_in_one_half() -> None:
    tasks = QuixBugs().tasks("test")
    assert len(tasks) == len({task.id for task in tasks}) == 40
    kinds = [type(task.hidden_tests) for task in tasks]
    assert kinds.count(CallTests) == 31
    assert kinds.count(PytestTests) == 9
    for task in tasks:
        visible, hidden = set(task.visible_tests.test_ids), set(task.hidden_tests.test_ids)
        assert not visible & hidden
        assert task.visible_tests.fail_to_pass, task.id
        failing = {*task.visible_tests.fail_to_pass, *task.hidden_tests.fail_to_pass}
        assert failing == set(failing_cases()[task.id])


def test_visible_files_hold_no_hidden_test() -> None:
    for task in QuixBugs().tasks("test"):
        if isinstance(task.visible_tests, PytestTests):
            text = "".join(task.visible_tests.files.values())
            for hidden in task.hidden_tests.test_ids:
                assert f"def {hidden.partition('::')[2]}(" not in text


def patient(task: Task) -> Limits:
    """The limits of a grade."""
    return replace(task.limits, cpu_s=GRADE_CPU_S)


def official(root: Path, program: str, correct: bool) -> list[str]:
    """The outcomes of QuixBugs' own pytest file, case by case, run as its README says."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--color=no"]
    command += [f"python_testcases/test_{program}.py", *(["--correct"] if correct else [])]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    passed = [line for line in done.stdout.splitlines() if line.startswith("PASSED ")]
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return [f"{len(passed)} passed", f"{len(failed)} failed"]


@pytest.mark.parametrize(
    "program",
    [
        *("flatten", "quicksort", "pascal"),
        *(
            pytest.param(slow, marks=pytest.mark.nightly)
            for slow in ("hanoi", "kheapsort", "levenshtein", "knapsack")
        ),
    ],
)
def test_call_tests_agree_with_quixbugs_own_pytest(
    program: str, data: Path, tmp_path: Path
) -> None:
    root = tmp_path / "quixbugs"
    subprocess.run(["cp", "-r", str(data / "quixbugs"), str(root)], check=True)
    task = next(task for task in QuixBugs().tasks("test") if task.id == program)
    with Sandbox() as sandbox:
        for correct, files in ((False, task.workspace.files), (True, task.reference)):
            visible = sandbox.run_tests(files, task.visible_tests, patient(task))
            hidden = sandbox.run_tests(files, task.hidden_tests, patient(task))
            ours = grade_of(visible=visible, hidden=hidden)
            counts = [f"{ours.passed} passed", f"{ours.total - ours.passed} failed"]
            assert counts == official(root, program, correct)


def test_the_stored_failing_cases_are_those_that_fail() -> None:
    with Sandbox() as sandbox:
        for task in QuixBugs().tasks("test"):
            if task.id in ENDLESS:
                continue
            for half in (task.visible_tests, task.hidden_tests):
                outcome = sandbox.run_tests(task.workspace.files, half, patient(task))
                passed = {t for t, s in outcome.tests.items() if s is Status.PASSED}
                assert passed == set(half.pass_to_pass), task.id


def test_other_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not quixbugs at 4257f44b0ff1"):
        QuixBugs(str(tmp_path)).tasks("test")


def test_the_table_is_sorted_and_complete() -> None:
    table = failing_cases()
    assert list(table) == sorted(table)
    assert all(table.values())
    assert json.loads(json.dumps(table)) == table
