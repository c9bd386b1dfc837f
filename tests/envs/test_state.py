"""Tests of states and snapshots."""

from __future__ import annotations

from hrmgym.envs.state import files_key
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED, double_task, state_of


def test_a_grade_is_given_on_the_editable_files_alone() -> None:
    files = {"double.py": DOUBLE_FIXED, "conftest.py": "import os", "sitecustomize.py": ""}
    assert state_of(double_task(), files=files).candidate() == {"double.py": DOUBLE_FIXED}


def test_a_deleted_file_is_missing_from_the_grade() -> None:
    assert state_of(double_task(), files={}).candidate() == {}


def test_budgets_do_not_go_below_zero() -> None:
    state = state_of(double_task(), steps=9, test_runs=3)
    assert (state.steps_left, state.test_runs_left) == (0, 5)


def test_the_key_depends_on_content_alone() -> None:
    one = files_key("t", {"a": DOUBLE, "b": ""})
    assert files_key("t", {"b": "", "a": DOUBLE}) == one
    assert files_key("t", {"a": DOUBLE}) != one
    assert files_key("u", {"a": DOUBLE, "b": ""}) != one
    assert files_key("t", {"ab": DOUBLE, "": ""}) != one


def test_bytes_that_are_no_text_have_a_key() -> None:
    assert len(files_key("t", {"a": b"\xff\xfe".decode("utf-8", "surrogateescape")})) == 64
