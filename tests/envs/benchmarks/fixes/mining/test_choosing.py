"""Tests of which tests a task gets."""

from __future__ import annotations

import pytest

from hrmgym.envs.benchmarks.fixes.layout import Layout
from hrmgym.envs.benchmarks.fixes.mining import choosing
from hrmgym.envs.benchmarks.fixes.mining.runs import Observed
from hrmgym.envs.benchmarks.fixes.recipe import Side


def names(*numbers: int) -> dict[str, float]:
    return {f"t.py::test_{number}": 0.01 for number in numbers}


def chosen(
    failing: dict[str, float], passing: dict[str, float], **more: object
) -> tuple[Side, Side]:
    given = {"covering": set(passing), "new": set(failing), "seed": 0} | more
    found = choosing.sides(failing, passing, **given)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_two_failing_tests_are_told_apart() -> None:
    visible, hidden = chosen(names(1, 2), names(3, 4, 5))
    assert {*visible.fail_to_pass, *hidden.fail_to_pass} == set(names(1, 2))
    assert len(visible.fail_to_pass) == len(hidden.fail_to_pass) == 1
    assert len(hidden.pass_to_pass) == 2
    assert len(visible.pass_to_pass) == 1
    assert not set(visible.ids) & set(hidden.ids)


def test_a_single_failing_test_is_on_both_sides_and_others_decide_too() -> None:
    visible, hidden = chosen(names(1), names(3, 4))
    assert visible.fail_to_pass == hidden.fail_to_pass == ("t.py::test_1",)
    assert not set(visible.pass_to_pass) & set(hidden.pass_to_pass)
    assert hidden.pass_to_pass
    assert choosing.sides(names(1), names(3), names(3), set(names(1)), 0) is None


def test_a_new_failing_test_is_needed_and_comes_first() -> None:
    assert choosing.sides(names(1, 2), names(3, 4), names(3), set(), 0) is None
    for new in names(1, 2, 5):
        visible, _ = chosen(names(1, 2, 5), names(3, 4), new={new})
        assert visible.fail_to_pass[0] == new


def test_tests_that_run_the_function_come_before_others_of_the_same_files() -> None:
    passing = names(*range(3, 60)) | {"other.py::test_x": 0.01}
    visible, hidden = chosen(names(1, 2), passing, covering=set(names(7)))
    assert hidden.pass_to_pass[0] == "t.py::test_7"
    assert len(visible.pass_to_pass) + len(hidden.pass_to_pass) == 4
    assert "other.py::test_x" not in {*visible.ids, *hidden.ids}
    visible, hidden = chosen(names(*range(100, 150)), passing)
    assert len(visible.ids) == len(hidden.ids) == 12


def test_slow_tests_are_left_out() -> None:
    slow = {"t.py::test_9": 1.0}
    assert choosing.sides(slow, names(3, 4), names(3), set(slow), 0) is None
    visible, hidden = chosen(names(1, 2), names(3, 4) | slow)
    assert "t.py::test_9" not in {*visible.ids, *hidden.ids}


def test_a_seed_decides_and_what_else_is_there_does_not() -> None:
    few, many = names(1, 2, 3), names(*range(40))
    assert [one for one in choosing.order(1, many) if one in few] == choosing.order(1, few)
    assert choosing.order(1, many) != choosing.order(2, many)
    assert chosen(few, names(5, 6)) == chosen(few, names(5, 6))


def failed(exception: str, message: str = "") -> Observed:
    return Observed("failed", 0.0, exception, message, ())


@pytest.mark.parametrize(
    ("tests", "coupled"),
    [
        ([failed("NameError")], True),
        ([failed("TypeError", "f() got an unexpected keyword argument 'x'")], True),
        ([failed("TypeError", "f() takes 1 positional argument but 2 were given")], True),
        ([failed("TypeError", "unsupported operand type(s) for +")], False),
        ([failed("AttributeError", "'NoneType' object has no attribute 'x'")], False),
        ([failed("AssertionError"), failed("NameError")], False),
        ([failed("ImportError"), failed("ModuleNotFoundError")], True),
    ],
)
def test_failures_that_say_that_something_is_not_there(
    tests: list[Observed], coupled: bool
) -> None:
    assert choosing.is_coupled(tests) is coupled


OLD = "def test_a():\n    assert f(1)\n\nclass T:\n    def test_b(self):\n        pass\n"


@pytest.mark.parametrize(
    ("test", "new"),
    [
        ("tests/t.py::test_a", False),
        ("tests/t.py::T::test_b", True),
        ("tests/t.py::test_c", True),
        ("tests/new.py::test_a", True),
    ],
)
def test_new_and_changed_tests_are_told_by_what_they_do(test: str, new: bool) -> None:
    old = Layout({}, {"pkg/tests/t.py": OLD}, "")
    text = OLD.replace("pass", "f(2)").replace("def test_a():", "def test_a():  # same") + (
        "def test_c():\n    f(3)\n"
    )
    newer = Layout({}, {"tests/t.py": text, "tests/new.py": text}, "")
    assert choosing.is_new(test, old, newer) is new


def test_a_function_of_tests_passes_with_all_of_its_parameters() -> None:
    passed = Observed("passed", 0.1, "", "", ())
    tests = {
        "t.py::a[1]": passed,
        "t.py::a[2]": failed("E"),
        "t.py::b[x]": passed,
        "t.py::c": passed,
    }
    assert choosing.all_passed(tests) == {"t.py::b", "t.py::c"}
    assert len(choosing.by_function(tests)["t.py::a"]) == 2
