"""Of which kinds real fixes are: the table that `hrmgym.policies.frequencies` ranks edits by.

    python -m hrmgym.trainers.data.edit_kinds          counts the shipped table anew, and shows it

A real fix counts for the kind of the legal edit of the old function that makes the new one, the
same syntax in whatever layout. Where it has several places that can stand alone, each of them is a
fix of the function with the others made. Only training packages count.

How often a kind is chosen says little where few functions have an edit of it. So each kind has a
weight: of the kinds that a list has, one is the fix's with a probability in proportion to its
weight (the choice model of Plackett and Luce). Most likely weights are found by the iteration of
Hunter (2004), "MM algorithms for generalized Bradley-Terry models", section 5.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from hrmgym.envs.bugs.meaning import compiles
from hrmgym.envs.bugs.spans import inverses
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.errors import UserError
from hrmgym.policies.frequencies import file_name
from hrmgym.trainers.data.real_edits import VERSION, RealEdit, real_edits

_PRIOR = 0.5
_MOST_ROUNDS, _CLOSE = 5000, 1e-6


def fixes_of(edit: RealEdit) -> Iterator[tuple[str, str]]:
    """Old and new text of each fix that an edit is: the whole, or its places one by one."""
    backward = inverses(edit.before, edit.edits)
    olds = [apply(edit.after, one) for one in backward]
    if len(olds) > 1 and all(map(compiles, olds)):
        yield from ((old, edit.after) for old in olds)
    else:
        yield edit.before, edit.after


class Fix(NamedTuple):
    """One real fix that is a legal edit."""

    kind: str
    present: frozenset[str]
    """Kinds of all legal edits of the old function."""


def fix_of(old: str, new: str) -> Fix | None:
    """The fix that leads from an old text to a new one; None where no legal edit does.

    Raises:
        DataError: one of the texts is not Python.
    """
    legal = legal_edits(old)
    found = legal.find(new)
    if found is None:
        return None
    every = chain(legal.lean(), legal.bulky())
    return Fix(found.kind, frozenset(edit.kind for edit in every))


def found_in(edits: Sequence[RealEdit]) -> tuple[list[Fix], int]:
    """The fixes that are legal edits, and how many were looked at in all."""
    fixes, tried = [], 0
    for edit in tqdm(edits, unit="edit"):
        for old, new in fixes_of(edit):
            found = fix_of(old, new)
            tried += 1
            fixes += [] if found is None else [found]
    return fixes, tried


def weights_of(fixes: Sequence[Fix]) -> dict[str, float]:
    """Kind -> weight, of all kinds that any list has.

    Each kind is also compared with one more of weight 1, and is chosen as often as that one,
    `_PRIOR` times each: a kind that no fix was of is rare and not impossible.
    """
    kinds = sorted(set().union(*(one.present for one in fixes)))
    number = {kind: at for at, kind in enumerate(kinds)}
    present = np.zeros((len(fixes), len(kinds)))  # [fixes, kinds]
    chosen = np.full(len(kinds), _PRIOR)  # [kinds]
    for row, one in enumerate(fixes):
        present[row, [number[kind] for kind in one.present]] = 1.0
        chosen[number[one.kind]] += 1.0
    weights = np.ones(len(kinds))
    for _ in range(_MOST_ROUNDS):
        sums = present @ weights  # [fixes]
        after = chosen / ((1.0 / sums) @ present + 2.0 * _PRIOR / (weights + 1.0))
        if np.abs(np.log(after / weights)).max() < _CLOSE:
            break
        weights = after
    return {kind: float(f"{weight:.4g}") for kind, weight in zip(kinds, after, strict=True)}


def main() -> int:
    """Counts the shipped table anew; returns the exit status."""
    fixes, tried = found_in(real_edits("train"))
    counts, weights = Counter(one.kind for one in fixes), weights_of(fixes)
    table = {
        "language": "python",
        "source": f"real edits v{VERSION}, training packages",
        "tried": tried,
        "fixes": len(fixes),
        "kinds": dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        "weights": dict(sorted(weights.items(), key=lambda item: (-item[1], item[0]))),
    }
    path = Path(str(resources.files("hrmgym.policies").joinpath(file_name("python"))))
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(path.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as problem:
        sys.exit(str(problem))
