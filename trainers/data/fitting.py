"""How often each operator should act: as often as real edits undo what it does.

    python -m hrmgym.trainers.data.fitting            fits the shipped weights anew, and shows them

A real edit, read backwards, is taken for a draw: first an operator by weight, then one of its
sites, all equally likely. The weights that make the training packages' edits most likely are found
by expectation-maximisation. What no operator reaches says nothing about the weights; how much that
is, is shown as coverage, apart for the validation packages.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from hrmgym.envs.bugs.making import FILE
from hrmgym.envs.bugs.operators import OPERATORS
from hrmgym.envs.bugs.realistic import REALISTIC
from hrmgym.envs.bugs.releases import SPLITS
from hrmgym.envs.bugs.spans import MOST_SPANS
from hrmgym.errors import UserError
from hrmgym.trainers.data.reach import Reach, reach
from hrmgym.trainers.data.real_edits import RealEdit, real_edits

_ROUNDS = 200
FLOOR = 0.002
"""Least weight: what the training packages happen not to show is made at times."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Weights that add up to one, and the chance of one, two and three edits."""

    weights: Mapping[str, float]
    counts: tuple[float, ...]


def fit(found: Sequence[Reach], names: Sequence[str], edits: Sequence[RealEdit]) -> Fitted:
    """The most likely weights.

    Args:
        found: What the operators reach of each edit.
        names: The operators.
        edits: The same edits.
    """
    parts = [part for one in found for part in one.parts if part]
    weights = dict.fromkeys(names, 1 / len(names))
    for _ in range(_ROUNDS if parts else 0):
        shares = dict.fromkeys(names, 0.0)
        for part in parts:
            total = sum(weights[name] * chance for name, chance in part.items())
            for name, chance in part.items():
                shares[name] += weights[name] * chance / total
        weights = {name: share / len(parts) for name, share in shares.items()}
    raised = {name: max(weight, FLOOR) for name, weight in weights.items()}
    total = sum(raised.values())
    spans = Counter(len(edit.edits) for edit in edits)
    counts = tuple(spans[count] / len(edits) for count in range(1, MOST_SPANS + 1))
    return Fitted({name: weight / total for name, weight in raised.items()}, counts)


def main() -> int:
    """Fit the shipped weights; returns the exit status."""
    for split in reversed(SPLITS):
        edits = real_edits(split)
        found = [reach(edit, REALISTIC) for edit in edits]
        print(f"{split}: {len(edits)} edits, {_coverage(edits, found)}")
    fitted = fit(found, tuple(REALISTIC), edits)
    reached = Counter(name for one in found for part in one.parts for name in part)
    for name, weight in sorted(fitted.weights.items(), key=lambda item: -item[1]):
        print(f"{name:18} {weight:.4f}  reaches {reached[name]} parts of the training edits")
    data = {
        "weights": {name: round(weight, 5) for name, weight in fitted.weights.items()},
        "counts": fitted.counts,
    }
    path = Path(str(resources.files("hrmgym.envs").joinpath(f"data/{FILE}")))
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0


def _coverage(edits: Sequence[RealEdit], found: Sequence[Reach]) -> str:
    def share(chosen: list[bool]) -> str:
        return f"{sum(chosen) / max(1, len(chosen)):.3f} of {len(chosen)}"

    pairs = list(zip(edits, found, strict=True))
    first = [all(any(n in OPERATORS for n in part) for part in one.parts) for one in found]
    single = [one.reached for edit, one in pairs if len(edit.edits) == 1]
    return (
        f"in reach {share([one.reached for one in found])}, "
        f"with one span {share(single)}, by the first {len(OPERATORS)} operators {share(first)}"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as problem:
        sys.exit(str(problem))
