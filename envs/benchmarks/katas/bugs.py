"""The bugs that make tasks of the katas: building, storing and reading their list.

    python -m hrmgym.envs.benchmarks.katas.bugs           rebuilds bugs.json
    python -m hrmgym.envs.benchmarks.katas.bugs --check   fails if that is not what a rebuild gives

A kata's list holds all its bugs by hand, and further ones by operators up to `PER_KATA` in all,
spread over the operators. Every bug fails at least one visible and one hidden case,
with the same results in two runs under different hash seeds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from hrmgym.envs.benchmarks.katas import PACKAGE, Kata, load_katas
from hrmgym.envs.benchmarks.katas.verify import Verdict, is_endless, verify
from hrmgym.envs.bugs.operators import OPERATORS, WEIGHTS, mutations
from hrmgym.envs.edits.edit import Edit, apply, trim
from hrmgym.errors import DataError, UserError, did_you_mean

PER_KATA = 14
"""Most bugs of one kata, those by hand included."""
HAND = "hand"
"""What stands in place of the operator of a bug by hand."""

_KEYS = ("id", "operator", "note", "start", "end", "text")


@dataclass(frozen=True, slots=True)
class KataBug:
    """One bug of one kata."""

    id: str
    """`<kata>/<operator>-<number>`, for example `merge_bookings/comparison-1`."""
    operator: str
    """One of the names of `OPERATORS`, or `hand`."""
    note: str
    edit: Edit
    """The edit of the kata's code that makes the bug; its inverse is the reference solution."""


def bugs_of(kata: Kata) -> tuple[KataBug, ...]:
    """The stored bugs of a kata, those by hand first.

    Raises:
        DataError: the stored list has none, or does not fit the kata's code.
    """
    stored = _stored()
    if kata.name not in stored:
        raise DataError(
            f"bugs.json: kata {kata.name!r} is missing{did_you_mean(kata.name, stored)}"
        )
    return tuple(_read_bug(kata, entry) for entry in stored[kata.name])


@cache
def _stored() -> Mapping[str, list[dict[str, Any]]]:
    try:
        text = (resources.files(PACKAGE) / "bugs.json").read_text(encoding="utf-8")
        data = json.loads(text)
    except FileNotFoundError:
        raise DataError(
            f"{PACKAGE}: bugs.json is missing; build it: python -m {PACKAGE}.bugs"
        ) from None
    except json.JSONDecodeError as error:
        raise DataError(f"bugs.json: not JSON: {error}") from None
    if not isinstance(data, dict) or not all(isinstance(v, list) for v in data.values()):
        raise DataError("bugs.json: must be a mapping from kata to list of bugs")
    return data


def _read_bug(kata: Kata, entry: Mapping[str, Any]) -> KataBug:
    if not isinstance(entry, dict) or tuple(entry) != _KEYS:
        raise DataError(f"bugs.json: {kata.name}: a bug must have the keys {', '.join(_KEYS)}")
    edit = Edit(entry["start"], entry["end"], entry["text"])
    if not 0 <= edit.start <= edit.end <= len(kata.code):
        raise DataError(f"bugs.json: {entry['id']}: the edit is outside the code of the kata")
    return KataBug(entry["id"], entry["operator"], entry["note"], edit)


# --- building ------------------------------------------------------------------------------------


def build_bugs(kata: Kata) -> tuple[KataBug, ...]:
    """Make, verify and choose the bugs of a kata; the same on every machine.

    Raises:
        DataError: the kata's own code fails a case, or a bug by hand does not fail as it must.
    """
    made: dict[str, tuple[str, str, Edit]] = {}  # mutated text -> operator, note, edit
    for hand in kata.bugs:
        start = kata.code.index(hand.find)
        edit = trim(kata.code, Edit(start, start + len(hand.find), hand.replace))
        made[apply(kata.code, edit)] = (HAND, hand.note, edit)
    for mutation in mutations(kata.code):
        mutated = apply(kata.code, mutation.edit)
        made.setdefault(mutated, (mutation.operator, mutation.note, mutation.edit))
    programs = [kata.code, *made]
    verdicts = verify(kata, programs)
    if verdicts[0] is None or not all(passed for passed, _ in verdicts[0]):
        raise DataError(f"kata {kata.name}: its own code does not pass its cases")
    pool: dict[str, list[tuple[tuple[bool, bool, str], str]]] = {}
    for program, verdict in zip(programs[1:], verdicts[1:], strict=True):
        operator, note, _ = made[program]
        if _is_task(kata, verdict):
            pool.setdefault(operator, []).append((_order(kata, program, verdict), program))
        elif operator == HAND:
            raise DataError(f"kata {kata.name}: bug {note!r} must fail a visible and a hidden case")
    chosen = _choose(kata, pool)
    bugs: list[KataBug] = []
    for operator in (HAND, *OPERATORS):
        of_operator = [p for p in made if p in chosen and made[p][0] == operator]
        for number, program in enumerate(of_operator, start=1):
            _, note, edit = made[program]
            bugs.append(KataBug(f"{kata.name}/{operator}-{number}", operator, note, edit))
    return tuple(bugs)


def _is_task(kata: Kata, verdict: Verdict) -> bool:
    if verdict is None:
        return False
    passed = [ok for ok, _ in verdict]
    seen = len(kata.visible)
    return not all(passed[:seen]) and not all(passed[seen:])


def _order(kata: Kata, program: str, verdict: Verdict) -> tuple[bool, bool, str]:
    """Among the bugs of an operator, endless and hopeless ones come last; otherwise by chance."""
    assert verdict is not None
    hopeless = not any(ok for ok, _ in verdict)
    return is_endless(verdict), hopeless, _digest(kata.name, program)


def _choose(kata: Kata, pool: dict[str, list[tuple[tuple[bool, bool, str], str]]]) -> set[str]:
    """All bugs by hand, then one of each operator in turn; at most one endless bug."""
    chosen = {program for _, program in pool.pop(HAND, [])}
    queues = {operator: sorted(bugs) for operator, bugs in pool.items()}
    endless = 0
    turn = 0
    while any(queues.values()):
        for operator in sorted(queues, key=lambda name: _turn(kata.name, name, turn)):
            if len(chosen) >= PER_KATA:
                return chosen
            if not queues[operator]:
                continue
            (hangs, _, _), program = queues[operator].pop(0)
            if hangs:
                endless += 1
                if endless > 1:
                    continue
            chosen.add(program)
        turn += 1
    return chosen


def _turn(kata: str, operator: str, turn: int) -> float:
    """Sort key of a weighted draw without replacement (Efraimidis and Spirakis 2006)."""
    uniform = (int(_digest(kata, f"{operator} {turn}")[:12], 16) + 1) / 16**12
    return -math.log(uniform) / WEIGHTS[operator]


def _digest(kata: str, text: str) -> str:
    return hashlib.sha256(f"{kata}\n{text}".encode()).hexdigest()


def render(bugs: Mapping[str, Iterable[KataBug]]) -> str:
    """The text of bugs.json: one line per bug."""
    katas = []
    for name, found in bugs.items():
        lines = [
            "  "
            + json.dumps(
                {
                    "id": bug.id,
                    "operator": bug.operator,
                    "note": bug.note,
                    "start": bug.edit.start,
                    "end": bug.edit.end,
                    "text": bug.edit.text,
                }
            )
            for bug in found
        ]
        katas.append(f" {json.dumps(name)}: [\n" + ",\n".join(lines) + "\n ]")
    return "{\n" + ",\n".join(katas) + "\n}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild the list, or compare it with the stored one; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hrmgym.envs.benchmarks.katas.bugs")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    options = parser.parse_args(arguments)
    katas = load_katas()
    built = {kata.name: build_bugs(kata) for kata in katas}
    text = render(built)
    path = Path(str(resources.files(PACKAGE) / "bugs.json"))
    for split in dict.fromkeys(kata.split for kata in katas):
        counts = [len(built[kata.name]) for kata in katas if kata.split == split]
        print(f"{split}: {sum(counts)} bugs of {len(counts)} katas")
    if options.check:
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"{path} is not what a rebuild gives", file=sys.stderr)
            return 1
    else:
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as problem:
        sys.exit(str(problem))
