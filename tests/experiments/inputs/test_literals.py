"""Examples of arguments, read off the text of tests."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from hrmgym.experiments.inputs import call_driver
from hrmgym.experiments.inputs.literals import calls_in

TEXT = """\
import pytest
from pkg import f, other
import pkg

CONSTANT = 3


def test_written_out():
    assert f(1, "a") == 2
    assert pkg.f([1, (2, 3)], key={"x": None}) == f(-1.5)
    assert f(1, "a") == 2
    with pytest.raises(ValueError):
        f(b"x", {1, 2}, True)
    assert other(7) == 1


def test_not_written_out(unknown):
    assert f(unknown) == f(other(2)) == f(CONSTANT) == f(...) == f(1j) == f(*[1]) == f(**{})


def test_assigned():
    text = "abc"
    rows = [text, 1]
    again = 1
    again = 2
    assert f(text) == f(rows, flag=False) == f(again)


@pytest.mark.parametrize("one, two", [(1, 2), (3, 4), (unknown, 5), pytest.param(6, [7], id="x")])
def test_parametrized(one, two):
    assert f(one, two) == f([two])


class TestSomething(Base):
    @pytest.mark.parametrize("value", ["p", "q"])
    def test_method(self, value):
        self.assertEqual(f(value), self.f("no"))
"""


def test_calls_are_found_with_what_they_write_out() -> None:
    found = calls_in([TEXT], "f")
    assert ({}, 1, "a") in found
    assert ({"key": {"x": None}}, [1, (2, 3)]) in found
    assert ({}, -1.5) in found
    assert ({}, 1) in found  # `*[1]`
    assert ({}, b"x", {1, 2}, True) in found
    assert len(found) == len({repr(one) for one in found})


def test_names_stand_for_what_a_test_assigns_once() -> None:
    found = calls_in([TEXT], "f")
    assert ({}, "abc") in found
    assert ({"flag": False}, ["abc", 1]) in found
    assert ({}, 2) not in found


def test_names_stand_for_parameters() -> None:
    found = calls_in([TEXT], "f")
    for one in [({}, 1, 2), ({}, 3, 4), ({}, 6, [7]), ({}, [2]), ({}, [5]), ({}, "p"), ({}, "q")]:
        assert one in found
    assert ({}, "no") in found  # an attribute of a name may be a module's


def test_what_is_not_written_out_is_left_out() -> None:
    assert calls_in([TEXT], "other") == [({}, 7), ({}, 2)]
    assert calls_in([TEXT], "g") == []
    assert calls_in(["def broken(:"], "f") == []
    assert calls_in(["f(unknown)\nf(...)\nf(1j)\nf(*a)\nf(**b)\nf(*3)"], "f") == []


def test_there_are_not_too_many() -> None:
    assert len(calls_in(["\n".join(f"f({number})" for number in range(2_000))], "f")) == 500


def test_the_driver_asks_and_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("asked_package")
    module.f = lambda *args, **keywords: (one for one in (*args, *keywords.items()))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "asked_package", module)
    monkeypatch.setattr(call_driver, "ASKED", ("asked_package", "f"))
    assert call_driver.ask({"key": 1}, 2, 3) == [2, 3, ("key", 1)]
