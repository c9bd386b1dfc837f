"""However tested code ends and whatever it says: its test has an outcome, the next run is right."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    Limits,
    Outcome,
    PytestTests,
    Status,
    StdioCase,
    StdioTests,
    TestSpec,
)
from hrmgym.envs.workspace import Files
from hrmgym.tests.hostile import CODES, GOOD, PROGRAM, STOPS, cannot_be_shown

LIMITS = Limits(cpu_s=2.0, wall_s=20.0)
SHORT = Limits(cpu_s=2.0, wall_s=1.0)
_FILE = (
    "import f\n\ndef test_a():\n    assert f.f(2) == 4\n\ndef test_b():\n    assert f.f(3) == 6\n"
)
_IDS = ("test_f.py::test_a", "test_f.py::test_b")
_CASES = tuple(CallCase(id=str(x), args=(x,), expected=2 * x) for x in (2, 3))
_COMMAND = "import f, sys; sys.exit(None if [f.f(2), f.f(3)] == [4, 6] else 'expected [4, 6]')"
FAST: dict[str, TestSpec] = {
    "calls": CallTests(path="f.py", function="f", cases=_CASES),
    "stdio": StdioTests(
        path="main.py",
        cases=tuple(StdioCase(id=str(x), stdin=f"{x}\n", expected=f"{2 * x}\n") for x in (2, 3)),
    ),
    "apart": PytestTests(files={"test_f.py": _FILE}, ids=_IDS),
}
#: These start an interpreter for each run.
SLOW: dict[str, TestSpec] = {
    "together": PytestTests(files={"test_f.py": _FILE}, ids=_IDS, together=True),
    "command": CommandTests(command=("python3", "-B", "-c", _COMMAND)),
}
SOME = ("signal 40", "lone surrogate")
#: A command that ends like this has passed: its exit status decides.
ENDS_WELL = ("exit 0", "exit 256")


@pytest.fixture(scope="module")
def place() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def files(code: str) -> Files:
    """The workspace with that code, as an environment has it."""
    return Files.of({"f.py": code, "main.py": PROGRAM})


def check(place: Sandbox, tests: TestSpec, code: str, limits: Limits = LIMITS) -> Outcome:
    """Its outcome; and the next run, of code that is right, passes."""
    outcome = place.run_tests(files(code), tests, limits)
    assert tuple(outcome.tests) == tests.test_ids
    assert not outcome.resolved
    assert outcome.failure is None, outcome
    assert not any(status is Status.PASSED for status in outcome.tests.values())
    for text in (outcome.message, outcome.path):
        assert not cannot_be_shown(text), ascii(text)
        assert len(text) <= 300
        json.dumps(text, ensure_ascii=False).encode()
    assert outcome.message
    assert 0 <= outcome.line < 1 << 31
    after = place.run_tests(files(GOOD), tests, LIMITS)
    assert after.resolved, after
    return outcome


@pytest.mark.parametrize("kind", FAST)
@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_an_end_is_an_outcome(place: Sandbox, kind: str, code: str) -> None:
    check(place, FAST[kind], code)


@pytest.mark.parametrize("kind", FAST)
@pytest.mark.parametrize("code", STOPS.values(), ids=STOPS)
def test_what_stops_has_run_out_of_time(place: Sandbox, kind: str, code: str) -> None:
    outcome = check(place, FAST[kind], code, SHORT)
    assert set(outcome.tests.values()) == {Status.TIMEOUT}


@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.parametrize("code", [CODES[name] for name in SOME], ids=SOME)
def test_some_ends_where_an_interpreter_starts(place: Sandbox, kind: str, code: str) -> None:
    check(place, SLOW[kind], code)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.parametrize("name", [*CODES, *STOPS])
def test_any_end_where_an_interpreter_starts(place: Sandbox, kind: str, name: str) -> None:
    code, limits = {**CODES, **STOPS}[name], Limits(cpu_s=10.0, wall_s=10.0)
    if kind == "command" and name in ENDS_WELL:
        assert place.run_tests(files(code), SLOW[kind], limits).resolved
    else:
        check(place, SLOW[kind], code, limits)


@pytest.mark.parametrize("number", range(34, 65))
def test_a_signal_without_a_name_has_one(place: Sandbox, number: int) -> None:
    code = f"import os\ndef f(x):\n    os.kill(os.getpid(), {number})\n"
    for kind, told in (("calls", "f(2) was killed by"), ("stdio", "2: was killed by")):
        outcome = place.run_tests(files(code), FAST[kind], LIMITS)
        assert outcome.message.startswith(f"{told} SIGRTM")
        assert outcome.tests["2"] is Status.ERROR


@pytest.mark.parametrize("kind", FAST)
@pytest.mark.parametrize("size_mb", [1, 7, 9, 60])
def test_a_solution_of_any_size_has_an_outcome(place: Sandbox, kind: str, size_mb: int) -> None:
    base = Files.of({"f.py": GOOD, "main.py": PROGRAM}).base
    large = base.files.with_text("f.py", b"\0" * (size_mb << 20))
    outcome = place.run_tests(large, FAST[kind], LIMITS)
    assert outcome.failure is None
    assert not outcome.resolved
    assert set(outcome.tests.values()) <= {Status.ERROR, Status.MISSING, Status.OUT_OF_MEMORY}
    assert ("more than" in outcome.message) == (size_mb > 8)
    assert place.run_tests(files(GOOD), FAST[kind], LIMITS).resolved


@pytest.mark.parametrize(
    "printed",
    [
        "\n" * 60_000,
        " " * 60_000,
        "a." * 30_000,
        "a.py:" + "9" * 60_000,
        "error: \x1b[31m\u202e\0",
        "-->" * 20_000,
        "bash: [" * 8_000,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_what_a_command_prints_is_read_in_time(place: Sandbox, printed: str) -> None:
    program = (
        f"import sys; sys.stdout.write({printed[:40]!r} * {len(printed) // 40 + 1}); sys.exit(3)"
    )
    tests = CommandTests(command=("python3", "-c", program))
    outcome = place.run_tests(Files.of({"a": ""}), tests, LIMITS)
    assert outcome.tests == {"command": Status.FAILED}
    assert not cannot_be_shown(outcome.message)
