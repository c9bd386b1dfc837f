"""The verdict on what a run of calls says: honest runs, forged ones, and broken ones."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from hrmgym.envs.sandboxes.verdicts import calltests
from hrmgym.envs.sandboxes.verdicts.calltests import Reply
from hrmgym.envs.task import CallTests, Limits, Outcome

Make = Callable[..., CallTests]


def judge(tests: CallTests, *lines: Any, status: int | None = 0, cpu_s: float = 0.0) -> Outcome:
    text = b"".join(
        line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines
    )
    return calltests.judge(tests, Reply(text, status, cpu_s, 0.0), Limits(cpu_s=2.0))


def statuses(outcome: Outcome) -> list[str]:
    return [str(status) for status in outcome.tests.values()]


def test_request_holds_arguments_and_no_expected_value(calls: Make) -> None:
    tests = calls(((1, (2,)), "secret-4711"), (([{3}],), "secret-4712"), consume=True)
    message = json.dumps(calltests.request({"f.py": "x"}, tests, Limits()))
    assert '{"t": [2]}' in message
    assert "secret" not in message


def test_right_and_wrong_values(calls: Make) -> None:
    outcome = judge(calls(((1,), 1), ((2,), 4), ((3,), 9)), ["ok", 1], ["ok", 5], ["ok", 9])
    assert statuses(outcome) == ["passed", "failed", "passed"]
    assert outcome.message == "f(2) returned 5, expected 4"
    assert not outcome.resolved


def test_all_right(calls: Make) -> None:
    outcome = judge(calls(((1,), {"a": (1, 2)})), ["ok", {"d": [["a", {"t": [1, 2]}]]}])
    assert outcome.resolved
    assert outcome.message == ""


def test_tolerance(calls: Make) -> None:
    tests = calls(((), 1.0), compare="approx", tolerance=1e-3)
    assert judge(tests, ["ok", 1.0005]).resolved
    assert not judge(tests, ["ok", 1.005]).resolved


def test_exception_names_its_line(calls: Make) -> None:
    outcome = judge(calls(((17, 0), 17)), ["raised", "ValueError", "no", "lib/f.py", 5, []])
    assert outcome.message == "f(17, 0) raised ValueError: no (line 5)"
    assert (outcome.path, outcome.line) == ("lib/f.py", 5)
    assert statuses(outcome) == ["failed"]


def test_module_that_cannot_be_loaded_fails_every_case(calls: Make) -> None:
    outcome = judge(calls(((1,), 1), ((2,), 4)), ["bad", "SyntaxError", "bad", "f.py", 2])
    assert statuses(outcome) == ["error", "error"]
    assert outcome.message == "f.py: SyntaxError: bad (line 2)"


@pytest.mark.parametrize("status", [None, -signal.SIGPROF, -signal.SIGXCPU])
def test_out_of_time(calls: Make, status: int | None) -> None:
    outcome = judge(calls(((1,), 1), ((2,), 4), ((3,), 9)), ["ok", 1], status=status)
    assert statuses(outcome) == ["passed", "timeout", "timeout"]
    assert outcome.message == "f(2) timed out"


def test_sigkill_is_a_timeout_only_after_the_time_is_used_up(calls: Make) -> None:
    tests = calls(((1,), 1))
    assert statuses(judge(tests, status=-9, cpu_s=2.5)) == ["timeout"]
    assert statuses(judge(tests, status=-9, cpu_s=0.1)) == ["error"]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (0, "f(2) ended its process with exit code 0"),
        (3, "f(2) ended its process with exit code 3"),
        (-11, "f(2) was killed by SIGSEGV"),
    ],
)
def test_process_that_ended_early(calls: Make, status: int, message: str) -> None:
    outcome = judge(calls(((1,), 1), ((2,), 4), ((3,), 9)), ["ok", 1], status=status)
    assert statuses(outcome) == ["passed", "error", "missing"]
    assert outcome.message == message


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"passed\n",
        b'["ok",1]',  # without its end
        b'["ok"]\n',
        b'["ok",1,2]\n',
        b'["ok",{"x":1}]\n',
        b'["passed"]\n',
        b'{"status":"passed"}\n',
        b'["raised","E","m","f.py","1",[]]\n',
        b'["raised","E","m","f.py",1]\n',
        b'["raised","E","m","f.py",1,"builtins:E"]\n',
        b'["raised","E","m","f.py",1,[3]]\n',
        b'["ok",NaN]\n',
        b"[" * 50_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_forged_lines_count_as_nothing(calls: Make, line: bytes) -> None:
    outcome = judge(calls(((1,), 1), ((2,), 4)), line)
    assert statuses(outcome) == ["error", "missing"]


def test_lines_past_the_last_case_are_ignored(calls: Make) -> None:
    assert statuses(judge(calls(((1,), 1)), ["ok", 2], ["ok", 1], ["ok", 1])) == ["failed"]


def test_late_load_failure_is_a_forgery(calls: Make) -> None:
    outcome = judge(calls(((1,), 1), ((2,), 4)), ["ok", 1], ["bad", "E", "m", "f.py", 1])
    assert statuses(outcome) == ["passed", "error"]


def test_long_arguments_are_cut(calls: Make) -> None:
    outcome = judge(calls(((list(range(1000)),), 1)), ["ok", list(range(1000))])
    assert len(outcome.message) < 300
    assert outcome.message.startswith("f([0, 1, 2, ")
    assert outcome.message.endswith(", expected 1")
