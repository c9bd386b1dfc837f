"""How fast legal edits are enumerated and tried, over the programs of QuixBugs.

    python benchmarks/edits.py --json

- `edits_per_s`: legal edits a CPU second, all filters and ids included: the total over the 40
  programs, preparation included, the best of several rounds.
- `enumerate_ms_median`: CPU milliseconds for all edits of a program, the median over the programs,
  each the best of the rounds.
- `edits_median`, `lean_median`: legal edits of a program.
- `load`: of the machine when it was measured. What else runs slows down what is measured here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence

from hrmgym.envs import make_benchmark
from hrmgym.envs.edits.legal import legal_edits


def programs() -> list[str]:
    """The broken programs of QuixBugs."""
    return [
        task.workspace.files[path]
        for task in make_benchmark("quixbugs").tasks("test")
        for path in task.editable
    ]


def enumeration(texts: Sequence[str], rounds: int) -> dict[str, float]:
    """What enumerating all edits of each text costs."""
    lean, every, best = [], [], [float("inf")] * len(texts)
    for _ in range(rounds):
        lean, every = [], []
        for index, text in enumerate(texts):
            start = time.process_time()
            edits = legal_edits(text)
            few = sum(1 for _ in edits.lean())
            many = sum(1 for _ in edits.bulky())
            best[index] = min(best[index], time.process_time() - start)
            lean.append(few)
            every.append(few + many)
    return {
        "edits_per_s": round(sum(every) / sum(best)),
        "enumerate_ms_median": round(1e3 * statistics.median(best), 2),
        "edits_median": statistics.median(every),
        "lean_median": statistics.median(lean),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python benchmarks/edits.py")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    figures = {"load": round(os.getloadavg()[0], 2), **enumeration(programs(), options.rounds)}
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:20} {value:,}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
