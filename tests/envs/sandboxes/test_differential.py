"""Tests that run apart from the tested code say the same as real pytest in one process."""

from __future__ import annotations

import ast
import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.quixbugs import QuixBugs
from hrmgym.envs.sandboxes.local.bench import open_bench
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.verdicts import testing, together
from hrmgym.envs.task import Limits, Outcome, PytestTests, Task

Run = Callable[[Mapping[str, str], PytestTests], Outcome]
LIMITS = Limits(cpu_s=3.0, wall_s=30.0)
DATA = Path(os.environ.get("HRMGYM_DATA", "/nonexistent"))
EXERCISES = DATA / "polyglot-benchmark/python/exercises/practice"
#: Those whose tests do what the others do not: callbacks, equality of the tested code's objects,
#: classes that are compared, errors with attributes, random numbers, many tests.
CHOSEN = (
    "dot-dsl",
    "hangman",
    "react",
    "robot-name",
    "sgf-parsing",
    "simple-linked-list",
    "zipper",
)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    loop = asyncio.new_event_loop()
    runtime = LocalRuntime()
    bench = loop.run_until_complete(open_bench(runtime))
    yield lambda files, tests: loop.run_until_complete(
        testing.run_tests(bench, files, tests, LIMITS)
    )
    loop.run_until_complete(runtime.close())
    loop.close()


def compare(run: Run, files: Mapping[str, str], tests: PytestTests) -> Outcome:
    """The outcome apart, which is real pytest's."""
    assert not together.reason(tests)
    apart = run(files, tests)
    real = run(files, replace(tests, together=True))
    assert apart == real
    return apart


# --- what pytest offers ---

CODE = """
import collections, enum, dataclasses

class Wrong(ValueError):
    def __init__(self, text, code):
        super().__init__(text)
        self.code = code

class Colour(enum.Enum):
    RED = 1

class Number(enum.IntEnum):
    ONE = 1

Point = collections.namedtuple("Point", "x y")

@dataclasses.dataclass
class Item:
    name: str
    tags: list

class Bag:
    def __init__(self, items=()): self.items = list(items)
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __contains__(self, item): return item in self.items
    def __getitem__(self, i): return self.items[i]
    def __eq__(self, other): return isinstance(other, Bag) and self.items == other.items
    def __add__(self, other): return Bag(self.items + other.items)
    def __enter__(self): return self
    def __exit__(self, *_): self.items.clear()
    def __repr__(self): return f"Bag({self.items})"

SIZE = 3
def double(x): return 2 * x
def sort(xs): xs.sort()
def fail(): raise Wrong("bad input", 7)
def say(text): print(text)
def count(n): yield from range(n)
def apply(f, *xs): return [f(x) for x in xs]
def third(): return 1 / 3
"""

FEATURES = """
import pytest
import lib
from lib import Bag, Colour, Item, Number, Point, SIZE, Wrong
from lib import apply, count, double, fail, say, sort, third

def test_call(): assert double(2) == 4
def test_wrong(): assert double(2) == 5
def test_compare(): assert [double(1), double(2)] == [2, 5]
def test_in(): assert double("ab") in ["x", "y"]
def test_module(): assert lib.double(lib.SIZE) == 2 * SIZE == 6
def test_approx(): assert third() == pytest.approx(0.333, abs=1e-2)
def test_approx_fails(): assert third() == pytest.approx(0.3)
def test_raises():
    with pytest.raises(Wrong, match="bad") as info:
        fail()
    assert info.value.code == 7 and isinstance(info.value, ValueError)
def test_raises_not():
    with pytest.raises(KeyError):
        double(1)
def test_raises_other():
    with pytest.raises(KeyError):
        fail()
def test_error(): fail()
def test_own_error(): raise LookupError("mine")
def test_in_place():
    xs = [3, 1, 2]
    sort(xs)
    assert xs == [1, 2, 3]
def test_callback():
    seen = []
    assert apply(lambda x: seen.append(x) or x + 1, 1, 2) == [2, 3] and seen == [1, 2]
def test_callback_raises():
    def f(x): raise KeyError("inner")
    with pytest.raises(KeyError, match="inner"):
        apply(f, 1)
def test_generator(): assert list(count(3)) == [0, 1, 2]
def test_enum():
    assert Colour.RED is Colour(1) and Colour.RED != 1 and Number.ONE == 1
    assert [c.name for c in Colour] == ["RED"]
def test_tuple():
    p = Point(1, 2)
    assert p == (1, 2) and p.x == 1 and isinstance(p, tuple) and p._replace(x=5) == (5, 2)
def test_data():
    item = Item("a", [])
    item.tags.append(1)
    assert item == Item("a", [1]) and item.tags == [1] and repr(item) == "Item(name='a', tags=[1])"
def test_object():
    bag = Bag([1, 2])
    assert len(bag) == 2 and list(bag) == [1, 2] and 2 in bag and bag[0] == 1
    assert bag + Bag([3]) == Bag([1, 2, 3]) and bag != Bag()
    with bag as same:
        assert same is bag
    assert not bag
    assert isinstance(bag, Bag) and type(bag) is Bag and str(bag) == "Bag([])"
def test_missing_attribute():
    with pytest.raises(AttributeError):
        Bag().nothing
def test_prints(capsys):
    say("hello")
    print("own")
    assert capsys.readouterr().out == "hello\\nown\\n"
@pytest.mark.parametrize("n, expected", [(1, 2), (2, 5), pytest.param(3, 6, id="three")])
def test_each(n, expected): assert double(n) == expected
@pytest.mark.parametrize("xs", [[2, 1]])
def test_changed_parameter(xs):
    sort(xs)
    assert xs == [1, 2]
@pytest.fixture
def bag(): return Bag([1])
@pytest.fixture
def cleaned(bag):
    yield bag
    bag.items.append(2)
    assert bag.items == [1, 2]
@pytest.fixture
def broken(): raise ValueError("no fixture")
@pytest.fixture(scope="module")
def shared(): return Bag()
def test_fixture(bag): assert bag.items == [1]
def test_cleanup(cleaned): assert len(cleaned) == 1
def test_broken(broken): pass
def test_shared_1(shared): shared.items.append(1)
def test_shared_2(shared): assert list(shared) == []
def test_conftest(number): assert double(number) == 10
@pytest.mark.skip
def test_skip(): assert 0
@pytest.mark.skipif(True, reason="so")
def test_skipif(): assert 0
def test_skips(): pytest.skip("now")
@pytest.mark.xfail
def test_xfail(): assert double(1) == 3
@pytest.mark.xfail
def test_xpass(): assert double(1) == 2
@pytest.mark.xfail(strict=True)
def test_xpass_strict(): assert double(1) == 2
def test_fails(): pytest.fail("by hand")
class TestClass:
    value = 0
    def setup_method(self): self.bag = Bag([5])
    def test_method(self): assert self.bag.items == [5]
    def test_fresh(self): TestClass.value += 1; assert self.value == 1
class TestPlain:
    def test_method(self): assert double(1) == 2
    @pytest.mark.parametrize("n", [1])
    def test_wrong(self, n): assert double(n) == n
def test_exit(): raise SystemExit(3)
"""

UNITTEST = """
import unittest
from lib import Bag, Wrong, double, fail

class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.shared = Bag([1])
    def test_shared(self): self.assertEqual(list(self.shared), [1])

class Plain(unittest.TestCase):
    def setUp(self): self.bag = Bag()
    def tearDown(self): assert not self.bag.items, "not empty"
    def test_equal(self): self.assertEqual(double(2), 4)
    def test_not_equal(self): self.assertEqual(double(2), 5, "twice two")
    def test_lists(self): self.assertEqual([double(1)], [3])
    def test_raises(self):
        with self.assertRaises(Wrong) as caught:
            fail()
        self.assertEqual(caught.exception.args[0], "bad input")
        self.assertEqual(type(caught.exception), Wrong)
    def test_regex(self):
        with self.assertRaisesRegex(ValueError, "good"):
            fail()
    def test_tear_down(self): self.bag.items.append(1)
    def test_skip(self): self.skipTest("now")
    @unittest.skip("always")
    def test_skipped(self): fail()
    @unittest.expectedFailure
    def test_expected(self): fail()
    def test_cleanup(self): self.addCleanup(self.fail, "cleaning")
    def test_parts(self):
        for n in (1, 2):
            with self.subTest(n=n):
                self.assertEqual(double(n), 2)
"""
CONFTEST = "import pytest\n@pytest.fixture\ndef number(): return 5\n"


def node_ids(path: str, text: str) -> tuple[str, ...]:
    """Ids of the functions and methods of a test file."""
    found = []
    for node in ast.parse(text).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{path}::{node.name}::" if isinstance(node, ast.ClassDef) else f"{path}::"
        for one in inside:
            if isinstance(one, ast.FunctionDef) and one.name.startswith("test"):
                found.append(prefix + one.name)
    return tuple(found)


def features(path: str, text: str) -> PytestTests:
    ids = []
    for one in node_ids(path, text):
        cases = {"test_each": ("1-2", "2-5", "three"), "test_changed_parameter": ("xs0",)}
        if one.endswith("TestPlain::test_wrong"):
            ids.append(f"{one}[1]")
        elif (name := one.rpartition("::")[2]) in cases:
            ids += [f"{one}[{case}]" for case in cases[name]]
        else:
            ids.append(one)
    return PytestTests(files={path: text, "conftest.py": CONFTEST}, ids=tuple(ids))


@pytest.mark.parametrize("text", [FEATURES, UNITTEST], ids=["pytest", "unittest"])
@pytest.mark.parametrize(
    "code",
    [
        CODE,
        CODE.replace("2 * x", "x"),
        CODE.replace("2 * x", "None"),
        CODE.replace("1 / 3", "1 / 0"),
        CODE.replace("def double", "def other"),
        CODE + "raise RuntimeError('at import')\n",
        CODE + "def\n",
    ],
    ids=["right", "wrong", "none", "raising", "missing", "at import", "syntax"],
)
def test_features(run: Run, code: str, text: str) -> None:
    whole = features("tests/test_x.py", text)
    if code == CODE:
        outcome = compare(run, {"lib.py": code}, whole)
        assert len(set(outcome.tests.values())) == (4 if text is FEATURES else 3)
    else:
        compare(run, {"lib.py": code}, whole)


@pytest.mark.parametrize("part", range(1, 6))
def test_messages(run: Run, part: int) -> None:
    """The first failure's message and place, of every failing test."""
    whole = features("tests/test_x.py", FEATURES)
    code = CODE.replace("return 2 * x", "return [x][5]" if part % 2 else "return x")
    compare(run, {"lib.py": code}, replace(whole, ids=whole.ids[part * 4 :]))


# --- real programs ---


def quixbugs() -> list[Task]:
    if not DATA.exists():
        return []
    return [t for t in QuixBugs().tasks("test") if isinstance(t.visible_tests, PytestTests)]


@pytest.mark.needs_data
@pytest.mark.skipif(not DATA.exists(), reason="needs HRMGYM_DATA")
@pytest.mark.parametrize("task", quixbugs(), ids=lambda task: str(task.id))
def test_quixbugs(run: Run, task: Task) -> None:
    (path,) = task.editable
    code = task.workspace.files[path]
    tests = task.hidden_tests
    assert isinstance(tests, PytestTests)
    assert isinstance(task.visible_tests, PytestTests)
    right = {**task.workspace.files, **task.reference}
    assert compare(run, right, task.visible_tests).resolved
    variants = [right[path], code, code + "def\n", code.replace(f"def {task.id}", "def other")]
    variants.append(f"def {task.id}(*args):\n    return object()\n")
    compare(run, {path: variants[len(task.id) % 5]}, tests)


@pytest.mark.needs_data
@pytest.mark.skipif(not EXERCISES.exists(), reason="needs HRMGYM_DATA")
@pytest.mark.parametrize("name", CHOSEN)
def test_exercises(run: Run, name: str) -> None:
    folder = EXERCISES / name
    module = name.replace("-", "_")
    text = (folder / f"{module}_test.py").read_text()
    path = f"{module}_test.py"
    tests = PytestTests(files={path: text}, ids=node_ids(path, text))
    solution = {f"{module}.py": (folder / ".meta/example.py").read_text()}
    assert compare(run, solution, tests).resolved
    assert (
        not compare(run, {f"{module}.py": (folder / f"{module}.py").read_text()}, tests).passed > 2
    )
