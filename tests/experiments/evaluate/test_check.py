"""Checking benchmarks: each verdict on a task that deserves it, in real sandboxes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hrmgym.envs import Benchmark, make_benchmark
from hrmgym.envs.sandboxes.config import RemoteSandboxConfig
from hrmgym.envs.task import Limits, PytestTests
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.experiments.evaluate.check import RUNS, CheckReport, check, select
from hrmgym.experiments.evaluate.soundness import Checked, Verdict
from hrmgym.tests.small_benchmarks import (
    BROKEN,
    RIGHT,
    UNSOUND,
    Patient,
    Raising,
    Short,
    Small,
    calls,
    task,
)


@pytest.fixture(scope="module")
def report() -> CheckReport:
    """Every task of `Small`, checked."""
    return check(Small(), select(Small()), workers=2)


def checked(report: CheckReport, name: str, split: str) -> Checked:
    (found,) = (one for one in report.tasks if (one.task, one.split) == (name, split))
    return found


@pytest.mark.parametrize("verdict", [Verdict.SOUND, Verdict.NO_REFERENCE, Verdict.MARKED])
def test_sound_and_marked_tasks_and_those_without_a_reference(
    report: CheckReport, verdict: Verdict
) -> None:
    split = verdict.value.replace(" ", "-")
    found = {one.task: one.verdict for one in report.tasks if one.split == split}
    assert found == {one.id: verdict for one in Small().tasks(split)}


@pytest.mark.parametrize(("name", "message"), [(task.id, message) for task, message in UNSOUND])
def test_an_unsound_task_and_why(report: CheckReport, name: str, message: str) -> None:
    found = checked(report, name, "unsound")
    assert found.verdict is Verdict.UNSOUND
    assert message in found.message
    assert found.failure is None


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_sandbox_that_fails_says_nothing_about_the_task(report: CheckReport, name: str) -> None:
    found = checked(report, name, "broken")
    code, message = BROKEN[name]
    assert (found.verdict, found.failure) == (Verdict.CANNOT_RUN, code)
    assert message in found.message


def test_a_marked_task_is_shown_with_its_reason(report: CheckReport) -> None:
    message = checked(report, "marked/network", "marked").message
    assert message == "reference_cannot_run: it needs a network"


def test_each_run_is_made_and_runs_every_test(report: CheckReport) -> None:
    for one in (one for one in report.tasks if one.split in ("sound", "no-reference")):
        sides = ["untouched"] if one.split == "no-reference" else ["untouched", "reference"]
        assert list(one.runs) == sides
        for runs in one.runs.values():
            assert len(runs) == RUNS
            for run in runs:
                kinds = {name.partition("/")[0] for name in run.tests}
                assert kinds == {"visible", "hidden"}
                assert run.ms > 0
    assert checked(report, "sound", "sound").ms("reference")
    assert checked(report, "no-reference", "no-reference").ms("reference") is None


@pytest.mark.parametrize(
    ("name", "mode"),
    [("sound", "apart"), ("sound/together", "together"), ("sound/command", "harness")],
)
def test_how_the_tests_run(report: CheckReport, name: str, mode: str) -> None:
    found = checked(report, name, "sound")
    assert found.tests_apart == mode
    assert bool(found.tests_apart_why) == (mode != "apart")


def test_a_report_is_plain_data_in_the_benchmarks_order(report: CheckReport) -> None:
    assert report.complete
    data = json.loads(json.dumps(report.to_dict()))
    assert data["benchmark"] == {"name": "small", "version": "1"}
    assert [one["task"] for one in data["tasks"]] == [one.id for one in select(Small())]
    assert sum(data["counts"].values()) == data["planned"] == len(data["tasks"])
    first = data["tasks"][0]
    assert [run["tests"] for run in first["reference"]] == [{"passed": 4}] * RUNS
    assert [run["tests"] for run in first["untouched"]] == [{"failed": 4}] * RUNS


@pytest.mark.parametrize(
    ("splits", "code", "only_runnable"),
    [
        (("sound", "marked", "no-reference"), 0, 0),
        (("sound", "unsound"), 1, 1),
        (("sound", "broken"), 3, 0),
        (("sound", "broken", "unsound"), 1, 1),
    ],
)
def test_exit_codes(
    report: CheckReport, splits: tuple[str, ...], code: int, only_runnable: int
) -> None:
    part = replace(report, tasks=tuple(one for one in report.tasks if one.split in splits))
    assert (part.exit_code(), part.exit_code(only_runnable=True)) == (code, only_runnable)


def test_grading_that_raises_is_the_benchmarks_fault() -> None:
    (found,) = check(Raising(), [task("any")]).tasks
    assert found.verdict is Verdict.UNSOUND
    assert found.message == (
        "untouched: grading raises KeyError: 'cases'; reference: grading raises KeyError: 'cases'"
    )


def test_a_grade_by_the_hidden_tests_alone_is_not_sound() -> None:
    (found,) = check(Short(), [task("any")]).tasks
    assert found.verdict is Verdict.UNSOUND
    assert found.message == "reference: its grade leaves visible/of-1 out"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            RIGHT,
            "reference: 3 of 4 tests pass, visible/test_f.py::test_2 missing: test_f.py::test_2: ",
        ),
        ("", "untouched: the id 'visible/test_f.py::test_2' selects no test"),
    ],
)
def test_an_id_that_selects_nothing(reference: str, message: str) -> None:
    text = "from f import f\n\ndef test_one():\n    assert f(1) == 2\n"
    tests = PytestTests(files={"test_f.py": text}, ids=("test_f.py::test_one", "test_f.py::test_2"))
    (found,) = check(Small(), [task("typo", reference=reference, visible_tests=tests)]).tasks
    assert found.verdict is Verdict.UNSOUND
    assert message in found.message


def test_a_server_that_does_not_answer_is_no_verdict() -> None:
    nobody = RemoteSandboxConfig(auth_token="secret", port=9, timeout=0.2)
    report = check(Small(), [task("sound")], sandbox=nobody)
    assert report.tasks[0].verdict is Verdict.CANNOT_RUN
    assert report.tasks[0].failure is not None
    assert report.exit_code() == 3
    assert "secret" not in json.dumps(report.to_dict())


def test_ctrl_c_keeps_what_is_done() -> None:
    tasks = [task(f"t{number}") for number in range(40)]

    def interrupt(one: Checked, total: int) -> None:
        assert total == 40
        raise KeyboardInterrupt

    report = check(Small(), tasks, workers=2, on_task=interrupt)
    assert 1 <= len(report.tasks) < 40
    assert not report.complete
    assert report.planned == 40


def test_the_verdict_does_not_depend_on_the_number_of_workers() -> None:
    tasks = select(Small(), split="mixed")
    found = [
        [(one.task, one.verdict, one.message) for one in check(Small(), tasks, workers=n).tasks]
        for n in (1, 3)
    ]
    assert found[0] == found[1]


class Doubles(Benchmark):
    """Many ids."""

    name, version, splits = "doubles", "1", ("train", "test")

    def tasks(self, split: str):  # type: ignore[no-untyped-def]
        return [task(f"{split}/{n}", split=split) for n in ("one", "two", "[x]")]


@pytest.mark.parametrize(
    ("patterns", "split", "ids"),
    [
        ([], None, ["train/one", "train/two", "train/[x]", "test/one", "test/two", "test/[x]"]),
        ([], "test", ["test/one", "test/two", "test/[x]"]),
        (["test/one"], None, ["test/one"]),
        (["*/one"], None, ["train/one", "test/one"]),
        (["test/two", "t*/one"], None, ["train/one", "test/one", "test/two"]),
        (["test/[x]"], None, ["test/[x]"]),
        (["test/??o", "test/two"], None, ["test/two"]),
    ],
)
def test_tasks_are_chosen_by_id_pattern_and_split(
    patterns: list[str], split: str | None, ids: list[str]
) -> None:
    assert [one.id for one in select(Doubles(), patterns, split)] == ids


def test_what_stands_for_no_task_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="unknown task 'test/on'; did you mean 'test/one'"):
        select(Doubles(), ["test/on"])
    with pytest.raises(UnknownNameError, match="unknown task 'train/one'"):
        select(Doubles(), ["train/one"], "test")
    with pytest.raises(UnknownNameError, match="unknown split 'tests'"):
        select(Doubles(), [], "tests")
    with pytest.raises(DataError, match="no tasks"):
        select(Small(), [], "empty")


def test_a_run_that_takes_all_its_time_agrees_with_itself() -> None:
    slow = task("endless", "def f(x):\n    while True: pass\n", limits=Limits(cpu_s=0.05))
    (found,) = check(Small(), [replace(slow, visible_tests=calls(1))]).tasks
    assert found.verdict is Verdict.SOUND
    statuses = {status for run in found.runs["untouched"] for status in run.tests.values()}
    assert statuses == {"timeout"}


def test_every_run_has_the_limits_of_the_grade() -> None:
    slow = "def f(x):\n    sum(range(20_000_000))\n    return 0\n"
    tight = task("slow", slow, limits=Limits(cpu_s=0.05), visible_tests=calls(1))
    (found,) = check(Patient(), [replace(tight, hidden_tests=calls(3))]).tasks
    assert found.verdict is Verdict.SOUND
    statuses = {status for run in found.runs["untouched"] for status in run.tests.values()}
    assert statuses == {"failed"}


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("name", "count"),
    [("katas", 616), pytest.param("quixbugs", 40, marks=pytest.mark.needs_data), ("jsonl", 3)],
)
def test_every_task_that_ships_is_sound(name: str, count: int) -> None:
    report = check(make_benchmark(name), select(make_benchmark(name)))
    assert [one for one in report.tasks if one.verdict is not Verdict.SOUND] == []
    assert len(report.tasks) == count
