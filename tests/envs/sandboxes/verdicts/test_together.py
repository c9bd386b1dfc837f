"""Which tests cannot run apart."""

from __future__ import annotations

import pytest

from hrmgym.envs.sandboxes.verdicts import together
from hrmgym.envs.task import PytestTests


def reason(text: str, **options: bool) -> str:
    return together.reason(PytestTests(files={"test_a.py": text}, ids=(), **options))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import subprocess", "test_a.py:1: starts programs"),
        ("x = 1\nfrom unittest import mock", "test_a.py:2: replaces parts of the tested code"),
        ("import unittest.mock as m", "test_a.py:1: replaces parts of the tested code"),
        ("from unittest.mock import patch", "test_a.py:1: replaces parts of the tested code"),
        ("def test(monkeypatch): pass", "test_a.py:1: replaces parts of the tested code"),
        ("def test(tmp_path): pass", "test_a.py:1: shares files with the tested code"),
        ("class T:\n    def test(self, *, caplog): pass", "test_a.py:2: looks at the tested code's log"),  # noqa: E501
        ("async def test(): pass", "test_a.py:1: uses coroutines"),
        ("import pytest\nwith pytest.warns(UserWarning): pass", "test_a.py:2: looks at the tested code's warnings"),  # noqa: E501
        ("import pytest\n@pytest.mark.usefixtures('tmpdir')\ndef test(): pass", "test_a.py:2: shares files with the tested code"),  # noqa: E501
        ("import os\nos.environ['A'] = '1'", "test_a.py:2: shares its environment with the tested code"),  # noqa: E501
        ("import threading", "test_a.py:1: uses threads"),
    ],
)  # fmt: skip
def test_together(text: str, why: str) -> None:
    assert reason(text) == why


@pytest.mark.parametrize(
    "text",
    [
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertTrue(1)",
        "import pytest, math, os.path\n@pytest.fixture\ndef f(capsys): return os.environ['A']",
        "from . import mock",
        "def broken(",
        "def test(request): pass",
    ],
)
def test_apart(text: str) -> None:
    assert reason(text) == ""


def test_the_task_decides() -> None:
    assert reason("", together=True) == "the task says so"


def test_only_python_files_count() -> None:
    tests = PytestTests(files={"data.txt": "import subprocess"}, ids=())
    assert together.reason(tests) == ""
