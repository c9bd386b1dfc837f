"""What has been mined so far: a file for each pair of releases, in a folder that may be kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from hrmgym.envs.benchmarks.fixes.mining.pairs import MOST_A_PACKAGE, Yield
from hrmgym.envs.benchmarks.fixes.recipe import Package, parse, written
from hrmgym.errors import DataError

#: Of what is mined, what decides it beside the releases; another number mines everything anew.
METHOD = 1


def pairs_of(package: Package) -> list[tuple[str, str]]:
    """(older version, newer version) of consecutive releases, the newest first."""
    versions = list(package.releases)
    return list(zip(versions[1:], versions, strict=False))


class State:
    """A folder with what each pair gave, made with one seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder / "pairs", seed

    def get(self, package: Package, pair: tuple[str, str]) -> Yield | None:
        """What a pair gave; None where it has not been mined from these very files.

        Raises:
            DataError: the file is broken.
        """
        path = self._path(package, pair)
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_text("utf-8"))
            if data["of"] != self._of(package, pair):
                return None
            (found,) = parse(json.dumps(data["package"]), str(path))
            return Yield(list(found.fixes), Counter(data["counts"]), data["seconds"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: broken; remove it to mine the pair again") from error

    def put(self, package: Package, pair: tuple[str, str], made: Yield) -> None:
        """Keeps what a pair gave."""
        path = self._path(package, pair)
        path.parent.mkdir(parents=True, exist_ok=True)
        found = json.loads(written([replace(package, fixes=tuple(made.fixes))]))
        data = {
            "of": self._of(package, pair),
            "counts": dict(made.counts),
            "seconds": round(made.seconds, 1),
            "package": found,
        }
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(data), "utf-8")
        part.replace(path)

    def _path(self, package: Package, pair: tuple[str, str]) -> Path:
        return self.folder / f"{package.name} {pair[0]} {pair[1]}.json"

    def _of(self, package: Package, pair: tuple[str, str]) -> list[object]:
        hashes = [package.releases[version].sha256 for version in pair]
        return [METHOD, self.seed, package.lock, *hashes]

    def mined(self, package: Package) -> tuple[Package, Yield, int]:
        """A package with its tasks so far, within the cap; all counts; how many pairs are done."""
        total, done = Yield(), 0
        for pair in pairs_of(package):
            made = self.get(package, pair)
            if made is None:
                continue
            done += 1
            room = MOST_A_PACKAGE - len(total.fixes)
            total.fixes += made.fixes[:room]
            total.counts.update(made.counts)
            total.seconds += made.seconds
        return replace(package, fixes=tuple(total.fixes)), total, done


def table(state: State, packages: Sequence[Package]) -> str:
    """The yield by package, in Markdown."""
    rows = ["| package | split | pairs | changed | tried | clean | small | s |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    for package in sorted(packages, key=lambda one: (one.split, one.name)):
        found, total, done = state.mined(package)
        small = sum(fix.lines <= 3 for fix in found.fixes)
        rows.append(
            f"| {package.name} | {package.split} | {done} | {total.counts['changed']} |"
            f" {total.counts['tried']} | {len(found.fixes)} | {small} | {total.seconds:.0f} |"
        )
    return "\n".join(rows)


def recipe_of(state: State, packages: Iterable[Package]) -> list[Package]:
    """The packages that have tasks, with them."""
    return [found for one in packages if (found := state.mined(one)[0]).fixes]
