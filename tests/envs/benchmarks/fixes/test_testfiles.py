"""Tests of what the tests of a task bring along."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.benchmarks.fixes.layout import Layout
from hrmgym.envs.benchmarks.fixes.testfiles import files_of, function_of, only
from hrmgym.tests.sdists import HELPER, NEWER_TESTS


def names(text: str) -> list[str]:
    return [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
    ]


def test_a_module_keeps_the_named_tests_alone() -> None:
    text = only(NEWER_TESTS, {"test_label", "TestParcel::test_case"})
    assert sorted(names(text)) == ["test_case", "test_label"]
    assert "parametrize" not in text
    assert "another_limit" not in text
    assert "class TestParcel:" in text
    assert text.startswith("import pytest")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("class A:\n    def test_a(self):\n        pass\n", []),
        ("class A:\n    x = 1\n    def test_a(self):\n        pass\n    def test_b(self): 1\n", []),
        ("class A:\n    def test_w(self): 1\nclass B(A):\n    def test_a(self): 1\n", ["test_w"]),
        ("if 1:\n    def test_a():\n        pass\nelse:\n    def test_b(): pass\n", []),
        ("try:\n    import x\nexcept ImportError:\n    def test_a(): pass\n", []),
        ("async def test_a():\n    pass\ndef test_w():\n    'é'\n", ["test_w"]),
        ("class A:\n  class B:\n    @d\n    @e(\n 1)\n    def test_a(x): 1\n", []),
        ("def helper():\n    def test_a(): pass\n    return test_a\n", ["test_a"]),
    ],
)
def test_what_is_left_is_python(text: str, kept: list[str]) -> None:
    left = only(text, {"test_w", "B::test_w"})
    assert names(left) == kept


def test_what_is_not_python_is_left_alone() -> None:
    assert only("def test(:\n", ()) == "def test(:\n"


TESTS = {
    "pytest.ini": "[pytest]\n",
    "tests/__init__.py": "",
    "tests/conftest.py": "",
    "tests/helper.py": HELPER,
    "tests/test_core.py": "from .test_base import Base\n" + NEWER_TESTS + "    # reads big\n",
    "tests/test_base.py": "class Base:\n    x = 1\n    def test_secret(self): pass\n",
    "tests/test_other.py": "def test_other(): pass\n",
    "tests/data/small.json": "{}",
    "tests/data/big.txt": "x" * 100_000,
    "tests/data/huge.txt": "x" * 100_000,
}


def test_helpers_come_along_and_other_test_modules_only_where_they_are_imported() -> None:
    layout = Layout({}, TESTS, "")
    found = files_of(layout, ["tests/test_core.py::test_label"])
    assert set(found) == set(TESTS) - {"tests/test_other.py", "tests/data/huge.txt"}
    assert "secret" not in found["tests/test_base.py"]
    assert "class Base" in found["tests/test_base.py"]
    assert names(found["tests/test_core.py"]) == ["test_label"]
    assert list(found) == sorted(found)


def test_a_test_is_named_by_its_function() -> None:
    assert function_of("t.py::A::test_a[x::y-[1]]") == "t.py::A::test_a"
    assert function_of("t.py::test_a") == "t.py::test_a"
