"""Which tests are collected before the tested code is there: only these are as fast as can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.local import apart
from hrmgym.envs.task import Limits, PytestTests

CODE = "VALUE = 3\nclass Point:\n    x = 1\ndef double(x):\n    return 2 * x\n"
LIMITS = Limits(cpu_s=10.0, wall_s=30.0)
EARLY = {
    "a function": "from solution import double\ndef test_a():\n    assert double(3) == 6\n",
    "a class": "from solution import Point\ndef test_a():\n    assert Point().x == 1\n",
    "a module": "import solution as s\ndef test_a():\n    assert s.double(3) == 6\n",
    "inside a function": "def test_a():\n    import solution\n    assert solution.VALUE == 3\n",
    "a test case": (
        "import unittest\nfrom solution import double\n"
        "class Test(unittest.TestCase):\n    def test_a(self):\n        assert double(3) == 6\n"
    ),
    "plain parameters": (
        "import pytest\nfrom solution import double\n"
        "@pytest.mark.parametrize('x', [3])\ndef test_a(x):\n    assert double(x) == 6\n"
    ),
}
LATE = {
    "a static method in a class of tests": (
        "from solution import double\n"
        "class Test:\n    twice = staticmethod(double)\n"
        "    def test_a(self):\n        assert self.twice(3) == 6\n"
    ),
    "a star": "from solution import *\ndef test_a():\n    assert double(3) == 6\n",
    "computed parameters": (
        "import pytest, solution\n"
        "@pytest.mark.parametrize('x', range(solution.VALUE))\n"
        "def test_a(x):\n    assert solution.double(x) == 2 * x\n"
    ),
}


@pytest.mark.parametrize("shape", [*EARLY, *LATE])
def test_when_tests_are_collected(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Mapping[str, Any]] = []
    held_mb = apart._held_mb

    def note(header: Mapping[str, Any]) -> int:
        seen.append(header)
        return held_mb(header)

    monkeypatch.setattr(apart, "_held_mb", note)
    text = (EARLY | LATE)[shape]
    name = "test_x.py::Test::test_a" if "class Test" in text else "test_x.py::test_a"
    tests = PytestTests(files={"test_x.py": text}, ids=(name,))
    with Sandbox() as sandbox:
        outcome = sandbox.run_tests({"solution.py": CODE}, tests, LIMITS)
    assert outcome.resolved, outcome.message
    assert seen[0]["late"] == (shape in LATE)
