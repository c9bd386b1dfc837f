"""Where a task's agent is to repair: the function in focus, or every editable file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hrmgym.envs.edits.places import edits_of, places
from hrmgym.envs.task import Task, Workspace
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.tests.tiny import calls, state_of, task

TEXT = """\
import os


def first(a, b):
    return a + b


class Box:
    def second(self, a):
        return a - 1
"""
NONE = calls("f.py", "first")
ONE = task("f", TEXT, TEXT, NONE, NONE)


def two_files(**changes: object) -> Task:
    files = {"f.py": TEXT, "g.py": "def g(x):\n    return x < 3\n", "README": "read me\n"}
    return replace(ONE, workspace=Workspace(files=files), **changes)  # type: ignore[arg-type]


def test_without_a_focus_all_editable_files_count() -> None:
    assert places(state_of(ONE)) == [("f.py", 0, len(TEXT))]
    state = state_of(two_files(editable=("g.py", "f.py", "made.py")))
    assert [one.path for one in places(state)] == ["g.py", "f.py"]
    state = state_of(two_files(editable=("*.py",)))
    assert [one.path for one in places(state)] == ["f.py", "g.py"]


@pytest.mark.parametrize("name", ["first", "Box.second"])
def test_edits_are_those_of_the_function_in_focus(name: str) -> None:
    focused = state_of(replace(ONE, focus=f"f.py::{name}"))
    (place,) = places(focused)
    assert name.rpartition(".")[2] in TEXT[place.start : place.end]
    found = edits_of(focused, 10_000)
    assert found
    for one in found:
        assert place.start <= one.edit.edit.start <= one.edit.edit.end <= place.end
    assert len(found) < len(edits_of(state_of(ONE), 10_000))


def test_a_scope_names_all_places_whatever_the_focus_is() -> None:
    scope = ("f.py::Box.second", "f.py::first", "f.py::first")
    scoped = state_of(replace(ONE, focus="f.py::first", scope=scope))
    assert [TEXT[one.start : one.end].split("(")[0].strip() for one in places(scoped)] == [
        "def second",
        "def first",
    ]
    ids = {one.edit.id for one in edits_of(scoped, 10_000)}
    assert ids == {
        one.edit.id
        for name in scope
        for one in edits_of(state_of(replace(ONE, focus=name)), 10_000)
    }
    whole = state_of(replace(ONE, scope=("f.py::Box.second", "f.py::Box")))
    assert [TEXT[one.start : one.end].split(":")[0] for one in places(whole)] == ["class Box"]
    with pytest.raises(DataError, match=r"scope 'f\.py::gone': 'f\.py' defines no 'gone'"):
        places(state_of(replace(ONE, scope=("f.py::gone",))))
    with pytest.raises(DataError, match=r"focus 'g\.py::g': 'g\.py' is not editable"):
        replace(ONE, scope=("g.py::g",))


def test_a_focus_that_the_file_has_lost_is_an_error() -> None:
    lost = state_of(replace(ONE, focus="f.py::first"), files={"f.py": "x = 1\n"})
    with pytest.raises(DataError, match=r"task 'f': focus 'f\.py::first': 'f\.py' defines no 'fir"):
        places(lost)


def test_lean_edits_of_all_files_come_before_bulky_ones() -> None:
    state = state_of(two_files(editable=("f.py", "g.py")))
    every = edits_of(state, 10_000)
    paths = [one.path for one in every]
    assert {"f.py", "g.py"} == set(paths)
    assert paths != sorted(paths)  # f lean, g lean, f bulky, g bulky
    assert edits_of(state, 7) == every[:7]


def test_an_applied_edit_is_the_whole_new_text() -> None:
    state = state_of(ONE)
    texts = {one.applied(state) for one in edits_of(state, 10_000)}
    assert TEXT.replace("a - 1", "a + 1") in texts
    assert TEXT not in texts


def test_what_is_no_program_has_no_edits() -> None:
    assert edits_of(state_of(ONE, files={"f.py": "def f(:\n"}), 10) == []
    state = state_of(two_files(editable=("README", "g.py")))
    assert {one.path for one in edits_of(state, 10_000)} == {"g.py"}


def test_a_language_that_nobody_enumerates_is_named() -> None:
    with pytest.raises(UnknownNameError, match="language 'cobol'"):
        edits_of(state_of(replace(ONE, language="cobol")), 10)
