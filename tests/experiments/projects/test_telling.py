"""What is told of a repair, in words and as data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.experiments.projects.examining import Examined, Settings
from hrmgym.experiments.projects.observing import Observation, Observed
from hrmgym.experiments.projects.repairing import FileRepair
from hrmgym.experiments.projects.search import Ended, Passing, Search
from hrmgym.experiments.projects.telling import about, outcome, to_dict, unified
from hrmgym.experiments.projects.textfile import read_text_file
from hrmgym.search.stages import TestRuns

BEFORE = "def f(a):\n    return a - 1\n"


@pytest.fixture
def done(tmp_path: Path) -> FileRepair:
    (tmp_path / "a.py").write_bytes(BEFORE.replace("\n", "\r\n").encode())
    tests = {"t.py::test_f": Observed("failed", message="AssertionError"), "g": Observed("passed")}
    seen = Observation(tests, {}, 1, 0.1, "")
    examined = Examined(
        settings=Settings("t.py", ""),
        failing=("t.py::test_f",),
        passing=("g",),
        messages={"t.py::test_f": "AssertionError"},
        flaky=("t.py::test_h",),
        skipped=(),
        broken={"u.py": "ModuleNotFoundError"},
        first=seen,
        cpu_s=0.1,
        busy_s=0.1,
    )
    found = Search(
        [
            Passing(BEFORE.replace("-", "+"), 3, 4, 0.25),
            Passing(BEFORE.replace("1", "0"), 9, 12, 0.5),
        ],
        [TestRuns(runs=20)],
        1.0,
        Ended.FOUND,
        {str(number): number for number in range(1, 19)},
    )
    return FileRepair(
        root=tmp_path,
        tests="t.py",
        examined=examined,
        file=read_text_file(tmp_path / "a.py"),
        path="a.py",
        search=found,
        left_out=("big.bin: 9 MB",),
    )


def test_the_diff_has_paths_from_the_root_and_no_carriage_returns(done: FileRepair) -> None:
    assert done.search is not None
    assert unified(done, done.search.passing[0]) == [
        *("--- a/a.py", "+++ b/a.py", "@@ -1,2 +1,2 @@"),
        *(" def f(a):", "-    return a - 1", "+    return a + 1"),
    ]


def test_words(done: FileRepair) -> None:
    assert done.search is not None
    told = list(about(done))
    assert told[0] == "note: not copied: big.bin: 9 MB"
    assert told[1].startswith("note: u.py cannot be collected, so its tests do not count")
    assert "t.py::test_h" in told[2]
    assert told[3:] == ["t.py: 1 of 2 tests fail", "  t.py::test_f: AssertionError"]
    first, second, *others = outcome(done, done.search)
    assert first == (
        "all 2 tests pass after this edit: number 3 of the order, test run 4, 0.2 s of search"
    )
    assert second.startswith("what else passed in 16 more test runs: ")
    assert others == [
        "  number 9:",
        *("    @@ -2 +2 @@", "    -    return a - 1", "    +    return a - 0"),
    ]


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended.TRIED_ALL, "no edit makes all 2 tests pass: all 18 edits tried in 20 test runs"),
        (Ended.RUNS, "18 edits tried in 20 test runs and 1.0 s; --runs allows more"),
        (Ended.SECONDS, "; --seconds allows more"),
        (Ended.INTERRUPTED, ": interrupted; 18 edits tried"),
    ],
)
def test_why_there_is_no_repair(done: FileRepair, ended: Ended, words: str) -> None:
    assert done.search is not None
    (line,) = outcome(done, replace(done.search, passing=[], ended=ended))
    assert words in line


def test_data(done: FileRepair) -> None:
    data = json.loads(json.dumps(to_dict(done, applied=True)))
    assert list(data) == [
        *("version", "status", "root", "file", "why_this_file", "also_run_by_failing_tests"),
        *("applied", "tests", "search", "repair", "others", "not_copied", "notes", "seconds"),
    ]
    assert (data["status"], data["file"], data["applied"]) == ("repaired", "a.py", True)
    assert data["tests"] == {
        "selected": "t.py",
        "failing": {"t.py::test_f": "AssertionError"},
        "passing": ["g"],
        "skipped": [],
        "flaky": ["t.py::test_h"],
        "not_collected": {"u.py": "ModuleNotFoundError"},
    }
    assert (data["search"]["ended"], data["search"]["test_runs"]) == ("found", 20)
    assert (data["repair"]["number"], len(data["others"])) == (3, 1)
    assert data["repair"]["text"] == BEFORE.replace("-", "+")
    none = to_dict(replace(done, search=None, path=""), applied=False)
    assert (none["status"], none["file"], none["search"], none["repair"]) == (
        *("already passing", None, None, None),
    )
