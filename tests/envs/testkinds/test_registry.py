"""The open list of kinds of tests, and one that somebody else brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.benchmarks.jsonl import JsonlTasks, read_tasks
from hrmgym.envs.outcome import Status
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts.modes import tests_apart as mode_of
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import HarnessTests, Limits, TestSpec
from hrmgym.envs.testkind import SHIPPED, kind_named, kind_names, kind_of, register_test_kind
from hrmgym.errors import ConfigError, DataError, UnknownNameError
from hrmgym.experiments.check import check
from hrmgym.tests.envs.testkinds.owned import Words, WordTests

WORDS = {"kind": "words", "words": [{"path": "a.txt", "word": "yes"}]}
LINE: dict[str, Any] = {
    "id": "one",
    "language": "python",
    "prompt": "Say yes.",
    "files": {"a.txt": "no\n"},
    "editable": ["a.txt"],
    "visible_tests": WORDS,
    "hidden_tests": WORDS,
    "reference": {"a.txt": "yes\n"},
}
HARNESS = {"kind": "harness", "command": ["sh", "t.sh"], "parser": "tap", "fail_to_pass": ["a"]}


def write(folder: Path, line: dict[str, Any]) -> Path:
    path = folder / "tasks.jsonl"
    path.write_text(json.dumps(line) + "\n")
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_registered_by_its_name(name: str) -> None:
    kind = kind_named(name)
    assert kind.line.model_fields["kind"].annotation is not None
    assert kind is kind_named(name)


def test_a_kind_is_found_by_its_tests() -> None:
    tests = WordTests(words={"a": "b"})
    assert isinstance(kind_of(tests), Words)
    assert mode_of(tests, sandbox="docker") == ("apart", "")
    with pytest.raises(TypeError, match="TestSpec"):
        kind_of(TestSpec())


def test_names_are_checked() -> None:
    assert set(SHIPPED) < {*kind_names(), "x"}
    with pytest.raises(UnknownNameError, match="did you mean 'pytest'"):
        kind_named("pytets")
    with pytest.raises(ConfigError, match="registered already"):
        register_test_kind("calls", "mine:Calls")
    with pytest.raises(ConfigError, match="no module 'no_such_module'"):
        kind_named("no_such_module:Kind")
    with pytest.raises(ConfigError, match=r"module:(Class|Name)"):
        register_test_kind("mine", "mine")
    with pytest.raises(ConfigError, match="no colon"):
        register_test_kind("a:b", "mine:Calls")


@pytest.mark.parametrize("name", ["words", "hrmgym.tests.envs.testkinds.owned:Words"])
def test_a_kind_of_somebody_elses_is_read_run_checked_and_shown(name: str, tmp_path: Path) -> None:
    tests = WORDS | {"kind": name}
    path = str(write(tmp_path, LINE | {"visible_tests": tests, "hidden_tests": tests}))
    benchmark = JsonlTasks(path)
    report = check(benchmark, benchmark.tasks("test"))
    assert [str(task.verdict) for task in report.tasks] == ["sound"]
    env = SoftwareEnv("jsonl", benchmark_path=path, interface="shell")
    try:
        said, _ = env.reset()
        assert "They look into a.txt." in said
        *_, info = env.step("sed -i s/no/yes/ a.txt\ntest")
        assert info["is_success"]
    finally:
        env.close()


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ({"kind": "wrods"}, "hidden_tests: kind: unknown kind 'wrods'; did you mean 'words'?"),
        ({"words": []}, "hidden_tests: has no kind: one of calls, "),
        (7, "hidden_tests: Input should be an object"),
        (
            {"kind": "words", "words": [{"path": "a.txt", "wrod": "x"}]},
            "hidden_tests.words.0.word: Field required",
        ),
        (
            {"kind": "words", "words": [{"path": "a.txt", "word": "x", "wrod": "x"}]},
            "hidden_tests.words.0.wrod: unknown field; did you mean 'word'?",
        ),
        (
            {"kind": "words", "words": [{"path": "b.txt", "word": "x"}]},
            "the line: hidden_tests.words.0.path 'b.txt' is not in files; did you mean 'a.txt'?",
        ),
        (HARNESS | {"parser": "tpa"}, "hidden_tests.parser: unknown parser of test logs 'tpa'"),
        (HARNESS | {"comand": []}, "hidden_tests.comand: unknown field; did you mean 'command'?"),
        (HARNESS | {"fail_to_pass": []}, "hidden_tests: tests in a harness need ids"),
        (HARNESS | {"pass_to_pass": ["a"]}, "hidden_tests: test id 'a' stands twice"),
        (HARNESS | {"reports": ["../x"]}, "hidden_tests.reports.0: path '../x' does not stay"),
        (HARNESS | {"files": {"/x": ""}}, "hidden_tests.files: path '/x' does not stay"),
    ],
)
def test_a_fault_names_line_field_and_the_nearest_legal_value(
    tmp_path: Path, tests: object, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_tasks(write(tmp_path, LINE | {"hidden_tests": tests}))
    assert f"tasks.jsonl:1: {message}" in str(caught.value)


def test_tests_in_a_harness_are_read_from_a_line(tmp_path: Path) -> None:
    more = {"files": {"t.sh": "echo"}, "control": False, "may_change": ["Makefile"]}
    (task,) = read_tasks(write(tmp_path, LINE | {"visible_tests": HARNESS | more}))
    assert task.visible_tests == HarnessTests(
        command=("sh", "t.sh"),
        parser="tap",
        fail_to_pass=("a",),
        files={"t.sh": "echo"},
        control=False,
        may_change=("Makefile",),
    )


def test_outcomes_of_kinds_with_one_name_are_told_apart() -> None:
    """In one sandbox, one after the other."""
    with Sandbox() as sandbox:
        for word, status in (("no", Status.PASSED), ("yes", Status.FAILED)):
            tests = WordTests(words={"a.txt": word})
            outcome = sandbox.run_tests({"a.txt": "no"}, tests, Limits())
            assert outcome.tests == {"a.txt": status}
