"""What programs do on the cases of a kata, found out in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from hrmgym.envs.benchmarks.katas import Kata, judge

_STEPS = 20_000  # lines of Python per case; the katas themselves need fewer than 3,000
_WALL_S = 120.0
#: What the judge says of one program: (passed, shown result) per case; None if it broke the limits.
Verdict = tuple[tuple[bool, str], ...] | None


def verify(kata: Kata, programs: Sequence[str]) -> list[Verdict]:
    """Verdicts on all cases, the visible ones first; None where two hash seeds disagree."""
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda hash_seed: judged(kata, programs, hash_seed), (1, 2))
    return [a if a == b else None for a, b in zip(first, second, strict=True)]


def is_endless(verdict: Verdict) -> bool:
    """Whether a program did not come to an end on some case."""
    return verdict is not None and any(shown == judge.ENDLESS for _, shown in verdict)


def judged(kata: Kata, programs: Sequence[str], hash_seed: int) -> list[Verdict]:
    """Run programs on all cases of a kata (the visible ones first) in processes of their own."""
    cases = [[list(case.args), case.expected] for case in kata.visible + kata.hidden]
    verdicts: list[Verdict] = []
    while len(verdicts) < len(programs):
        job = {
            "function": kata.name,
            "programs": list(programs[len(verdicts) :]),
            "cases": cases,
            "steps": _STEPS,
        }
        try:
            answer = subprocess.run(
                [sys.executable, "-P", "-S", judge.__file__],
                input=json.dumps(job).encode(),
                env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_WALL_S,
                check=False,
            ).stdout
        except subprocess.TimeoutExpired as expired:
            answer = expired.stdout or b""
        lines = answer.decode(errors="replace").splitlines()
        verdicts.extend(_read_verdict(line) for line in lines)
        if len(verdicts) < len(programs):
            verdicts.append(None)  # this one ended the run
    return verdicts


def _read_verdict(line: str) -> Verdict:
    try:
        return tuple((passed, shown) for passed, shown in json.loads(line))
    except ValueError:  # a line cut off
        return None
