"""Pytest-style tests apart from the code that they test: what goes into the two sandboxes, and the
verdict on what comes out.

The tests, and every value that they expect, are in one sandbox; the tested code is in another, and
serves its modules over a socket (see judge.py and candidate.py).
"""

from __future__ import annotations

import ast
import hashlib
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hrmgym.envs.outcome import FailureCode, Outcome, Status
from hrmgym.envs.sandboxes.inside import selection, sourcecode, values
from hrmgym.envs.sandboxes.verdicts import collecting
from hrmgym.envs.sandboxes.verdicts.pytest_outcome import (
    CONFIGS,
    MESSAGE_WIDTH,
    Book,
    is_timeout,
)
from hrmgym.envs.task import Limits, PytestTests

_MOST_PLANS = 512


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from tests alone."""

    key: str
    """Stands for the tests, with everything that a zygote of them depends on."""
    prepare: Mapping[str, Any]
    """The message that has the judge collect them; without key, limits, and what it may forget."""
    roots: tuple[str, ...]
    """Folders of the workspace that imports look into, in order."""
    imports: frozenset[str]
    """Top-level names that the tests import."""
    prints: bool
    """Whether they look at what the tested code prints."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the two guests have answered."""

    events: bytes
    """The events in the judge, as lines with lists of them in JSON."""
    judge: int | None
    """Exit code of the process with the tests; None where it ran out of time."""
    candidate: int | None
    """Exit code of the process with the tested code; None where it ran out of time."""
    cpu_s: float
    wall_s: float
    bad: str = ""
    """Why the tests could not even be collected."""
    full: bool = False
    """Whether one of the two was killed for want of the memory that the limits give."""


def plan(tests: PytestTests, limits: Limits) -> Plan:
    """What to do about tests; computed once for each."""
    return _plan(
        tuple(tests.files.items()), tests.ids, tests.args, limits.memory_mb, limits.file_mb
    )


@lru_cache(_MOST_PLANS)
def _plan(
    files: tuple[tuple[str, str], ...], ids: tuple[str, ...], args: tuple[str, ...], *sizes: int
) -> Plan:
    contents = dict(files)
    trees = {path: _parse(text) for path, text in files if path.endswith(".py")}
    named = dict.fromkeys(map(selection.path_of, ids))
    targets = [path for path in named if path in contents]
    text = "\n".join(text for path, text in files if path.endswith(".py"))
    folders = dict.fromkeys(_import_folder(path, contents) for path in reversed(targets))
    body = {
        "files": contents,
        "ids": list(ids),
        "args": list(args),
        "targets": targets,
        "config": next((name for name in CONFIGS if name in contents), None),
        "plain": not any(word in text for word in ("subTest", "subtests", "addClassCleanup")),
        "eager": any(collecting.needs_code(tree) for tree in trees.values()),
        "seeds": "random.seed" in text,
    }
    digest = hashlib.sha256(json.dumps([body, sizes]).encode("utf-8", "surrogatepass"))
    return Plan(
        key=digest.hexdigest(),
        prepare=body,
        roots=tuple(dict.fromkeys([*folders, ""])),
        imports=frozenset(name for tree in trees.values() for name in collecting.imported(tree)),
        prints=any(word in text for word in ("capsys", "redirect_std", "sys.stdout", "sys.stderr")),
    )


def _parse(text: str) -> ast.Module:
    try:
        return ast.parse(sourcecode.data_of(text))
    except (SyntaxError, ValueError):  # pytest will say so
        return ast.Module(body=[], type_ignores=[])


def _import_folder(path: str, files: Mapping[str, str]) -> str:
    """The folder that pytest adds to the path of imports for a test file."""
    folder = path.rpartition("/")[0]
    while folder and f"{folder}/__init__.py" in files:
        folder = folder.rpartition("/")[0]
    return folder


def shadowed(plan: Plan, files: Mapping[str, str]) -> str:
    """A file of the workspace that has the name of a standard module that the tests import."""
    for path in files:
        for root in plan.roots:
            inside = path.removeprefix(f"{root}/") if root else path
            if root and inside == path:
                continue
            top = inside.partition("/")[0].removesuffix(".py")
            if top in plan.imports and top in sys.stdlib_module_names:
                return path
    return ""


def candidate_request(plan: Plan, files: Mapping[str, str], limits: Limits) -> dict[str, Any]:
    """The message that has a guest serve the workspace's modules."""
    return {
        "op": "serve",
        "files": dict(files),
        "roots": list(plan.roots),
        "prints": plan.prints,
        "limits": limits.fields(),
    }


def judge_request(plan: Plan, limits: Limits) -> dict[str, Any]:
    """The message that has the judge run the tests."""
    return {"op": "judge", "key": plan.key, "limits": limits.fields()}


def prepare_request(plan: Plan, limits: Limits, end: list[str]) -> dict[str, Any]:
    """The message that has the judge collect the tests, and forget those of other keys."""
    return {
        "op": "prepare",
        "key": plan.key,
        "end": end,
        "limits": limits.fields(),
        "wall_s": max(60.0, limits.wall_s),
        **plan.prepare,
    }


def unfit(said: list[Any]) -> str:
    """Why a workspace cannot be laid out, from what the guest says of the error."""
    return f"the files cannot be written: {said[0]}: {said[1]}"


def refusal(tests: PytestTests, message: str, failure: FailureCode | None = None) -> Outcome:
    """The outcome of tests of which none could run."""
    statuses = dict.fromkeys(tests.ids, Status.ERROR)
    return Outcome(tests=statuses, message=values.cut(message, MESSAGE_WIDTH), failure=failure)


def shadowing(tests: PytestTests, path: str) -> Outcome:
    """The outcome where a file has the name of a standard module that the tests import.

    If the known solution has none, as has been tried, the file is the tested code's own doing.
    """
    text = f"{path} has the name of a standard module that the tests import"
    return refusal(tests, text, None if tests.tried else FailureCode.CANNOT_CROSS)


def judge(tests: PytestTests, reply: Reply) -> Outcome:
    """The outcome of a run.

    What cannot be done from another process is no verdict, but for what tested code can bring about
    with any test, and the known solution does not: that test fails.
    """
    if reply.bad:
        return refusal(tests, reply.bad)
    book = Book(tests)
    lost, cannot = None, ""
    for event in (event for line in reply.events.splitlines() for event in values.parse(line)):
        if "lost" in event:
            lost = event
        elif "bad" in event:
            return refusal(tests, f"the tests cannot be run: {event['bad']}")
        else:
            blamed = event.get("blamed")
            if blamed == "tests" or (blamed == "code" and not tests.tried):
                where = event.get("test") or event.get("broken")
                cannot = cannot or f"{where}: {event['message']}"
            elif blamed == "code":
                event |= {"phase": "call"}
            book.note(event)
    status = reply.judge
    if lost is not None and not is_timeout(status):  # then it counts how the other side has ended
        status = 0 if lost["message"] else reply.candidate
        if not lost["lost"] and not is_timeout(status) and status != -signal.SIGKILL:
            return refusal(
                tests, lost["message"] or "the tested code ends its process when it is imported"
            )
    why = lost["message"] if lost is not None else ""
    outcome = book.close(status, why=why, full=reply.full, cpu_s=reply.cpu_s, wall_s=reply.wall_s)
    if not cannot:
        return outcome
    message = values.cut(cannot, MESSAGE_WIDTH)
    return replace(
        outcome, message=message, path="", line=0, failure=FailureCode.CANNOT_CROSS, killed=False
    )
