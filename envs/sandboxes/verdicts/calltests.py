"""Call tests: what goes into the sandbox, and the verdict on what comes out.

The expected values stay here. What comes out is the word of foreign code, and is read as such.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.verdicts.screens import Plan
from hrmgym.envs.task import CallCase, CallTests, FailureCode, Limits, Outcome, Status
from hrmgym.errors import CodeError, SandboxError

MESSAGE_WIDTH = 300
RAISED_WIDTH = 200
#: What foreign code raises where its limits leave no memory, unless the system kills it.
OUT_OF_MEMORY = MemoryError.__name__
OUT_OF_CPU = (-signal.SIGPROF, -signal.SIGXCPU)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a run of calls left."""

    lines: bytes
    """One JSON line per case, as far as the run came."""
    status: int | None
    """Exit code of the process; None where it ran out of time."""
    cpu_s: float
    wall_s: float
    full: bool = False
    """Whether it was killed for want of the memory that its limits give."""


_CASE_KILLED = b'["ran",-9,'  # as stdio.py has it


def has_killed(status: int | None, lines: bytes) -> bool:
    """Whether a run's process, or that of one of its cases, was ended by SIGKILL."""
    return status == -signal.SIGKILL or _CASE_KILLED in lines


def request(files: Mapping[str, str], tests: CallTests, limits: Limits) -> dict[str, Any]:
    """The message that has the guest run the calls."""
    return {
        "op": "calls",
        "kind": "calls",
        "files": dict(files),
        "path": tests.path,
        "function": tests.function,
        "cases": [
            {"args": _arguments(case), "consume": case.consume, "raises": bool(case.raises)}
            for case in tests.cases
        ],
        "limits": limits.fields(),
    }


def screen_plan(tests: CallTests) -> Plan | str:
    """How the calls are tried on many texts: see `screens`."""
    try:
        cases = [
            {
                "args": _arguments(case),
                "consume": case.consume,
                "expected": values.encode(case.expected),
                "tolerance": case.tolerance if case.compare == "approx" else None,
                "raises": case.raises,
                "match": case.match,
            }
            for case in tests.cases
        ]
    except (SandboxError, values.Unfit) as error:
        return str(error)
    if not all(values.is_plain(case["expected"]) for case in cases):
        return "a call is to return what is no plain value"
    fields = {"path": tests.path, "function": tests.function, "cases": cases}
    return Plan("calls", "calls", fields)


def _arguments(case: CallCase) -> list[Any]:
    """The encoded arguments of a call.

    Raises:
        SandboxError: One of them is not plain, so that the code would get something else.
    """
    encoded = []
    for arg in case.args:
        try:
            encoded.append(values.encode(arg))
        except values.Unfit as error:
            why = str(error)
        else:
            if values.is_plain(encoded[-1]):
                continue
            why = "it is, or holds, no plain value"
        message = f"case {case.id!r}: argument {values.show(arg)} cannot go into a sandbox: {why}"
        raise SandboxError(message, FailureCode.CANNOT_CROSS)
    return encoded


@dataclass(frozen=True, slots=True)
class _Verdict:
    status: Status
    message: str = ""
    path: str = ""
    line: int = 0


_PASSED = _Verdict(Status.PASSED)


def judge(tests: CallTests, reply: Reply, limits: Limits) -> Outcome:
    """The outcome of a run."""
    verdicts: list[_Verdict] = []
    lines = reply.lines.split(b"\n")[:-1]  # what follows the last line end was cut off
    for case, line in zip(tests.cases, lines, strict=False):
        try:
            kind, *rest = _parts(line)
        except values.Unfit:
            break
        if kind == "bad":  # the module could not be loaded, which comes before any case
            if not verdicts:
                verdicts = [_raised(Status.ERROR, tests.path, *rest)] * len(tests.cases)
            break
        call = f"{tests.function}({_show_arguments(case)})"
        if kind == "ok":
            verdicts.append(_returned(call, case, rest[0]))
        elif _is_expected(case, rest[1], rest[4]):
            verdicts.append(_PASSED)
        else:
            name, text, path, line, _ = rest
            what = f"{call} raised"
            status = Status.OUT_OF_MEMORY if name == OUT_OF_MEMORY else Status.FAILED
            verdicts.append(_raised(status, what, name, text, path, line, case.raises))
    if len(verdicts) < len(tests.cases):
        verdicts += _unfinished(tests, len(verdicts), reply, limits)
    first = next((v for v in verdicts if v.status is not Status.PASSED), _PASSED)
    return Outcome(
        tests={case.id: v.status for case, v in zip(tests.cases, verdicts, strict=True)},
        message=values.cut(first.message, MESSAGE_WIDTH),
        path=first.path,
        line=first.line,
        cpu_s=reply.cpu_s,
        wall_s=reply.wall_s,
        killed=_unexplained(reply, limits),
    )


def returned(tests: CallTests, reply: Reply, limits: Limits) -> Any:
    """What the only call of `tests` returned; `values.Opaque` in the place of what is not plain.

    Raises:
        CodeError: It did not return; the message says what it did, as that of a failed test does.
    """
    line, ended, _ = reply.lines.partition(b"\n")
    with suppress(values.Unfit):
        if ended and (parts := _parts(line))[0] == "ok":
            return parts[1]
    raise CodeError(judge(tests, reply, limits).message)


def _unexplained(reply: Reply, limits: Limits) -> bool:
    return reply.status == -signal.SIGKILL and reply.cpu_s < limits.cpu_s and not reply.full


def _parts(line: bytes) -> list[Any]:
    """The checked parts of a line: "ok" and a value, or "raised" or "bad" and an exception.

    Raises:
        values.Unfit: The line is none that calls.py writes.
    """
    parts = values.parse(line)
    match parts:
        case ["ok", encoded]:
            return ["ok", values.decode(encoded)]
        case ["bad", str(), str(), str(), int()]:
            return list(parts)
        case ["raised", str(), str(), str(), int(), [*names]] if all(
            isinstance(name, str) for name in names
        ):
            return list(parts)
    raise values.Unfit("not a line of calls.py")


def _show_arguments(case: CallCase) -> str:
    text = ", ".join(values.show(arg) for arg in case.args)
    return values.cut(text, 120)


def _is_expected(case: CallCase, message: str, lineage: list[str]) -> bool:
    """Whether an exception is the one that the call must raise."""
    wanted = case.raises if ":" in case.raises else f"builtins:{case.raises}"
    return bool(case.raises) and wanted in lineage and re.search(case.match, message) is not None


def _returned(call: str, case: CallCase, value: Any) -> _Verdict:
    if case.raises:
        shown = values.show(value, 80)
        return _Verdict(Status.FAILED, f"{call} returned {shown}, expected {case.raises}")
    tolerance = case.tolerance if case.compare == "approx" else None
    if values.same(value, case.expected, tolerance):
        return _PASSED
    shown, expected = values.show(value, 80), values.show(case.expected, 80)
    return _Verdict(Status.FAILED, f"{call} returned {shown}, expected {expected}")


def _raised(
    status: Status, what: str, name: str, text: str, path: str, line: int, wanted: str = ""
) -> _Verdict:
    text = values.cut(text, RAISED_WIDTH)
    colon = ": " if text else ""
    line = values.line_number(line)
    where = f" (line {line})" if line else ""
    if status is Status.ERROR:
        what += ":"
    expected = f", expected {wanted}" if wanted else ""
    return _Verdict(status, f"{what} {name}{colon}{text}{where}{expected}", path, line)


def _unfinished(tests: CallTests, done: int, reply: Reply, limits: Limits) -> list[_Verdict]:
    """Verdicts on the cases from number `done` on, of which the first did not come to its end."""
    call = f"{tests.function}({_show_arguments(tests.cases[done])})"
    left = len(tests.cases) - done
    slow = reply.status == -signal.SIGKILL and reply.cpu_s >= limits.cpu_s
    if reply.status is None or reply.status in OUT_OF_CPU or slow:
        first = _Verdict(Status.TIMEOUT, f"{call} timed out")
        return [first, *[_Verdict(Status.TIMEOUT)] * (left - 1)]
    if reply.full:
        first = _Verdict(Status.OUT_OF_MEMORY, f"{call} ran out of memory")
        return [first, *[_Verdict(Status.MISSING)] * (left - 1)]
    if reply.status < 0:
        how = f"was killed by {signal_name(-reply.status)}"
    else:
        how = f"ended its process with exit code {reply.status}"
    return [_Verdict(Status.ERROR, f"{call} {how}"), *[_Verdict(Status.MISSING)] * (left - 1)]


def signal_name(number: int) -> str:
    """The name of a signal; `SIGRTMIN+6` for one of those that Python has no name for."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
