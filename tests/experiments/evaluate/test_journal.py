"""Journals of scorings: what is kept, what is dropped, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.errors import DataError, WorkerError
from hrmgym.experiments.evaluate.journal import Journal, gather
from hrmgym.experiments.evaluate.records import Attempt, TaskRecord

TASKS = ("a", "b", "c")


def item(task: str, failure: str = "") -> TaskRecord:
    return TaskRecord(
        task=task,
        tags=("\u2028 \xe9",),  # some readers end a line here
        attempts=(
            Attempt(
                solved=False,
                plausible=False,
                test_runs=3,
                solved_after=None,
                reason="failed",
                failure=failure,
                numbers={"first_passing": None, "steps": 3, "reward": 3.0},
            ),
        ),
        seconds=0.25,
    )


class Counting:
    """Gives every task a verdict, and notes which it was asked for."""

    def __init__(self) -> None:
        self.played: list[str] = []

    def open(self) -> None:
        pass

    def play(self, item_: str, stop: object) -> TaskRecord:
        self.played.append(item_)
        return item(item_)

    def close(self) -> None:
        pass


class Dying(Counting):
    """Its process is killed, as for lack of memory."""

    def play(self, item_: str, stop: object) -> TaskRecord:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("dead")


def journal(path: Path, about: str = "x") -> Journal:
    return Journal(path, {"benchmark": about}, TASKS)


def test_results_are_read_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "score.jsonl"
    journal(path).append(item("a"))
    assert path.read_bytes().isascii()
    (found,) = journal(path).done.values()
    assert found == item("a")
    assert found.seconds == 0.25
    kinds = {name: type(number) for name, number in found.attempts[0].numbers.items()}
    assert kinds == {"first_passing": type(None), "steps": int, "reward": float}


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "score.jsonl"
    for task in "ab":
        journal(path).append(item(task))
    path.write_bytes(path.read_bytes()[:-cut])
    again = journal(path)
    assert list(again.done) == ["a"]
    again.append(item("c"))
    assert list(journal(path).done) == ["a", "c"]


def test_a_file_without_a_whole_line_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "score.jsonl"
    path.write_text('{"form')
    journal(path).append(item("a"))
    assert list(journal(path).done) == ["a"]


def test_what_has_a_verdict_is_not_played_again(tmp_path: Path) -> None:
    path = tmp_path / "score.jsonl"
    journal(path).append(item("b"))
    journal(path).append(item("c", failure="disk"))
    worker, told = Counting(), []
    found = gather(
        worker,
        [(task, task) for task in TASKS],
        1,
        lambda one, total: told.append((one.task, total)),
        journal(path),
    )
    assert worker.played == ["a", "c"]
    assert told == [("a", 2), ("c", 2)]
    assert found == [item(task) for task in TASKS]
    assert journal(path).done == {task: item(task) for task in TASKS}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"benchmark": "x"', '"benchmark": "y"', ':1: benchmark: results of "y"'),
        ('"format": 2', '"format": 1', ":1: format: results of 1"),
        ('"format": 2, ', "", ":1: format: missing"),
        ('"task": "a"', '"task": "z"', ":2: task 'z' is not scored here"),
        ('"task": "a"', '"task": 7', ":2: task: Input should be a valid string"),
        ('"reason": "failed",', "", ":2: attempts.0.reason: Field required"),
        ('{"task"', '["task"', ":2: not JSON"),
        ("0.25", "NaN", ":2: Out of range float"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "score.jsonl"
    journal(path).append(item("a"))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError) as error:
        journal(path)
    assert str(error.value).startswith(f"{path}{message}")


def test_a_killed_worker_is_said_to_have_died() -> None:
    with pytest.raises(WorkerError, match="lack of memory"):
        gather(Dying(), [(task, task) for task in TASKS], 2)
