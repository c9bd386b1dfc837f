"""Is one commit's sandbox slower than another's? Both in turn, in pairs, by CPU time.

    HRMGYM_DATA=... python benchmarks/compare.py OLD [NEW] --pairs 7 --json

Both commits are checked out into a temporary folder and measured by the scripts that lie beside
this one (sandbox_cpu.py), so that both do the same work. In each pair every part is measured once
with the old package and once with the new one, one right after the other; which goes first changes
from pair to pair, so that a machine that gets slower, or faster, favours neither.

For each headline figure of sandbox.py: the median over the pairs of CPU seconds new / old, and an
upper bound that the true median stays below in at least 95 of 100 such comparisons. It is the exact
one for medians: the k-th smallest ratio, with the least k for which at most k - 1 of n fair coins
show heads with a probability of at least 0.95. It assumes that pairs are independent, and nothing
of how ratios are spread. For 7 pairs it is the largest ratio, for 11 the third largest.

The exit code is 1 if a bound is above --limit, 2 if something cannot be measured, else 0. What is
not committed is not measured. On two quiet cores a pair takes less than a minute.
"""

from __future__ import annotations

import argparse
import compileall
import io
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox_load import need_data

PARTS = ("runs", "sessions", "state", "steps", "sleep")
#: With fewer pairs there is no bound: the largest of four ratios is below the median too often.
FEWEST = 5
CONFIDENCE = 0.95
_HERE = Path(__file__).resolve().parent


# --- statistics ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """One figure: how much more the new commit spends."""

    median: float
    upper: float
    """Bound of the median."""
    ratios: tuple[float, ...]
    """New / old, pair by pair."""


def compare(pairs: Sequence[tuple[float, float]]) -> Comparison:
    """Compares pairs of (old, new), which are CPU seconds of the same work.

    Raises:
        ValueError: There are fewer than five pairs, or a time is not positive.
    """
    if len(pairs) < FEWEST:
        raise ValueError(f"{len(pairs)} pairs give no bound; at least {FEWEST} are needed")
    if min(min(pair) for pair in pairs) <= 0:
        raise ValueError("a time is not positive: what was measured is too short")
    ratios = tuple(new / old for old, new in pairs)
    return Comparison(statistics.median(ratios), sorted(ratios)[rank(len(ratios)) - 1], ratios)


def rank(count: int, confidence: float = CONFIDENCE) -> int:
    """Which of `count` sorted values bounds their median from above with that confidence, from 1.

    The k-th one is below the median if at least k values are, and each is with probability 1/2.
    """
    below = 0
    for k in range(1, count + 1):
        below += math.comb(count, k - 1)
        if below >= confidence * 2**count:
            return k
    raise ValueError(f"{count} values do not bound their median with confidence {confidence}")


# --- both commits --------------------------------------------------------------------------------


def check_out(commit: str, folder: Path) -> str:
    """Lays a commit's package out so that `folder` on PYTHONPATH gives it; the commit's full hash.

    Raises:
        SystemExit: There is no such commit here.
    """
    git = ["git", "-C", str(_HERE.parent)]
    found = subprocess.run(
        [*git, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        fail(f"there is no commit {commit!r} in {_HERE.parent}")
    name = found.stdout.strip()
    with tempfile.TemporaryDirectory() as source:
        packed = subprocess.run([*git, "archive", name], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(source, filter="data")
        settings = tomllib.loads(Path(source, "pyproject.toml").read_text("utf-8"))
        for package, place in settings["tool"]["setuptools"]["package-dir"].items():
            if package == "hrmgym.tests":
                continue
            target = folder / package.replace(".", "/")
            shutil.copytree(Path(source, place), target, dirs_exist_ok=True)
    # Sandboxes do not write compiled files: without any, each start would compile everything.
    compileall.compile_dir(folder, quiet=2, workers=0)
    return name


def measure(part: str, package: Path) -> dict[str, float]:
    """What a part spends with that package, in a process of its own: figure -> CPU seconds.

    Raises:
        SystemExit: It cannot be measured.
    """
    done = subprocess.run(
        [sys.executable, str(_HERE / "sandbox_cpu.py"), part, "--package", str(package)],
        env=os.environ | {"PYTHONPATH": str(package), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        fail(f"{part} cannot be measured with {package.name}: {last}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_pairs(
    packages: Mapping[str, Path], parts: Sequence[str], count: int
) -> dict[str, list[tuple[float, float]]]:
    """Figure -> (old, new) of every pair."""
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(count):
        for part in parts:
            print(f"pair {number + 1} of {count}: {part}", file=sys.stderr, flush=True)
            order = ("old", "new") if number % 2 == 0 else ("new", "old")
            spent = {side: measure(part, packages[side]) for side in order}
            for figure, old in spent["old"].items():
                found.setdefault(figure, []).append((old, spent["new"][figure]))
    return found


def fail(message: str) -> None:
    """Ends the program with exit code 2."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


# --- the command ---------------------------------------------------------------------------------


def main() -> None:
    """Compare two commits, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("old", help="commit to compare with")
    parser.add_argument("new", nargs="?", default="HEAD", help="commit; by default HEAD")
    parser.add_argument("--pairs", type=int, default=7, help=f"how many, at least {FEWEST}")
    parser.add_argument("--limit", type=float, default=1.10, help="of the upper bounds")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="only these")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    chosen = parser.parse_args()
    if chosen.pairs < FEWEST:
        fail(f"--pairs {chosen.pairs}: at least {FEWEST} are needed for a bound")
    if "steps" in chosen.parts:
        need_data(["quixbugs"])
    with tempfile.TemporaryDirectory(prefix="hrmgym-compare-") as folder:
        packages = {"old": Path(folder, "old"), "new": Path(folder, "new")}
        names = {side: check_out(getattr(chosen, side), packages[side]) for side in packages}
        for package in packages.values():
            measure("state", package)  # read from the disk, and found to work
        pairs = measure_pairs(packages, chosen.parts, chosen.pairs)
    sys.exit(report(pairs, names, chosen.limit, as_json=chosen.json))


def report(
    pairs: Mapping[str, Sequence[tuple[float, float]]],
    commits: Mapping[str, str],
    limit: float,
    *,
    as_json: bool,
) -> int:
    """Print what pairs of (old, new) say, figure by figure; the exit code."""
    found = {figure: compare(measured) for figure, measured in pairs.items()}
    above = [figure for figure, one in found.items() if one.upper > limit]
    if as_json:
        shown = {figure: asdict(one) | {"pairs": pairs[figure]} for figure, one in found.items()}
        print(json.dumps({"commits": commits, "limit": limit, "above": above, "figures": shown}))
    else:
        print(f"{'CPU seconds, new / old':36}{'median':>10}{'at most':>10}")
        for figure, one in found.items():
            sign = f"  above {limit:g}" if figure in above else ""
            print(f"{figure:36}{one.median:10.3f}{one.upper:10.3f}{sign}")
    return 1 if above else 0


if __name__ == "__main__":
    main()
