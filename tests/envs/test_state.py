"""Tests of states and snapshots."""

from __future__ import annotations

from dataclasses import replace

from hrmgym.envs.state import files_key
from hrmgym.envs.workspace import Files
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED, double_task, state_of


def test_a_grade_is_given_on_the_editable_files_alone() -> None:
    files = {"double.py": DOUBLE_FIXED, "conftest.py": "import os", "sitecustomize.py": ""}
    assert state_of(double_task(), files=files).candidate() == {"double.py": DOUBLE_FIXED}


def test_a_deleted_file_is_missing_from_the_grade() -> None:
    assert dict(state_of(double_task(), files={}).candidate()) == {}


def test_budgets_do_not_go_below_zero() -> None:
    state = state_of(double_task(), steps=9, test_runs=3)
    assert (state.steps_left, state.test_runs_left) == (0, 5)


def test_the_key_depends_on_task_and_files() -> None:
    files = Files.of({"a": DOUBLE})
    assert files_key("t", files) == files_key("t", Files.of({"a": DOUBLE}))
    assert files_key("t", files) != files_key("u", files)
    assert files_key("t", files) != files_key("t", files.with_text("b", ""))
    assert len(files_key("\udcff", Files.of({"a": b"\xff\xfe"}))) == 64


def test_a_grade_knows_the_tasks_own_files_only() -> None:
    """Even where the state's files are told as changes of another base."""
    state = state_of(double_task())
    elsewhere = Files.of({"double.py": DOUBLE_FIXED, "extra.py": ""})
    assert dict(replace(state, files=elsewhere).candidate()) == {"double.py": DOUBLE_FIXED}
