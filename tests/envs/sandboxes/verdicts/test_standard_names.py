"""Modules of the workspace that have the name of one of Python's own, or of pytest's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hrmgym.envs.outcome import FailureCode
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts.modes import tests_apart as mode_of
from hrmgym.envs.sandboxes.verdicts.trial import try_out
from hrmgym.envs.task import CallCase, CallTests, Limits, PytestTests

LIMITS = Limits(cpu_s=10.0, wall_s=60.0)
CODE = "def f(x=1): return x + 1\n"
#: Files, and how the test gets `f`: what real pytest passes.
SHADOWS = {
    "module": ({"queue.py": CODE}, "import queue\nf = queue.f\n"),
    "name": ({"statistics.py": CODE}, "from statistics import f\n"),
    "package": ({"calendar/__init__.py": CODE}, "from calendar import f\n"),
    "submodule": ({"sched/__init__.py": "", "sched/core.py": CODE}, "from sched.core import f\n"),
    "late": (
        {"fractions.py": CODE},
        "def f(x):\n    import fractions\n    return fractions.f(x)\n",
    ),
    "in a folder": (
        {"src/secrets.py": CODE},
        "import sys\nsys.path.insert(0, 'src')\nfrom secrets import f\n",
    ),
}
#: The same where nothing hinders the tests from running apart.
HARMLESS = {
    "not imported by the tests": ({"queue.py": CODE, "m.py": CODE}, "from m import f\n"),
    "imported by the code": (
        {"queue.py": CODE, "m.py": "import queue\nf = queue.f\n"},
        "from m import f\n",
    ),
    "inside a package": (
        {"pkg/__init__.py": "", "pkg/string.py": CODE},
        "from pkg.string import f\n",
    ),
    "the real one in both": (
        {"m.py": "import queue\ndef f(x): return queue.Queue().qsize() + x + 1\n"},
        "import queue, string\nfrom m import f\n",
    ),
}
TEST = "def test_f(): assert f(1) == 2\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def spec(start: str) -> PytestTests:
    return PytestTests(files={"t.py": start + TEST}, ids=("t.py::test_f",))


@pytest.mark.parametrize(("files", "start"), SHADOWS.values(), ids=SHADOWS)
def test_tests_that_import_it_run_together(
    sandbox: Sandbox, files: dict[str, str], start: str
) -> None:
    known = try_out(spec(start), files, LIMITS, sandbox)
    mode, why = mode_of(known, keeps_apart=True)
    assert mode == "together"
    assert why
    assert sandbox.run_tests(files, known, LIMITS).resolved
    wrong = {path: text.replace("x + 1", "x + 2") for path, text in files.items()}
    assert not sandbox.run_tests(wrong, known, LIMITS).resolved


@pytest.mark.parametrize(("files", "start"), HARMLESS.values(), ids=HARMLESS)
def test_others_run_apart(sandbox: Sandbox, files: dict[str, str], start: str) -> None:
    known = try_out(spec(start), files, LIMITS, sandbox)
    assert mode_of(known, keeps_apart=True) == ("apart", "")
    assert sandbox.run_tests(files, known, LIMITS).resolved


def test_it_is_no_verdict_before_it_was_tried(sandbox: Sandbox) -> None:
    files, start = SHADOWS["module"]
    outcome = sandbox.run_tests(files, spec(start), LIMITS)
    assert outcome.failure is FailureCode.CANNOT_CROSS
    assert "queue.py has the name of a standard module" in outcome.message


@pytest.mark.parametrize("path", ["string.py", "random.py", "json.py", "types.py", "pkg/abc.py"])
def test_calls_of_its_functions(sandbox: Sandbox, path: str) -> None:
    case = CallCase(id="a", args=(1,), expected=2)
    tests = CallTests(path=path, function="f", cases=(case,))
    assert sandbox.run_tests({path: CODE}, tests, LIMITS).resolved


@pytest.mark.parametrize("path", ["string.py", "calendar.py", "textwrap/__init__.py", "types.py"])
def test_together_takes_the_workspace_s_module_too(sandbox: Sandbox, path: str) -> None:
    name = path.partition("/")[0].removesuffix(".py")
    tests = replace(spec(f"from {name} import f\n"), together=True)
    assert sandbox.run_tests({path: CODE}, tests, LIMITS).resolved
    wrong = {path: CODE.replace("x + 1", "x + 2")}
    assert not sandbox.run_tests(wrong, tests, LIMITS).resolved
