"""Is a solution correct that passes its tests? In a real sandbox, with known truths of QuixBugs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.benchmark import find_task
from hrmgym.envs.benchmarks.quixbugs import QuixBugs
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CommandTests, PytestTests, Task
from hrmgym.experiments.evaluate.correct import ENOUGH, WANTED, Correctness, judge_correct
from hrmgym.tests.envs.benchmarks.madebugs.hosts import PATH, SPANS, PytestHosts
from hrmgym.tests.tiny import OneTask, count_task, double_task, task


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def judged(one: Task, text: str, sandbox: Sandbox) -> Correctness:
    return judge_correct(one, one.workspace.start.with_text(one.editable[0], text), sandbox)


def plain(fixed: str, *, buggy: str = "def double(x):\n    return x\n") -> Task:
    known = double_task()
    return task("double", buggy, fixed, known.visible_tests, known.hidden_tests)  # type: ignore[arg-type]


def test_a_solution_may_pass_all_tests_and_be_wrong(sandbox: Sandbox) -> None:
    one, overfit = double_task(), "def double(x):\n    return x * 2 if x < 6 else 11\n"
    files = one.workspace.start.with_text("double.py", overfit)
    assert OneTask(one).grade(one, files, sandbox).resolved
    found = judge_correct(one, files, sandbox)
    assert found.equal is False
    assert found.valid == WANTED
    assert ") returned 11, expected " in found.differs


def more(*values: str) -> list[Any]:
    """Further values of a parameter, for `make test-all`: each takes a second."""
    return [pytest.param(value, marks=pytest.mark.nightly) for value in values]


@pytest.mark.parametrize(
    "text", ["    return x + x", *more("    return sum([x, x])", "    return x << 1")]
)
def test_another_solution_is_correct_if_it_says_the_same(text: str, sandbox: Sandbox) -> None:
    found = judged(double_task(), f"def double(x):\n{text}\n", sandbox)
    assert found == Correctness(WANTED, True)


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef double(x):\n    os._exit(0) if x > 7 else None\n    return 2 * x",
        *more(
            "def double(x):\n    raise ValueError",
            "def double(x:\n",
            "def other(x):\n    return 2 * x",
            "def double(x):\n    return [2 * x]",
            "def double(x):\n    return object()",
        ),
    ],
)
def test_what_says_nothing_or_something_else_is_wrong(text: str, sandbox: Sandbox) -> None:
    assert judged(double_task(), text, sandbox).equal is False


@pytest.mark.parametrize(
    "fixed",
    [
        "import random\ndef double(x):\n    return random.random()\n",
        *more(
            "def double(x):\n    raise ValueError\n",
            "def double(x):\n    return object()\n",
            "def double(x):\n    return min(x, 3) if x in range(12) else exit()\n",
        ),
    ],
)
def test_inputs_without_one_plain_value_do_not_count(fixed: str, sandbox: Sandbox) -> None:
    one = plain(fixed)
    found = judge_correct(one, one.solution(), sandbox)
    assert found.valid < ENOUGH
    assert found.equal is None


def test_an_argument_that_is_changed_does_not_count(sandbox: Sandbox) -> None:
    cases = double_task().visible_tests
    lists = tuple(replace(case, args=([1, 2, 3],), expected=6) for case in cases.cases)  # type: ignore[attr-defined]
    tests = replace(cases, cases=lists)  # type: ignore[call-arg]
    one = replace(
        plain("def double(x):\n    return sum(x)\n"), visible_tests=tests, hidden_tests=tests
    )
    text = (
        "def double(x):\n    total = 0\n    while x:\n        total += x.pop()\n    return total\n"
    )
    assert judged(one, text, sandbox).equal is True


def test_what_cannot_be_called_is_not_judged(sandbox: Sandbox) -> None:
    one = replace(double_task(), hidden_tests=CommandTests(command=("true",)))
    assert judge_correct(one, one.solution(), sandbox) == Correctness(0, None)
    one = replace(double_task(), reference={})
    assert judge_correct(one, one.workspace.start, sandbox) == Correctness(0, None)


def test_a_function_is_asked_as_the_tests_of_its_package_do(sandbox: Sandbox) -> None:
    """A task of pytest tests that names its function: the calls in the tests are the examples."""
    one = PytestHosts().tasks("test")[0]
    assert isinstance(one.hidden_tests, PytestTests)
    assert judge_correct(one, one.solution(), sandbox) == Correctness(WANTED, True)
    overfit = SPANS.replace("if low > high:", "if low == 5:")
    found = judge_correct(one, one.solution().with_text(PATH, overfit), sandbox)
    assert found.equal is False
    assert found.valid == WANTED
    method = replace(one, focus=f"{PATH}::Span.clip")
    assert judge_correct(method, one.solution(), sandbox) == Correctness(0, None)


@pytest.mark.nightly
def test_what_does_not_end_is_wrong(sandbox: Sandbox) -> None:
    one = count_task()
    assert judge_correct(one, one.solution(), sandbox).equal is True
    assert judge_correct(one, one.workspace.start, sandbox).equal is False


OVERFIT = {
    "detect_cycle": (
        "hare is None or hare.successor is None",
        "hare.successor is None or hare.successor.successor is None",
    ),
    "topological_ordering": ("(nextnode.incoming_nodes)", "(nextnode.incoming_nodes[1:])"),
}


@pytest.mark.needs_data
@pytest.mark.parametrize("program", sorted(OVERFIT))
def test_known_overfits_pass_all_tests_and_are_wrong(program: str, sandbox: Sandbox) -> None:
    benchmark = QuixBugs()
    one = find_task(benchmark, program)
    path, (right, wrong) = one.editable[0], OVERFIT[program]
    known = one.reference[path]
    assert right in known
    files = one.workspace.start.with_text(path, known.replace(right, wrong))
    assert benchmark.grade(one, files, sandbox).resolved
    assert judge_correct(one, files, sandbox).equal is False
    assert judge_correct(one, one.solution(), sandbox) == Correctness(WANTED, True)


@pytest.mark.needs_data
@pytest.mark.nightly
def test_all_of_quixbugs_is_judged_right(sandbox: Sandbox) -> None:
    for one in QuixBugs().tasks("test"):
        assert judge_correct(one, one.solution(), sandbox).equal is True, one.id
        assert judge_correct(one, one.workspace.start, sandbox).equal is False, one.id


#: Programs of which some of the other solutions say something else: they forget the empty list,
#: the sum of counts, the order of the sets, some operators, or divide the other way round.
OTHERS = ("bucketsort", "detect_cycle", "powerset", "rpn_eval", "sieve")


@pytest.mark.needs_data
@pytest.mark.nightly
def test_other_solutions_of_its_authors_are_correct(data: Path, sandbox: Sandbox) -> None:
    """They stand in texts below the corrected programs."""
    seen = wrong = 0
    for one in QuixBugs().tasks("test"):
        known = data / "quixbugs" / "correct_python_programs" / f"{one.id}.py"
        for node in ast.parse(known.read_text()).body:
            if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
                continue
            for text in str(node.value.value).split(f"def {one.id}(")[1:]:
                program = f"def {one.id}({text}".split("\nfrom ")[0]
                head = one.reference[one.editable[0]].split(f"def {one.id}(")[0]
                try:
                    compile(head + program, "other", "exec")
                except SyntaxError:
                    continue
                seen += 1
                equal = judged(one, head + program, sandbox).equal
                assert equal is True or (equal is False and one.id in OTHERS), program
                wrong += equal is False
    assert (seen, wrong) == (39, 5)
