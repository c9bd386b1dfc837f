"""How tests run, as information, reports and `check` tell it."""

from __future__ import annotations

import pytest

from hrmgym.envs.sandboxes.verdicts.modes import tests_apart as mode_of
from hrmgym.envs.task import CallTests, CommandTests, PytestTests, StdioTests, TestSpec

CALLS = CallTests(path="f.py", function="f", cases=())
STDIO = StdioTests(path="f.py", cases=())


def pytest_tests(text: str) -> PytestTests:
    return PytestTests(files={"test_a.py": text}, ids=("test_a.py::test",))


@pytest.mark.parametrize(
    ("tests", "keeps_apart", "mode", "why"),
    [
        (CALLS, True, "apart", ""),
        (CALLS, False, "apart", ""),
        (STDIO, False, "apart", ""),
        (CommandTests(command=("make", "test")), True, "harness", "the exit status of 'make' decides"),  # noqa: E501
        (pytest_tests("def test(): pass"), True, "apart", ""),
        (pytest_tests("def test(): pass"), False, "together", "in this sandbox, pytest runs in one process with the code"),  # noqa: E501
        (pytest_tests("def test(monkeypatch): pass"), True, "together", "test_a.py:1: replaces parts of the tested code"),  # noqa: E501
    ],
)  # fmt: skip
def test_modes(tests: TestSpec, keeps_apart: bool, mode: str, why: str) -> None:
    assert mode_of(tests, keeps_apart=keeps_apart) == (mode, why)
