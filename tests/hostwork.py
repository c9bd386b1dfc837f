"""A program that runs right and wrong solutions through every kind of tests.

    python hostwork.py FD

It writes one line to the descriptor FD: `right` where every verdict is the right one, `wrong: ...`
where one is not, `error: ...` where the sandbox was refused. test_host_settings.py runs it under
settings that the machine or the shell may have.
"""

from __future__ import annotations

import json
import os
import sys

from hrmgym.envs.benchmark import make_benchmark
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    Limits,
    PytestTests,
    StdioCase,
    StdioTests,
    TestSpec,
)
from hrmgym.errors import SandboxUnavailableError

RIGHT = """\
import sys

def double(n):
    return 2 * n

if __name__ == "__main__":
    print(double(int(sys.stdin.read())))
"""
WRONG = RIGHT.replace("2 * n", "n + 3")  # right for 3 alone
_SUITE = """\
import pytest
from solution import double

@pytest.mark.parametrize("n", [3, 5])
def test_double(n):
    assert double(n) == 2 * n
"""
_CHECK = 'test "$(echo {0} | python3 solution.py)" = {1}\n'
_FILES = {"tests/test_it.py": _SUITE}
_IDS = tuple(f"tests/test_it.py::test_double[{n}]" for n in (3, 5))
_CALLS = tuple(CallCase(id=f"{n}", args=(n,), expected=2 * n) for n in (3, 5))
_RUNS = tuple(StdioCase(id=f"{n}", stdin=f"{n}\n", expected=f"{2 * n}\n") for n in (3, 5))
#: Name -> the tests, and how many of them the wrong solution passes.
KINDS: dict[str, tuple[TestSpec, int]] = {
    "calls": (CallTests(path="solution.py", function="double", cases=_CALLS), 1),
    "stdio": (StdioTests(path="solution.py", cases=_RUNS), 1),
    "apart": (PytestTests(files=_FILES, ids=_IDS), 1),
    "together": (PytestTests(files=_FILES, ids=_IDS, together=True), 1),
    "command": (
        CommandTests(
            command=("sh", "-e", "sub/check.sh"),
            files={"sub/check.sh": _CHECK.format(3, 6) + _CHECK.format(5, 10)},
        ),
        0,
    ),
}


def work() -> dict[str, str]:
    """What is wrong, by name of what was run."""
    wrong = {}
    with Sandbox() as sandbox:
        for name, (tests, passing) in KINDS.items():
            for text, wanted in ((RIGHT, len(tests.test_ids)), (WRONG, passing)):
                for fresh in (False, True):
                    files = {"solution.py": text, "other/ö.txt": "ü"}
                    outcome = sandbox.run_tests(files, tests, Limits(), fresh=fresh)
                    if outcome.failure is not None or outcome.passed != wanted:
                        wrong[name] = f"{outcome} {outcome.failure} {outcome.message}"
        task = make_benchmark("katas").tasks("test")[0]
        for files, solved in ((task.reference, True), (task.workspace.files, False)):
            solution = {**task.workspace.files, **files}
            outcome = sandbox.run_tests(solution, task.hidden_tests, task.limits)
            if outcome.resolved is not solved:
                wrong["katas"] = outcome.message
    return wrong


def main() -> None:
    """Do the work and tell."""
    try:
        wrong = work()
        text = f"wrong: {json.dumps(wrong)}" if wrong else "right"
    except SandboxUnavailableError as error:
        text = f"error: {error}"
    os.write(int(sys.argv[1]), text.encode("ascii", "backslashreplace"))


if __name__ == "__main__":
    main()
