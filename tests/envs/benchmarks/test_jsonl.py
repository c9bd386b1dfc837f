"""Tests of the JSON Lines benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.benchmarks.jsonl import JsonlTasks, read_tasks
from hrmgym.envs.blobs import Blob
from hrmgym.envs.task import CallTests, CommandTests, Environment, Marked, PytestTests
from hrmgym.errors import DataError

CALLS = {
    "kind": "calls",
    "path": "a.py",
    "function": "f",
    "cases": [{"args": [1], "expected": 2}],
}
GOOD: dict[str, Any] = {
    "id": "one",
    "language": "python",
    "prompt": "f(x) returns x + 1.",
    "files": {"a.py": "def f(x):\n    return x\n"},
    "editable": ["a.py"],
    "visible_tests": CALLS,
    "hidden_tests": CALLS,
    "reference": {"a.py": "def f(x):\n    return x + 1\n"},
}


def write(path: Path, *lines: object) -> Path:
    target = path / "tasks.jsonl"
    target.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
    return target


def test_the_shipped_example_has_every_kind_of_test() -> None:
    tasks = JsonlTasks().tasks("test")
    kinds = {type(task.visible_tests) for task in tasks}
    assert kinds == {CallTests, PytestTests, CommandTests}
    assert JsonlTasks().splits == ("test",)


def test_a_file_is_read_in_order(tmp_path: Path) -> None:
    other = GOOD | {"id": "two", "split": "train", "limits": {"cpu_s": 0.5}, "tags": ["x"]}
    path = write(tmp_path, GOOD, "", other)
    one, two = read_tasks(path)
    assert (one.id, two.id) == ("one", "two")
    assert two.limits.cpu_s == 0.5
    assert one.source == f"{path}:1"
    assert isinstance(one.visible_tests, CallTests)
    assert one.visible_tests.cases[0].args == (1,)
    benchmark = JsonlTasks(str(path))
    assert benchmark.splits == ("test", "train")
    assert [task.id for task in benchmark.tasks("train")] == ["two"]


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in GOOD.items() if k != key}


def case(**changes: Any) -> dict[str, Any]:
    return CALLS | {"cases": [{"args": [1], "expected": 2} | changes]}


def marked(**changes: str) -> dict[str, str]:
    return {"what": "untouched_passes", "reason": "it was published so"} | changes


def test_a_task_may_be_marked(tmp_path: Path) -> None:
    one, two = read_tasks(write(tmp_path, GOOD, GOOD | {"id": "two", "marked": marked()}))
    assert one.marked is None
    assert two.marked == Marked(what="untouched_passes", reason="it was published so")


def test_a_task_may_have_a_focus(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD | {"focus": "a.py::f"})
    assert [task.public.focus for task in read_tasks(path)] == ["a.py::f"]


def test_patterns_bytes_and_an_environment_are_read(tmp_path: Path) -> None:
    files = {"a.py": "", "b.bin": {"$bytes": "AP8="}}
    more = {"files": files, "editable": ["*.py"], "environment": {"image": "python:3.11"}}
    (task,) = read_tasks(write(tmp_path, GOOD | more))
    assert task.editable == ("*.py",)
    assert task.environment == Environment(image="python:3.11")
    entry = task.workspace.base().entries["b.bin"]
    assert isinstance(entry.content, Blob)
    assert entry.content.data == b"\0\xff"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "tasks.jsonl:2: not JSON: "),
        ("[]", "tasks.jsonl:2: the line: "),
        (without("prompt"), "tasks.jsonl:2: prompt: Field required"),
        (without("reference"), "tasks.jsonl:2: reference: Field required"),
        (GOOD | {"promt": ""}, "tasks.jsonl:2: promt: unknown field; did you mean 'prompt'?"),
        (GOOD | {"id": 3}, "tasks.jsonl:2: id: "),
        (GOOD | {"id": "zero"}, "tasks.jsonl:2: id: 'zero' stands in line 1 already"),
        (GOOD | {"language": "pyton"}, "language 'pyton'; did you mean 'python'?"),
        (GOOD | {"editable": ["b.py"]}, "editable 'b.py' is not in files; did you mean 'a.py'?"),
        (GOOD | {"editable": ["b/**"]}, "reference 'a.py' is not editable"),
        (GOOD | {"environment": {"imag": "x"}}, "environment.imag: unknown field; did you mean"),
        (GOOD | {"environment": {"lock": "six==1"}}, "environment: the lock of an environment ne"),
        (GOOD | {"focus": "f"}, "focus 'f' is not of the form 'path::Qualified.name'"),
        (GOOD | {"focus": "b.py::f"}, "focus 'b.py::f': 'b.py' is not editable; did you mean 'a"),
        (GOOD | {"focus": "a.py::F"}, "focus 'a.py::F': 'a.py' defines no 'F'; known: f"),
        (GOOD | {"files": {"a.py": "", "b": {"$byts": ""}}}, "did you mean '$bytes'?"),
        (GOOD | {"files": {"a.py": "", "b": {"$tuple": []}}}, 'or {"$bytes": "..."}'),
        (GOOD | {"files": {"a.py": "", "/etc/b": ""}}, "'/etc/b' does not stay inside"),
        (GOOD | {"files": {"a.py": "", "../b": ""}}, "'../b' does not stay inside"),
        (GOOD | {"visible_tests": {"kind": "cals"}}, "tasks.jsonl:2: visible_tests: "),
        (
            GOOD | {"visible_tests": case(toleranc=1.0)},
            "visible_tests.cases.0.toleranc: unknown field; did you mean 'tolerance'?",
        ),
        (GOOD | {"hidden_tests": CALLS | {"cases": []}}, "hidden_tests.cases: "),
        (GOOD | {"limits": {"cpus": 1}}, "limits.cpus: unknown field; did you mean 'cpu_s'?"),
        (
            GOOD | {"marked": marked(what="untouched")},
            "marked.what: Input should be 'untouched_passes' or",
        ),
        (GOOD | {"marked": marked(reason=" ")}, "tasks.jsonl:2: marked.reason: "),
        (GOOD | {"marked": {"what": "untouched_passes"}}, "marked.reason: Field required"),
        (
            GOOD | {"marked": marked(resaon="x")},
            "marked.resaon: unknown field; did you mean 'reason'?",
        ),
    ],
)
def test_a_fault_is_named_with_file_line_and_field(
    tmp_path: Path, line: object, message: str
) -> None:
    path = write(tmp_path, GOOD | {"id": "zero"}, line)
    with pytest.raises(DataError) as caught:
        read_tasks(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(DataError, match=r"no such file; did you mean 'tasks.jsonl'"):
        read_tasks(tmp_path / "task.jsonl")
    with pytest.raises(DataError, match="holds no tasks"):
        read_tasks(write(tmp_path, "", ""))
