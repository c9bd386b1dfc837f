"""What is told of the repair of a person's file: as text, and as plain data."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from hrmgym.envs.showing import showable
from hrmgym.experiments.projects.examining import listed
from hrmgym.experiments.projects.repairing import FileRepair
from hrmgym.experiments.projects.search import Ended, Passing, Search

#: Of the layout of `to_dict`.
VERSION = 1
_MOST_FAILING = 5


def unified(done: FileRepair, passing: Passing, context: int = 3) -> list[str]:
    """The edit as a unified diff, with paths relative to the project's root."""
    assert done.file is not None
    before, after = done.file.plain.splitlines(), passing.text.splitlines()
    names = f"a/{done.path}", f"b/{done.path}"
    lines = difflib.unified_diff(before, after, *names, n=context, lineterm="")
    return [showable(line) for line in lines]


def about(done: FileRepair) -> Iterator[str]:
    """What was found out before anything was tried, a line each."""
    examined = done.examined
    for note in done.notes:
        yield f"note: {note}"
    for what in done.left_out[:_MOST_FAILING]:
        yield f"note: not copied: {what}"
    if len(done.left_out) > _MOST_FAILING:
        yield f"note: not copied: {len(done.left_out) - _MOST_FAILING} more"
    for name, why in examined.broken.items():
        yield f"note: {name} cannot be collected, so its tests do not count: {why}"
    if examined.flaky:
        yield (
            "note: flaky, so they do not count: "
            f"{listed(examined.flaky)} (not the same in every run of the same code)"
        )
    total = len(examined.failing) + len(examined.passing)
    yield f"{done.tests}: {len(examined.failing)} of {total} tests fail"
    for name in examined.failing[:_MOST_FAILING]:
        yield f"  {name}: {examined.messages[name]}"
    if len(examined.failing) > _MOST_FAILING:
        yield f"  and {len(examined.failing) - _MOST_FAILING} more"
    if done.why:
        also = f"; failing tests also run {listed(done.also)}" if done.also else ""
        yield f"file: {done.path} ({done.why}{also})"


def outcome(done: FileRepair, found: Search) -> Iterator[str]:
    """What the search came to, a line each, without the diff of the first edit."""
    total = len(done.examined.failing) + len(done.examined.passing)
    if not found.passing:
        which = f"all {total} tests" if total > 1 else "the test"
        yield f"no edit makes {which} pass: {_why_none(found)}"
        return
    first = found.passing[0]
    passes = f"all {total} tests pass" if total > 1 else "the test passes"
    yield (
        f"{passes} after this edit: number {first.number} of the order, test run"
        f" {first.test_run}, {first.seconds:.1f} s of search"
    )
    more = found.test_runs - first.test_run
    stopped = ", interrupted" if found.ended is Ended.INTERRUPTED else ""
    if not found.passing[1:]:
        yield f"nothing else passed in {more} more test runs{stopped}"
        return
    yield (
        f"what else passed in {more} more test runs{stopped}: the tests do not tell these from the"
        " first, so read them"
    )
    for other in found.passing[1:]:
        lines = [line for line in unified(done, other, context=0)[2:] if line]
        yield f"  number {other.number}:"
        yield from (f"    {line}" for line in lines)


def _why_none(found: Search) -> str:
    spent = f"in {found.test_runs} test runs and {found.seconds:.1f} s"
    if found.ended is Ended.TRIED_ALL:
        return f"all {found.edits} edits tried {spent}"
    text = f"{found.edits} edits tried {spent}"
    if found.timed_out:
        text += f", {found.timed_out} of them ran out of time"
    return {
        Ended.RUNS: f"{text}; --runs allows more",
        Ended.SECONDS: f"{text}; --seconds allows more",
        Ended.INTERRUPTED: f"interrupted; {text}",
    }.get(found.ended, text)


def to_dict(done: FileRepair, applied: bool) -> dict[str, Any]:
    """Everything as plain data; texts are as they would be in the file, but for line ends.

    Args:
        done: What became of it.
        applied: Whether the first edit was written into the file.
    """
    examined, found = done.examined, done.search
    passing = found.passing if found is not None else []
    return {
        "version": VERSION,
        "status": done.status,
        "root": str(done.root),
        "file": done.path or None,
        "why_this_file": done.why or None,
        "also_run_by_failing_tests": list(done.also),
        "applied": applied,
        "tests": {
            "selected": done.tests,
            "failing": {name: examined.messages[name] for name in examined.failing},
            "passing": list(examined.passing),
            "skipped": list(examined.skipped),
            "flaky": list(examined.flaky),
            "not_collected": dict(examined.broken),
        },
        "search": None
        if found is None
        else {
            "ended": found.ended.value,
            "edits": found.edits,
            "test_runs": found.test_runs,
            "timed_out": found.timed_out,
            "seconds": round(found.seconds, 3),
        },
        "repair": _edit(done, passing[0]) if passing else None,
        "others": [_edit(done, one) for one in passing[1:]],
        "not_copied": list(done.left_out),
        "notes": list(done.notes),
        "seconds": round(done.seconds, 3),
    }


def _edit(done: FileRepair, one: Passing) -> dict[str, Any]:
    return {
        "number": one.number,
        "test_run": one.test_run,
        "seconds": round(one.seconds, 3),
        "diff": "\n".join(unified(done, one)),
        "text": one.text,
    }
