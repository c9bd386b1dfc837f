"""What goes to the two sandboxes, and the verdict on what comes back."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from typing import Any

import pytest

from hrmgym.envs.sandboxes.verdicts import aparttests
from hrmgym.envs.task import Limits, PytestTests

LIMITS = Limits()
TESTS = PytestTests(
    files={
        "pkg/__init__.py": "",
        "pkg/tests/__init__.py": "",
        "pkg/tests/test_a.py": "import json\nfrom lib import f\n",
        "more/test_b.py": "import os.path\n",
        "more/helper.py": "import math\n",
    },
    ids=("pkg/tests/test_a.py::test_1", "more/test_b.py::test_2"),
)
FIRST, SECOND = TESTS.ids


def test_plan() -> None:
    plan = aparttests.plan(TESTS, LIMITS)
    assert plan.roots == ("more", "")
    assert plan.imports == {"json", "lib", "os", "math"}
    assert plan.prepare["targets"] == ["pkg/tests/test_a.py", "more/test_b.py"]
    assert not plan.prepare["eager"]
    assert not plan.prints
    assert aparttests.plan(TESTS, LIMITS) is plan


def test_keys_stand_for_all_that_counts() -> None:
    variants = [
        (TESTS, LIMITS),
        (replace(TESTS, ids=TESTS.ids[:1]), LIMITS),
        (replace(TESTS, args=("-x",)), LIMITS),
        (replace(TESTS, files={**TESTS.files, "more/helper.py": ""}), LIMITS),
        (TESTS, Limits(memory_mb=1)),
        (TESTS, Limits(file_mb=1)),
    ]
    assert len({aparttests.plan(*one).key for one in variants}) == len(variants)
    assert aparttests.plan(TESTS, Limits(cpu_s=99)).key == aparttests.plan(TESTS, LIMITS).key


@pytest.mark.parametrize(
    ("text", "eager"),
    [
        ("from lib import *", True),
        ("try:\n    import lib\nexcept ImportError:\n    lib = None", True),
        ("import pytest\nlib = pytest.importorskip('lib')", True),
        ("def f():\n    import lib", False),
        ("if 1:\n    import lib", False),
        ("(", False),
    ],
)
def test_eager(text: str, eager: bool) -> None:
    tests = PytestTests(files={"test_a.py": text}, ids=("test_a.py::test",))
    assert aparttests.plan(tests, LIMITS).prepare["eager"] is eager


@pytest.mark.parametrize(
    ("path", "shadows"),
    [
        ("json.py", True),
        ("json/__init__.py", True),
        ("more/math.py", True),
        ("pkg/json.py", False),
        ("random.py", False),
        ("lib.py", False),
        ("json.txt", False),
    ],
)
def test_shadowed(path: str, shadows: bool) -> None:
    plan = aparttests.plan(TESTS, LIMITS)
    assert aparttests.shadowed(plan, {"x.py": "", path: ""}) == (path if shadows else "")


def verdict(*events: dict[str, Any], judge: int | None = 0, candidate: int | None = 0) -> Any:
    lines = b"".join(json.dumps([event]).encode() + b"\n" for event in events)
    reply = aparttests.Reply(lines, judge, candidate, 1.0, 2.0)
    outcome = aparttests.judge(TESTS, reply)
    return [outcome.tests[one].value for one in TESTS.ids], outcome.message


def passed(name: str) -> list[dict[str, Any]]:
    return [{"start": name}, {"test": name, "phase": "call", "outcome": "passed"}, {"end": name}]


def test_verdicts() -> None:
    assert verdict(*passed(FIRST), *passed(SECOND)) == (["passed", "passed"], "")
    assert verdict(*passed(FIRST)) == (["passed", "missing"], f"{SECOND}: not reported")
    start = [*passed(FIRST), {"start": SECOND}]
    lost = {"lost": SECOND, "message": ""}
    assert verdict(*start, lost, candidate=3) == (["passed", "error"], f"{SECOND}: ended the process")  # noqa: E501  # fmt: skip
    for status in (None, -signal.SIGPROF, -signal.SIGXCPU):
        expected = ["passed", "timeout"], f"{SECOND}: timed out"
        assert verdict(*start, lost, candidate=status) == expected
        assert verdict(*start, judge=status) == expected
    told = {"lost": SECOND, "message": "nonsense"}
    assert verdict(*start, told, candidate=None) == (["passed", "error"], f"{SECOND}: nonsense")


def test_verdicts_on_imports() -> None:
    lost = {"lost": "", "message": ""}
    assert verdict(lost, candidate=0)[0] == ["error", "error"]
    assert "when it is imported" in verdict(lost, candidate=0)[1]
    assert verdict(lost, candidate=None)[0] == ["timeout", "timeout"]
    assert verdict({"lost": "", "message": "nonsense"}, candidate=0)[1] == "nonsense"
    broken = {"broken": "pkg/tests/test_a.py", "message": "KeyError: 1", "path": "l.py", "line": 3}
    assert verdict(broken, *passed(SECOND)) == (["error", "passed"], f"{FIRST}: KeyError: 1")
    assert verdict({"bad": "no tests"})[0] == ["error", "error"]


def test_killed_processes_are_told() -> None:
    lost = json.dumps([{"lost": FIRST, "message": ""}]).encode() + b"\n"
    kill = -signal.SIGKILL
    assert aparttests.judge(TESTS, aparttests.Reply(lost, 0, kill, 0.0, 0.0)).killed
    assert aparttests.judge(TESTS, aparttests.Reply(b"", kill, 0, 0.0, 0.0)).killed
    assert not aparttests.judge(TESTS, aparttests.Reply(b"", 0, kill, 0.0, 0.0)).killed
