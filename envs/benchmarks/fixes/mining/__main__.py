"""`python -m hrmgym.envs.benchmarks.fixes.mining --work DIR`: mines the recipe. It can be stopped
at any time, and goes on where it was."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from hrmgym.envs.benchmarks.fixes.layout import Layout, layout_of
from hrmgym.envs.benchmarks.fixes.mining.pairs import (
    MOST_A_PACKAGE,
    MOST_A_PAIR,
    Limits,
    Yield,
    mine,
)
from hrmgym.envs.benchmarks.fixes.mining.sources import refusal
from hrmgym.envs.benchmarks.fixes.mining.state import State, pairs_of, recipe_of, table
from hrmgym.envs.benchmarks.fixes.recipe import SPLITS, Package, read, written
from hrmgym.envs.bugs.releases import fetch
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import NO_ENVIRONMENT, Environment
from hrmgym.errors import DataError, HrmgymError, UnknownNameError

_SOURCES = Path(__file__).with_name("sources.jsonl")


def main(arguments: Sequence[str] | None = None) -> None:
    """Mines pair by pair, the newest of every package first, and writes the recipe."""
    parser = argparse.ArgumentParser(
        prog="hrmgym.envs.benchmarks.fixes.mining", description=__doc__
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for archives and state")
    parser.add_argument("--sources", type=Path, default=_SOURCES, help="packages and releases")
    parser.add_argument("--seed", type=int, default=0, help="decides which tests and tasks")
    parser.add_argument("--packages", default="", help="only these, with commas between")
    parser.add_argument("--minutes", type=float, default=1e9, help="no pair is begun after that")
    parser.add_argument("--suite-s", type=float, default=240.0, help="for a release's own tests")
    parser.add_argument("--out", type=Path, help="recipe file to write; by default in the folder")
    given = parser.parse_args(arguments)
    packages = list(read(given.sources))
    names = [one.name for one in packages]
    for name in filter(None, given.packages.split(",")):
        if name not in names:
            raise UnknownNameError("package", name, names, where=f"{given.sources}: ")
    wanted = set(filter(None, given.packages.split(",")))
    packages = [one for one in packages if not wanted or one.name in wanted]
    for one in packages:
        if why := refusal(one.name):
            raise DataError(f"{given.sources}: {why}")
    state = State(given.work, given.seed)
    until = time.monotonic() + 60.0 * given.minutes
    try:
        with Sandbox() as sandbox:
            for package, pair in _turns(packages):
                if time.monotonic() > until:
                    break
                limits = Limits(base_s=given.suite_s)
                _mine(package, pair, state, sandbox, given.work / "archives", limits)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here")
    out = given.out or given.work / "recipe.jsonl"
    out.write_text(written(recipe_of(state, packages)), "utf-8")
    print(table(state, packages))
    print(f"{out}: {_sizes(state, packages)}")


def _turns(packages: Sequence[Package]) -> list[tuple[Package, tuple[str, str]]]:
    """The test split's first pairs first, so that many packages have tasks early."""
    turns = []
    for split in reversed(SPLITS):
        some = [one for one in packages if one.split == split]
        columns = zip_longest(*([(one, pair) for pair in pairs_of(one)] for one in some))
        turns += [turn for row in columns for turn in row if turn is not None]
    return turns


def _mine(
    package: Package,
    pair: tuple[str, str],
    state: State,
    sandbox: Sandbox,
    archives: Path,
    limits: Limits,
) -> None:
    if state.get(package, pair) is not None:
        return
    so_far = state.mined(package)[0]
    if len(so_far.fixes) >= MOST_A_PACKAGE:
        return
    where = f"{package.name} {pair[0]} -> {pair[1]}"
    try:
        old, new = (_layout(package, version, archives) for version in pair)
        lock = package.lock
        place = sandbox.within(Environment(lock=lock) if lock else NO_ENVIRONMENT)
        made = mine(package, pair, (old, new), place, state.seed, MOST_A_PAIR, limits)
    except HrmgymError as error:
        print(f"{where}: {error}", flush=True)
        made = Yield()
        made.counts["cannot be mined"] += 1
    state.put(package, pair, made)
    counts = ", ".join(f"{count} {what}" for what, count in made.counts.items() if count)
    print(f"{where}: {len(made.fixes)} tasks in {made.seconds:.0f} s ({counts})", flush=True)


def _layout(package: Package, version: str, archives: Path) -> Layout:
    return layout_of(fetch(package.releases[version], archives), package.name, version)


def _sizes(state: State, packages: Sequence[Package]) -> str:
    said = []
    for split in SPLITS:
        some = [state.mined(one)[0] for one in packages if one.split == split]
        some = [one for one in some if one.fixes]
        small = sum(fix.lines <= 3 for one in some for fix in one.fixes)
        said.append(
            f"{split} {sum(len(one.fixes) for one in some)} tasks ({small} small)"
            f" from {len(some)} packages"
        )
    return "; ".join(said)


if __name__ == "__main__":
    main()
