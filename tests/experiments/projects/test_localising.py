"""Which file, and which functions, what tests run points to."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.errors import ConfigError
from hrmgym.experiments.projects.examining import Examined, Settings, TestsError
from hrmgym.experiments.projects.layout import Project
from hrmgym.experiments.projects.localising import (
    elsewhere,
    file_to_repair,
    files_to_choose_from,
    functions_to_repair,
)
from hrmgym.experiments.projects.observing import Observation, Observed


def examined(**tests: Observed) -> Examined:
    """What some tests would have said."""
    first = Observation(tests, {}, 1, 0.1, "")
    return Examined(
        settings=Settings(".", ""),
        failing=tuple(first.failing),
        passing=tuple(first.passing),
        messages={},
        flaky=(),
        skipped=(),
        broken={},
        first=first,
        cpu_s=0.1,
        busy_s=0.1,
    )


def ran(status: str, *paths: str, path: str = "t.py", called: str = "") -> Observed:
    return Observed(
        status, path=path, called=called, ran=frozenset((one, "function") for one in paths)
    )


def test_the_file_is_that_of_the_failing_frame_else_the_most_suspicious_one() -> None:
    both = ["a.py", "b.py"]
    frame = examined(one=ran("failed", "a.py", "b.py", path="b.py", called="a.py"))
    assert file_to_repair(frame, both) == ("b.py", "one fails in it")
    suspicious = examined(one=ran("failed", "a.py", "b.py"), two=ran("passed", "a.py"))
    assert file_to_repair(suspicious, both)[0] == "b.py"
    called = examined(one=ran("failed", "a.py", "b.py", called="b.py"))
    assert file_to_repair(called, both)[0] == "b.py"
    with pytest.raises(TestsError, match=r"no failing test runs a function.*a\.py, b\.py"):
        file_to_repair(examined(one=ran("failed", "c.py")), both)


def test_the_functions_that_failing_tests_run_come_by_suspicion() -> None:
    names = ["Box.open", "Box.close", "f.<locals>.<listcomp>", "f.<locals>.g", "<module>", "gone"]
    bad = frozenset(("a.py", name) for name in names) | {("b.py", "h")}
    good = frozenset({("a.py", "Box.open")})
    found = examined(one=Observed("failed", ran=bad), two=Observed("passed", ran=good))
    text = (
        "class Box:\n    def open(self): pass\n    def close(self): pass\n"
        "def f(x):\n    def g(): pass\n    return [i for i in x]\ndef h(): pass\n"
    )
    assert functions_to_repair(found, "a.py", text) == [
        *("a.py::Box.close", "a.py::f", "a.py::f.g", "a.py::Box.open")
    ]


def test_where_no_failing_test_runs_the_file_that_is_said() -> None:
    found = examined(one=ran("failed", "a.py", "test_a.py", path="b.py"))
    assert elsewhere(found, "a.py") == elsewhere(found, "b.py") == ""
    assert elsewhere(found, "c.py") == (
        "no failing test runs a function of c.py; they run functions of a.py"
    )


def test_files_to_choose_from_are_python_and_no_tests() -> None:
    names = ("a.py", "sub/b.py", "sub/test_b.py", "sub/b_test.py", "conftest.py", "notes.txt")
    project = Project(Path("/p"), dict.fromkeys(names, ""))
    assert files_to_choose_from(project, Path("/p")) == ["a.py", "sub/b.py"]
    assert files_to_choose_from(project, Path("/p/sub")) == ["sub/b.py"]
    with pytest.raises(ConfigError, match="/p/none: holds no Python file but tests"):
        files_to_choose_from(project, Path("/p/none"))
