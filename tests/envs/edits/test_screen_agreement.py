"""What screens say is what ordinary runs say, for programs and tests of many shapes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from hrmgym.envs.benchmark import make_benchmark
from hrmgym.envs.bugs.operators import Mutation, mutations
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.envs.edits.screen import Screen
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import Limits, PytestTests, Task, Workspace
from hrmgym.tests.envs.edits.test_screen import Doubling, calls

CORE = '''\
"""A module with what modules have."""

import functools
import re

_CACHE = {}
KINDS = []


def kind(one):
    KINDS.append(one.__name__)
    return one


@functools.lru_cache(maxsize=None)
def pattern(word):
    return re.compile(word + "+")


def remembered(n):
    if n not in _CACHE:
        _CACHE[n] = n * n + 1
    return _CACHE[n]


def counted(text, word, seen=[]):
    found = len(pattern(word).findall(text))
    return found


@kind
class Stack:
    made = 0

    def __init__(self, items=()):
        self.items = list(items)
        Stack.made += 1

    @property
    def top(self):
        return self.items[-1] if self.items else None

    def push(self, item):
        self.items.append(item)
        return self

    def __len__(self):
        return len(self.items)

    @classmethod
    def of(cls, *items):
        return cls(items)


def chunks(items, size):
    for start in range(0, len(items), size):
        yield items[start : start + size]
'''
TESTS = """\
import unittest

import pytest

from pkg import Stack, chunks, core
from pkg.core import counted, remembered


@pytest.fixture(scope="module")
def stack():
    return Stack.of(1, 2, 3)


@pytest.fixture
def empty():
    one = Stack()
    yield one
    one.items.clear()


def test_top(stack, empty):
    assert stack.top == 3
    assert empty.top is None


@pytest.mark.parametrize(("n", "square"), [(2, 5), (3, 10), (2, 5)])
def test_remembered(n, square):
    assert remembered(n) == square


class TestChunks:
    def test_sizes(self):
        assert [len(one) for one in chunks([1, 2, 3, 4, 5], 2)] == [2, 2, 1]

    def test_whole(self):
        self.seen = list(chunks([1], 3))
        assert self.seen == [[1]]


class Counting(unittest.TestCase):
    def setUp(self):
        self.stack = Stack([0])

    def test_push(self):
        self.assertEqual(len(self.stack.push(1).push(2)), 3)

    def test_words(self):
        self.assertEqual(counted("a aa b", "a"), 2)
        with self.assertRaises(TypeError):
            counted(None, "a")


def test_kinds():
    assert core.KINDS == ["Stack"]
"""
TOGETHER = """

def test_patched(monkeypatch, tmp_path):
    monkeypatch.setattr(core, "_CACHE", {7: 1})
    (tmp_path / "x").write_text("1")
    assert remembered(7) == 1
"""
#: Another decorator, whose work is done when the module is loaded.
DECORATED = CORE.replace("KINDS.append(one.__name__)", "KINDS.append(one)")
IDS = (
    *("test_top", "test_remembered", "TestChunks", "Counting::test_push", "Counting::test_words"),
    "test_kinds",
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def task_of(more: str = "", ids: tuple[str, ...] = ()) -> Task:
    files = {"pkg/__init__.py": "from pkg.core import Stack, chunks\n", "pkg/core.py": CORE}
    tests = PytestTests(
        files={"tests/test_core.py": TESTS + more},
        ids=tuple(f"tests/test_core.py::{name}" for name in (*IDS, *ids)),
    )
    return Task(
        id="core",
        benchmark="doubling",
        language="python",
        split="test",
        prompt="",
        workspace=Workspace(files=files),
        editable=("pkg/core.py",),
        visible_tests=tests,
        hidden_tests=calls((1, 2)),
        limits=Limits(cpu_s=2.0, wall_s=10.0),
    )


def agree(made: Screen, texts: list[str], every: int) -> None:
    """Compares screens of texts with ordinary runs of some."""
    assert made.why == ""
    found = list(made.run(texts, stop=False))
    assert sum(one.hot for one in found) > len(texts) // 2
    for text, one in list(zip(texts, found, strict=True))[::every]:
        assert made.confirm(text).resolved == one.passed, text


@pytest.mark.nightly
def test_a_package_with_tests_of_many_shapes(sandbox: Sandbox) -> None:
    task = task_of()
    texts = [CORE, *(apply(CORE, one.edit) for one in mutations(CORE))]
    made = Screen(Doubling(), task, task.workspace.start, "pkg/core.py", sandbox)
    chosen = [CORE, *texts[:: len(texts) // 8], DECORATED, CORE]
    agree(made, chosen, 3)
    first, decorated, last = (made.run([text]) for text in (CORE, DECORATED, CORE))
    assert [(one.passed, one.hot) for run in (first, last) for one in run] == [(True, True)] * 2
    assert [(one.passed, one.hot) for one in decorated] == [(False, False)]


@pytest.mark.nightly
@pytest.mark.parametrize("together", [False, True])
def test_edits_of_a_package(sandbox: Sandbox, together: bool) -> None:
    """120 edits and every fourth cold; where each of those starts an interpreter, 24."""
    task = task_of(TOGETHER, ("test_patched",)) if together else task_of()
    edits = drawn(CORE, mutations(CORE), 24 if together else 120)
    made = Screen(Doubling(), task, task.workspace.start, "pkg/core.py", sandbox)
    agree(made, [CORE, *edits, CORE], 4)


def drawn(text: str, edits: Iterable[Mutation | LegalEdit], most: int) -> list[str]:
    """The texts of some edits, always the same ones."""
    texts = [apply(text, one.edit) for one in edits]
    return random.Random(f"{most} of {text}").sample(texts, min(most, len(texts)))


@pytest.mark.nightly
@pytest.mark.needs_data
def test_quixbugs(sandbox: Sandbox) -> None:
    """The fix and 32 legal edits of each of the 40 programs, every third of these cold."""
    benchmark = make_benchmark("quixbugs")
    for task in benchmark.tasks("test"):
        (path,) = task.editable
        text = task.workspace.start[path]
        legal = legal_edits(text)
        texts = drawn(text, (*legal.lean(), *legal.bulky()), 32)
        made = Screen(benchmark, task, task.workspace.start, path, sandbox)
        agree(made, [task.reference[path], *texts], 3)


@pytest.mark.nightly
@pytest.mark.needs_data
@pytest.mark.parametrize("name", ["bitcount", "sqrt", "to_base", "find_first_in_sorted"])
def test_programs_whose_edits_loop(sandbox: Sandbox, name: str) -> None:
    """What one screen cut off changes nothing for the next: 60 edits, every fourth cold."""
    benchmark = make_benchmark("quixbugs")
    (task,) = (one for one in benchmark.tasks("test") if one.id == name)
    (path,) = task.editable
    text = task.workspace.start[path]
    legal = legal_edits(text)
    texts = drawn(text, (*legal.lean(), *legal.bulky()), 60)
    made = Screen(benchmark, task, task.workspace.start, path, sandbox)
    agree(made, [*texts, task.reference[path]], 4)
