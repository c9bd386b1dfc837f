"""QuixBugs: 40 Python programs with a bug on one line each.

Source: https://github.com/jkoppel/QuixBugs (MIT). Lin et al., "QuixBugs: a multi-lingual program
repair benchmark set based on the Quixey Challenge", SPLASH 2017.

Grading is QuixBugs' own: 31 programs by their JSON cases, compared as python_testcases/test_*.py
compare them; the 9 graph programs by those pytest files. Its cases are halved into visible and
hidden ones, alternately, those that the bug fails and those that it passes apart; a program counts
as repaired when all of both halves pass, as there.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.benchmarks.data import DataSource, locate
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    Limits,
    Outcome,
    PytestTests,
    Task,
    TestSpec,
    Workspace,
)
from hrmgym.errors import DataError

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.executor import TestRunner

SOURCE = DataSource(
    folder="quixbugs",
    commit="4257f44b0ff1181dedaedee6a447e133219fcebf",
    url="https://codeload.github.com/jkoppel/QuixBugs/tar.gz/4257f44b0ff1181dedaedee6a447e133219fcebf",
    patterns=(
        "conftest.py",
        "python_programs/*.py",
        "correct_python_programs/*.py",
        "json_testcases/*.json",
        "python_testcases/*.py",
    ),
    checksum="b18ec3027d9e2546b04819991ca1afb2041b38a9b0128795342e824731923395",
)

#: While a program is being repaired. The corrected ones need a few milliseconds for their visible
#: cases: what takes twenty times as long does not end, and most broken programs that fail by
#: running for ever would otherwise take nearly all of the time.
_LIMITS = Limits(cpu_s=0.1, wall_s=30.0, memory_mb=512, processes=16, output_kb=64, file_mb=16)
_CPU_S = {"possible_change": 0.5}
#: For grades; QuixBugs itself sets no limit.
GRADE_CPU_S = 10.0
#: Cases that take the corrected program long (1.3 s, 0.15 s; no other case takes 0.03 s): hidden.
_SLOW = {"levenshtein": {"case-3"}, "longest_common_subsequence": {"case-4"}}

#: Cases that QuixBugs' own pytest files skip, by number: they run for minutes.
_SKIPPED = {"knapsack": {10}, "levenshtein": {4}}
#: Programs whose results its tests turn into a list before comparing.
_CONSUMED = {"flatten", "kheapsort"}


class QuixBugs(Benchmark):
    """The Python half of QuixBugs."""

    name = "quixbugs"
    version = f"2+{SOURCE.commit[:7]}"
    splits = ("test",)

    def __init__(self, path: str | None = None) -> None:
        self._path = path

    def tasks(self, split: str) -> Sequence[Task]:
        """The 40 programs, by name."""
        self.check_split(split)
        return self._tasks

    def grade(self, task: Task, files: Mapping[str, str], sandbox: TestRunner) -> Outcome:
        """`Benchmark.grade`, with time enough for a solution that is slower than the known one."""
        patient = replace(task, limits=replace(task.limits, cpu_s=GRADE_CPU_S))
        return super().grade(patient, files, sandbox)

    @cached_property
    def _tasks(self) -> tuple[Task, ...]:
        root = locate(SOURCE, self._path)
        failing = failing_cases()
        return tuple(_task(root, program, set(failing[program])) for program in sorted(failing))


def failing_cases() -> dict[str, list[str]]:
    """Program -> ids of the cases that its bug fails, as measured once and checked by a test."""
    text = files("hrmgym.envs.benchmarks").joinpath("quixbugs_failing.json").read_text("utf-8")
    table: dict[str, list[str]] = json.loads(text)
    return table


def halve(
    ids: Sequence[str], failing: set[str], slow: Collection[str] = ()
) -> tuple[set[str], set[str]]:
    """`(visible, hidden)`: failing cases alternate, visible first; passing ones, hidden first.

    Slow ones are hidden, whatever their turn.
    """
    fail_to_pass = [one for one in ids if one in failing and one not in slow]
    pass_to_pass = [one for one in ids if one not in failing and one not in slow]
    visible = {*fail_to_pass[0::2], *pass_to_pass[1::2]}
    return visible, set(ids) - visible


def _task(root: Path, program: str, failing: set[str]) -> Task:
    path = f"python_programs/{program}.py"
    cases = root / "json_testcases" / f"{program}.json"
    buggy = (root / path).read_text("utf-8")
    correct = (root / "correct_python_programs" / f"{program}.py").read_text("utf-8")
    all_tests = (
        _json_tests(cases, path, program) if cases.exists() else _pytest_tests(root, program)
    )
    visible, hidden = halve(all_tests.test_ids, failing, _SLOW.get(program, ()))
    return Task(
        id=program,
        benchmark=QuixBugs.name,
        language="python",
        split="test",
        prompt=f"Repair the function {program}: one line of it has a bug.",
        workspace=Workspace(files={path: buggy}),
        editable=(path,),
        visible_tests=_only(all_tests, visible, failing),
        hidden_tests=_only(all_tests, hidden, failing),
        limits=replace(_LIMITS, cpu_s=_CPU_S.get(program, _LIMITS.cpu_s)),
        reference={path: _code(correct).lstrip("\n") + buggy[len(_code(buggy)) :]},
        source=f"jkoppel/QuixBugs at {SOURCE.commit}",
        licence="MIT",
        tags=("json" if cases.exists() else "pytest",),
    )


def _code(program: str) -> str:
    """The program without the strings that follow it: its description, or other solutions."""
    body = ast.parse(program).body
    while isinstance(body[-1], ast.Expr) and isinstance(body[-1].value, ast.Constant):
        body.pop()
    return "".join(program.splitlines(keepends=True)[: body[-1].end_lineno])


def _json_tests(cases: Path, path: str, program: str) -> CallTests:
    found: list[CallCase] = []
    for number, line in enumerate(cases.read_text("utf-8").splitlines(), start=1):
        if not line.strip() or number in _SKIPPED.get(program, ()):
            continue
        try:
            args, expected = json.loads(line)
        except ValueError as error:
            raise DataError(f"{cases}:{number}: not a [arguments, result] pair: {error}") from error
        found.append(_case(program, number, args, expected))
    return CallTests(path=path, function=program, cases=tuple(found))


def _case(program: str, number: int, args: Any, expected: Any) -> CallCase:
    if program == "hanoi":
        expected = [tuple(step) for step in expected]
    return CallCase(
        id=f"case-{number}",
        args=tuple(args if isinstance(args, list) else [args]),
        expected=expected,
        compare="approx" if program == "sqrt" else "equal",
        tolerance=float(args[-1]) if program == "sqrt" else 0.0,
        consume=program in _CONSUMED,
    )


def _pytest_tests(root: Path, program: str) -> PytestTests:
    module = f"python_testcases/test_{program}.py"
    names = ("conftest.py", "python_testcases/node.py", module)
    contents = {name: (root / name).read_text("utf-8") for name in names}
    functions = [
        node.name
        for node in ast.parse(contents[module]).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
    ]
    return PytestTests(files=contents, ids=tuple(f"{module}::{name}" for name in functions))


def _only(tests: TestSpec, chosen: set[str], failing: set[str]) -> TestSpec:
    """The chosen tests alone; the files that go with them hold no other test."""
    fail_to_pass = tuple(one for one in tests.test_ids if one in chosen & failing)
    pass_to_pass = tuple(one for one in tests.test_ids if one in chosen - failing)
    if isinstance(tests, CallTests):
        return CallTests(
            path=tests.path,
            function=tests.function,
            cases=tuple(case for case in tests.cases if case.id in chosen),
            fail_to_pass=fail_to_pass,
            pass_to_pass=pass_to_pass,
        )
    assert isinstance(tests, PytestTests)
    kept = {one.partition("::")[2] for one in chosen}
    return PytestTests(
        files={
            name: _without_tests(text, kept) if "/test_" in name else text
            for name, text in tests.files.items()
        },
        ids=tuple(one for one in tests.ids if one in chosen),
        fail_to_pass=fail_to_pass,
        pass_to_pass=pass_to_pass,
    )


def _without_tests(module: str, kept: set[str]) -> str:
    """The module's text without the test functions that are not in `kept`."""
    lines = module.splitlines(keepends=True)
    for node in reversed(ast.parse(module).body):
        if (
            isinstance(node, ast.FunctionDef)
            and node.name.startswith("test")
            and node.name not in kept
        ):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            del lines[first - 1 : node.end_lineno]
    return "".join(lines)
