"""Hosts for made bugs: a benchmark of a small package, as `fixes` has them.

`Hosts` has tests of calls, which run in milliseconds; `PytestHosts` the same ones for pytest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.task import CallCase, CallTests, Limits, PytestTests, Task, TestSpec, Workspace

SPANS = '''\
"""Spans of numbers."""

LIMIT = 100


def clip(value, low, high):
    """The nearest value within a span."""
    if low > high:
        low, high = high, low
    return max(low, min(value, high))


def merge(spans):
    """Spans, in order, those that touch joined."""
    found = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found
'''
PATH = "pieces/spans.py"

Cases = dict[str, tuple[tuple[Any, ...], Any]]
CLIP: Cases = {"inside": ((3, 1, 5), 3), "below": ((-2, 1, 5), 1)}
CLIP_HIDDEN: Cases = {
    "above": ((9, 1, 5), 5),
    "turned": ((0, 5, 1), 1),
    "middle": ((4, 5, 1), 4),
}
MERGE: Cases = {
    "touching": (([(1, 2), (2, 4)],), [(1, 4)]),
    "apart": (([(5, 6), (1, 2)],), [(1, 2), (5, 6)]),
}
MERGE_HIDDEN: Cases = {
    "inside": (([(1, 9), (2, 3)],), [(1, 9)]),
    "three": (([(1, 2), (4, 5), (2, 3)],), [(1, 3), (4, 5)]),
}


def call_tests(function: str, cases: Cases, part: str) -> TestSpec:
    """Tests of calls."""
    made = (CallCase(id=name, args=args, expected=said) for name, (args, said) in cases.items())
    return CallTests(path=PATH, function=function, cases=tuple(made))


def pytest_tests(function: str, cases: Cases, part: str) -> TestSpec:
    """The same calls in a test file."""
    path = f"tests/test_{function}_{part}.py"
    lines = [f"from pieces.spans import {function}\n"]
    for name, (args, said) in cases.items():
        lines.append(f"\n\ndef test_{name}():\n    assert {function}(*{args!r}) == {said!r}\n")
    ids = tuple(f"{path}::test_{name}" for name in cases)
    return PytestTests(files={path: "".join(lines)}, ids=ids)


class Hosts(Benchmark):
    """Two functions; the second one is twice there, as where two releases changed it."""

    name = "hosts"
    version = "1"
    splits = ("train", "tuning", "test")
    tests = staticmethod(call_tests)

    def host(self, name: str, split: str, visible: Cases, hidden: Cases, old: str) -> Task:
        """One function of the package, whose old text stands in the workspace."""
        return Task(
            id=f"pieces/{name}",
            benchmark="hosts",
            language="python",
            split=split,
            prompt="",
            workspace=Workspace(files={"pieces/__init__.py": "", PATH: old}),
            editable=(PATH,),
            visible_tests=self.tests(name, visible, "visible"),
            hidden_tests=self.tests(name, hidden, "hidden"),
            limits=Limits(cpu_s=2.0, wall_s=30.0),
            reference={PATH: SPANS},
            focus=f"{PATH}::{name}",
            source="pieces 1.1",
            licence="MIT",
            tags=("small",),
        )

    def tasks(self, split: str) -> Sequence[Task]:
        """One function in `tuning`, both in `test`."""
        self.check_split(split)
        if split == "train":
            return ()
        clip = self.host("clip", split, CLIP, CLIP_HIDDEN, SPANS.replace("> high", "< high"))
        older = [SPANS.replace("<=", "<"), SPANS.replace("max(found", "min(found")]
        merge = [self.host("merge", split, MERGE, MERGE_HIDDEN, old) for old in older]
        return (clip, *merge) if split == "test" else (clip,)


class PytestHosts(Hosts):
    """The same functions with the same tests for pytest."""

    name = "pytest-hosts"
    tests = staticmethod(pytest_tests)
