"""Edited bodies are put into loaded functions, whoever holds them."""

from __future__ import annotations

import functools
from types import CodeType, ModuleType

import pytest

from hrmgym.envs.sandboxes.screening.patching import Bodies, noting, patched

BASE = '''\
from functools import lru_cache

X = 1


def plain(a, b=2):
    """What it does."""
    return a + b


@lru_cache
def cached(a):
    return a

class Outer:
    y = 3

    class Inner:
        def __init__(self, v):
            self.__v = v

        @property
        def v(self):
            return self.__v

    def method(self):
        return super().__repr__() and self.y

    @staticmethod
    def still(a): return a

if X:
    def chosen():
        def inner():
            return X
        return inner()
'''
FILE = "/nowhere/patched.py"


@pytest.fixture
def module() -> ModuleType:
    made = ModuleType("patched")
    exec(compile(BASE, FILE, "exec"), made.__dict__)
    return made


@pytest.mark.parametrize(
    ("old", "new", "ask", "before", "after"),
    [
        ("a + b", "a - b", "plain(1)", 3, -1),
        ("a + b", "a + X", "plain(1)", 3, 2),
        ("    return a + b\n", "    if a:\n        b = 7\n    return b\n", "plain(1)", 3, 7),
        ("return a\n\nclass", "return -a\n\nclass", "cached(4)", 4, -4),
        ("self.__v\n", "self.__v * 2\n", "Outer.Inner(4).v", 4, 8),
        ("self.y", "self.y + 1", "Outer().method()", 3, 4),
        (": return a", ": return [a]", "Outer.still(1)", 1, [1]),
        ("return X\n", "return -X\n", "chosen()", 1, -1),
        ('"""What it does."""', "return 9", "plain(1)", 3, 9),
    ],
)
def test_a_new_body(
    module: ModuleType, old: str, new: str, ask: str, before: object, after: object
) -> None:
    text = BASE.replace(old, new)
    assert text != BASE
    found = Bodies(BASE, FILE).edited(text)
    assert found is not None
    assert eval(ask, module.__dict__) == before
    _clear(module)
    with patched(*found):
        assert eval(ask, module.__dict__) == after
    _clear(module)
    assert eval(ask, module.__dict__) == before


def _clear(module: ModuleType) -> None:
    cached = module.__dict__["cached"]
    assert isinstance(cached, functools._lru_cache_wrapper)
    cached.cache_clear()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X = 1", "X = 2"),
        ("b=2", "b=3"),
        ("def plain(a, b", "def plain(b, a"),
        ("@lru_cache\n", ""),
        ("y = 3", "y = 4"),
        ("return a + b\n", "return a - b\n\n\nX = 5\n"),
        ("return a + b\n", "return a - b\n\n\ndef more():\n    pass\n"),
        ("    def method", "    z = 3\n\n    def method"),
        ("super().__repr__() and self.y", "self.y"),  # no longer with the class in its closure
    ],
)
def test_what_is_more_than_a_body_is_not_put_in_place(
    module: ModuleType, old: str, new: str
) -> None:
    text = BASE.replace(old, new)
    assert text != BASE
    assert Bodies(BASE, FILE).edited(text) is None


def test_what_has_run_stays_as_it_is() -> None:
    """A decorator's work, for instance, is done when the module is loaded."""
    run: set[CodeType] = set()
    made = ModuleType("patched")
    with noting(FILE, run):
        exec(compile(BASE, FILE, "exec"), made.__dict__)
    assert Bodies(BASE, FILE, run).edited(BASE.replace("a + b", "a - b")) is not None
    with noting(FILE, run):
        made.__dict__["plain"](1)
    assert Bodies(BASE, FILE, run).edited(BASE.replace("a + b", "a - b")) is None


def test_the_same_text_changes_nothing(module: ModuleType) -> None:
    found = Bodies(BASE, FILE).edited(BASE)
    assert found is not None
    assert found[1] == []


def test_a_body_that_is_no_python(module: ModuleType) -> None:
    with pytest.raises(SyntaxError):
        Bodies(BASE, FILE).edited(BASE.replace("a + b", "a +"))
