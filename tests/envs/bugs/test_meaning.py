"""What counts as the same program."""

from __future__ import annotations

import pytest

from hrmgym.envs.bugs.meaning import compiles, meaning, meaning_without_names
from hrmgym.errors import DataError


def function(body: str, parameters: str = "self, a, b") -> str:
    return f"def f({parameters}):\n" + "".join(f"    {line}\n" for line in body.split("\n"))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("return a  # one", "return (a)"),
        ("x: int = a\nreturn x", "x = a\nreturn x"),
        ("'''Doc.'''\nreturn a", "return a"),
        ("raise ValueError('no such thing here') from a", 'raise ValueError("There is no such b")'),
        ("return super(C, self).f(a)", "return super().f(a)"),
        ("return Base.f(self, a)", "return super().f(a)"),
        ("return 'a %s' % a", "return f'a {a}'"),
        ("return 'a {}'.format(a)", "return f'a {a}'"),
        ("return set([a, b])", "return {a, b}"),
        ("return dict(a=b)", "return {'a': b}"),
        ("return dict()", "return {}"),
        ("return isinstance(a, (int, str))", "return isinstance(a, str | int)"),
        ("try:\n    a()\nexcept IOError:\n    b()", "try:\n    a()\nexcept OSError as e:\n    b()"),
        ("for x in a.keys():\n    b(x)", "for x in a:\n    b(x)"),
        ("assert a\nreturn cast(int, a)", "return a"),
        ("return isinstance(a, six.string_types)", "return isinstance(a, str)"),
        ("return a(since='1.0.2')", "return a(since='2.0')"),
    ],
)
def test_spellings_of_one_program_mean_the_same(one: str, two: str) -> None:
    assert meaning(function(one)) == meaning(function(two))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("return a < b", "return a <= b"),
        ("return a.get(b)", "return a[b]"),
        ("return f(a, 1)", "return f(a, 2)"),
        ("return 'utf8'", "return 'latin1'"),
        ("raise ValueError", "raise TypeError"),
        ("return isinstance(a, int)", "return isinstance(a, (int, str))"),
        ("return a.f(self)", "return super().f(self)"),
    ],
)
def test_other_programs_mean_something_else(one: str, two: str) -> None:
    assert meaning(function(one)) != meaning(function(two))
    assert meaning_without_names(function(one)) != meaning_without_names(function(two))


def test_annotations_and_defaults() -> None:
    assert meaning(function("pass", "a: int = 1")) == meaning(function("pass", "a=1"))
    assert meaning(function("pass", "a=1")) != meaning(function("pass", "a=2"))


def test_renamed_variables() -> None:
    one, two = function("x = a\nreturn x + b"), function("total = a\nreturn total + b")
    assert meaning(one) != meaning(two)
    assert meaning_without_names(one) == meaning_without_names(two)
    swapped = function("x = a\nreturn b + x")
    assert meaning_without_names(one) != meaning_without_names(swapped)


def test_what_is_no_python() -> None:
    with pytest.raises(DataError, match="not Python source"):
        meaning("def f(:\n")
    assert not compiles("def f(:\n")
    assert not compiles("x = 1 is 1\n")  # warns
    assert compiles("x = 1\n")
