"""What classes of the tested code do instead of what Python does by itself, seen from its tests.

A returned exception that is false, a text that says how long it is: tests that run apart must not
pass for what holds of a stand-in alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.tests.envs.sandboxes.local.test_apart import Run, runner, statuses, task_of

LIB = """
import abc
import enum
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

class Quiet(Exception):
    def __bool__(self): return False
class Heir(Quiet): pass
class Mixed(ValueError, Quiet): pass
class Sized(Exception):
    def __len__(self): return 0
class Same(Exception):
    def __init__(self, key, other=None): super().__init__(key); self.key = key
    def __eq__(self, other): return isinstance(other, Same) and self.key == other.key
    def __hash__(self): return hash(self.key)
    def __repr__(self): return f"<{self.key}>"
    def __str__(self): return f"key {self.key}"
    def __contains__(self, part): return part == self.key
    def __iter__(self): return iter([self.key])
    def __getitem__(self, index): return self.key * index
    def label(self): return self.key.upper()
    @property
    def size(self): return len(self.key)
@dataclass
class Coded(Exception):
    code: int
class Plain(Exception): pass

class Text(str):
    def __bool__(self): return False
    def __len__(self): return 99
    def __iter__(self): return iter("xy")
    def __getitem__(self, index): return "z"
class Lower(str):
    def __eq__(self, other): return str.lower(self) == str.lower(other)
    def __hash__(self): return hash(str.lower(self))
    def __contains__(self, part): return str.lower(part) in str.lower(self)
class Zero(int):
    def __bool__(self): return True
    def __int__(self): return 7
    def __index__(self): return 7
class Box(tuple):
    def __contains__(self, item): return item == "box"
    def __len__(self): return 99
    def __lt__(self, other): return True
class Point(NamedTuple):
    x: int
    y: int
    def __bool__(self): return bool(self.x)
class Bits(enum.IntFlag):
    NONE, ONE, TWO = 0, 1, 2
class Level(enum.IntEnum):
    LOW, HIGH = 0, 1
class Word(str, enum.Enum):
    A = "a"

class Shape(abc.ABC): pass
class Square: pass
Shape.register(Square)
@runtime_checkable
class Drawn(Protocol):
    def draw(self): ...
class Sketch:
    def draw(self): return 1
class AllIn(type):
    def __contains__(cls, item): return item == 3
class Some(metaclass=AllIn): pass

def caught():
    try: raise Same("k")
    except Same as error: return error
def quiet(): return Quiet("x")
def same(key="k"): return Same(key)
def many(): return [Same("k"), Plain("p")]
"""
#: What is true of these objects where tests and code share a process.
TRUE = [
    "not lib.quiet()",
    "not lib.Heir('x')",
    "not lib.Mixed('x')",
    "not lib.Sized('x')",
    "lib.Plain('x')",
    "lib.same() == lib.same()",
    "not (lib.same() != lib.same())",
    "lib.same() != lib.same('other')",
    "lib.same() in lib.many()",
    "lib.Plain('x') != lib.Plain('x')",
    "len({lib.same(), lib.same()}) == 1",
    "repr(lib.same()) == '<k>' and str(lib.same()) == 'key k'",
    "f'{lib.same()}' == 'key k'",
    "'k' in lib.same()",
    "list(lib.same()) == ['k']",
    "lib.same()[2] == 'kk'",
    "lib.same().label() == 'K' and lib.same().size == 1",
    "lib.caught().label() == 'K'",
    "lib.Coded(1) == lib.Coded(1)",
    "lib.Coded(1) != lib.Coded(2)",
    "lib.Coded(1) != 1",
    "not lib.Text('abc')",
    "len(lib.Text('abc')) == 99",
    "list(lib.Text('abc')) == ['x', 'y']",
    "lib.Text('abc')[0] == 'z'",
    "lib.Text('abc') == 'abc'",
    "lib.Lower('ABC') == 'abc'",
    "lib.Lower('ABC') != 'abc'",  # as str has it
    "lib.Lower('ABC') == lib.Lower('abc')",
    "'b' in lib.Lower('ABC')",
    "bool(lib.Zero(0))",
    "int(lib.Zero(0)) == 7",
    "[*range(9)][lib.Zero(0)] == 0",  # what is an int already is not asked
    "'box' in lib.Box((1,))",
    "1 not in lib.Box((1,))",
    "len(lib.Box((1,))) == 99",
    "lib.Box((5,)) < (1,)",
    "not lib.Point(0, 1)",
    "not lib.Bits.NONE and lib.Bits.ONE | lib.Bits.TWO == 3",
    "lib.Level.HIGH == 1 and lib.Level.LOW < lib.Level.HIGH and not lib.Level.LOW",
    "{lib.Level.HIGH: 1}[1] == 1",
    "lib.Word.A == 'a' and {lib.Word.A: 1}['a'] == 1",
    "isinstance(lib.Square(), lib.Shape)",
    "issubclass(lib.Square, lib.Shape)",
    "isinstance(lib.Sketch(), lib.Drawn)",
    "not isinstance(lib.Square(), lib.Drawn)",
    "3 in lib.Some",
]
#: These compare texts and numbers, which apart is done on the plain data, whatever a class says:
#: else a class that equals everything would pass.
PLAIN = {
    "lib.Lower('ABC') == 'abc'",
    "lib.Lower('ABC') == lib.Lower('abc')",
    "lib.Box((5,)) < (1,)",
}


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with runner(LocalRuntime()) as made:
        yield made


@pytest.mark.parametrize(("form", "right"), [("assert {}", True), ("assert not ({})", False)])
def test_what_is_true_in_one_process_is_true_apart(run: Run, form: str, right: bool) -> None:
    names = [f"test_{number}" for number in range(len(TRUE))]
    bodies = dict(zip(names, TRUE, strict=True))
    text = "import lib\n" + "".join(
        f"def {name}(): {form.format(what)}\n" for name, what in bodies.items()
    )
    together = run({"lib.py": LIB}, replace(task_of(text, *names), together=True))
    assert set(statuses(together)) == {"passed" if right else "failed"}
    apart = run({"lib.py": LIB}, task_of(text, *names))
    other = {
        bodies[name]
        for name, status in zip(names, statuses(apart), strict=True)
        if (status == "passed") != right
    }
    assert other == PLAIN, apart.message


def test_an_error_that_the_tests_raise_is_one_of_the_code(run: Run) -> None:
    text = """
import pytest, lib
def test():
    with pytest.raises(lib.Quiet) as caught:
        raise lib.Heir("x")
    assert isinstance(caught.value, lib.Quiet) and caught.value.args == ("x",)
    with pytest.raises(AttributeError):
        caught.value.nothing
"""
    outcome = run({"lib.py": LIB}, task_of(text))
    assert outcome.resolved, outcome.message


def test_a_wrong_answer_that_is_an_error_is_seen(run: Run) -> None:
    """As validators' functions do: what is wrong with a value is returned, and is false."""
    code = "class Wrong(Exception):\n    def __bool__(self): return False\n"
    tests = task_of("from lib import check\ndef test(): assert check(3)\n")
    assert run({"lib.py": code + "def check(x): return x == 3 or Wrong(x)\n"}, tests).resolved
    outcome = run({"lib.py": code + "def check(x): return x == 4 or Wrong(x)\n"}, tests)
    assert statuses(outcome) == ["failed"]
