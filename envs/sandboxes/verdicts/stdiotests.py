"""Stdio tests: what goes into the sandbox, and the verdict on what comes out.

The expected output stays here. What comes out is the word of foreign code, and is read as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.inside.stdio import normal
from hrmgym.envs.sandboxes.verdicts.calltests import (
    MESSAGE_WIDTH,
    OUT_OF_CPU,
    OUT_OF_MEMORY,
    Reply,
    signal_name,
)
from hrmgym.envs.sandboxes.verdicts.screens import Plan
from hrmgym.envs.task import Limits, Outcome, Status, StdioCase, StdioTests

_KILLED = -9
_Verdict = tuple[Status, str]
_PASSED: _Verdict = (Status.PASSED, "")


def request(files: Mapping[str, str], tests: StdioTests, limits: Limits) -> dict[str, Any]:
    """The message that has the guest run the program once per case."""
    return {
        "op": "calls",
        "kind": "stdio",
        "files": dict(files),
        "path": tests.path,
        "cases": [case.stdin for case in tests.cases],
        "limits": limits.fields(),
    }


def screen_plan(tests: StdioTests) -> Plan:
    """How the runs are made of many texts: see `screens`."""
    cases = [{"stdin": case.stdin, "expected": case.expected} for case in tests.cases]
    fields = {"path": tests.path, "compare": tests.compare, "cases": cases}
    return Plan("stdio", "calls", fields)


def judge(tests: StdioTests, reply: Reply, limits: Limits) -> Outcome:
    """The outcome of a run."""
    verdicts: list[_Verdict] = []
    path, line = "", 0
    lines = reply.lines.split(b"\n")[:-1]  # what follows the last line end was cut off
    for case, told in zip(tests.cases, lines, strict=False):
        try:
            parts = values.parse(told)
        except values.Unfit:
            break
        match parts:
            case ["bad", str(name), str(text), str(where), int(number)]:
                path, line = where, values.line_number(number)
                verdict = Status.ERROR, f"{tests.path}: {name}: {text} (line {line})"
                verdicts = [verdict] * len(tests.cases)
                break
            case ["flood"]:
                verdicts.append((Status.FAILED, f"prints more than {limits.output_kb} KiB"))
            case ["ran", int(status), str(output), str(error)]:
                if status == _KILLED and reply.full:
                    verdicts.append((Status.OUT_OF_MEMORY, "ran out of memory"))
                else:
                    verdicts.append(_verdict(case, tests.compare, status, output, error))
            case _:
                break
    if len(verdicts) < len(tests.cases):
        late = reply.status is None
        first = (Status.TIMEOUT, "timed out") if late else (Status.ERROR, "ended its runner")
        if reply.full:
            first = Status.OUT_OF_MEMORY, "ran out of memory"
        rest: _Verdict = (Status.TIMEOUT if late else Status.MISSING, "")
        verdicts += [first, *[rest] * (len(tests.cases) - len(verdicts) - 1)]
    pairs = list(zip(tests.cases, verdicts, strict=True))
    message = ""
    for case, (what, said) in pairs:
        if what is not Status.PASSED:
            message = f"{case.id}: {said}" if said else case.id
            break
    return Outcome(
        tests={case.id: what for case, (what, _) in pairs},
        message=values.cut(message, MESSAGE_WIDTH),
        path=path,
        line=line,
        cpu_s=reply.cpu_s,
        wall_s=reply.wall_s,
    )


def _verdict(case: StdioCase, compare: str, status: int, output: str, error: str) -> _Verdict:
    if status in OUT_OF_CPU:
        return Status.TIMEOUT, "timed out"
    if status < 0:
        return Status.ERROR, f"was killed by {signal_name(-status)}"
    if status and error.partition(":")[0] == OUT_OF_MEMORY:
        return Status.OUT_OF_MEMORY, error
    if status:
        return Status.ERROR, error or f"ended with exit code {status}"
    got, expected = (normal(text, compare) for text in (output, case.expected))
    if got == expected:
        return _PASSED
    return Status.FAILED, difference(got, expected)


def difference(got: list[str], expected: list[str]) -> str:
    """The first part that differs, in words."""
    for number, (one, other) in enumerate(zip(got, expected, strict=False), start=1):
        if one != other:
            shown, wanted = values.show(one, 60), values.show(other, 60)
            return f"printed {shown}, expected {wanted} (part {number} of {len(expected)})"
    return f"printed {len(got)} parts, expected {len(expected)}"
