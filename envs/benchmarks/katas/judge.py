"""Runs programs on cases, as a script of its own: `python -P judge.py < job.json`.

The job is one JSON object: {"function": name, "programs": [text, ...], "cases": [[args, expected],
...], "steps": n}. For each program one line goes out: a JSON list with one [passed, what came out]
per case. A case may execute at most `steps` lines of Python: an endless loop ends after the same
line on every machine. Memory and CPU time of the whole run are limited as a backstop; a program
that breaks them ends the run, and its line and all later ones are missing.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import sys
from typing import Any

ENDLESS = "endless"

_MEMORY = 1 << 30  # bytes
_CPU_S = 60


class Endless(BaseException):
    """Not an `Exception`, so that a program under test does not catch it."""


def run(program: str, function: str, args: list[Any], steps: int) -> tuple[bool, Any]:
    """Whether a call returned, and what it returned or how it ended."""
    left = steps

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Endless
        return trace

    names: dict[str, Any] = {"__name__": "program"}
    try:
        exec(compile(program, "program.py", "exec"), names)
        sys.settrace(trace)
        try:
            return True, names[function](*copy.deepcopy(args))
        finally:
            sys.settrace(None)
    except Endless:
        return False, ENDLESS
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"


def judge(job: dict[str, Any]) -> None:
    """Run a whole job; one line to standard output per program."""
    for program in job["programs"]:
        outcomes = []
        for args, expected in job["cases"]:
            with contextlib.redirect_stdout(io.StringIO()):  # the lines are the answer's
                returned, value = run(program, job["function"], args, job["steps"])
            shown = repr(value) if returned else value
            outcomes.append([returned and bool(value == expected), shown[:200]])
        print(json.dumps(outcomes), flush=True)


if __name__ == "__main__":
    import resource  # POSIX only; reading the stored bugs needs no judge

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    judge(json.load(sys.stdin))
