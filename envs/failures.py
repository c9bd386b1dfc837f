"""Results without a verdict, and the modes of tests: the parts that all reports share.

A failure of the sandbox is no verdict: the rate leaves it out, and a report says between which
bounds the rate would lie had there been one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

#: Exit status of commands whose report holds results without a verdict.
EXIT_STATUS = 3

#: Times that a task's episode is played again after a failure, each time in a new sandbox.
REPEATS = 2


def failures_block(
    failures: Mapping[str, Sequence[str]],
    all_failed: Mapping[str, float],
    all_solved: Mapping[str, float],
) -> dict[str, Any]:
    """What a report says of results without a verdict.

    Args:
        failures: Task -> code of each of its results that failed; tasks without any may be missing.
        all_failed: Score -> its value had all of them been wrong.
        all_solved: Score -> its value had all of them been right.
    """
    listed = {task: list(codes) for task, codes in failures.items() if codes}
    codes = Counter(code for found in listed.values() for code in found)
    return {
        "count": codes.total(),
        "codes": dict(sorted(codes.items())),
        "tasks": listed,
        "all_failed": dict(all_failed),
        "all_solved": dict(all_solved),
    }


def modes_block(modes: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """How many tasks' tests run in which mode, and why those that do not run apart do not.

    Args:
        modes: Task -> mode and reason, see `hrmgym.envs.sandboxes.verdicts.trial.task_apart`.
    """
    counts = Counter(mode for mode, _ in modes.values())
    return {
        "counts": dict(sorted(counts.items())),
        "not_apart": {
            task: {"mode": mode, "why": why}
            for task, (mode, why) in modes.items()
            if mode != "apart"
        },
    }
