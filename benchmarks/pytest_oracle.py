"""Compares verdicts of the sandbox with those of real pytest in a process of its own.

    HRMGYM_DATA=... python benchmarks/pytest_oracle.py --json

Each pair is a test file and a program: the untouched one, or a mutant made with the project's own
bug operators. Every test id's status is compared: passed, failed, error, skipped, timeout, missing.
The pairs' results are kept in a file (`--results`), one JSON object a line, and a run goes on where
an earlier one stopped; `--afresh` starts anew. Where the two disagree, real pytest is asked twice
more, so that tests that do not repeat are known, and the sandbox is asked for that test alone, for
its message.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oracle_cold import Cold, libraries, run_cold
from oracle_material import UNTOUCHED, Mutant, Subject, exercises, mutants, packages
from tqdm import tqdm

from hrmgym.envs.sandboxes.pool import Pool
from hrmgym.envs.sandboxes.verdicts.modes import tests_apart
from hrmgym.envs.sandboxes.verdicts.trial import try_out
from hrmgym.envs.task import Limits, PytestTests
from hrmgym.errors import UserError

LIMITS = Limits(cpu_s=10.0, wall_s=60.0)
_MOST_SHOWN = 5  # disagreements of one pair that are looked into
_REPEATS = 2
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """A test file and a program."""

    subject: Subject
    mutant: Mutant

    @property
    def key(self) -> str:
        """Stands for everything that the result depends on but the code of this project."""
        held = [self.subject.name, self.mutant.name, *map(sorted, self._contents())]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:20]

    def _contents(self) -> Iterator[Sequence[tuple[str, str]]]:
        yield list(self.subject.tests.items())
        yield list(self.mutant.program.items())

    @property
    def files(self) -> dict[str, str]:
        """The whole workspace, for real pytest."""
        return {**self.mutant.program, **self.subject.tests}


class Oracle:
    """Both ways to a verdict.

    Args:
        pool: The sandboxes.
        library: Folder of pytest's libraries, for the cold process.
        force: Whether tests and code run in one process of the sandbox, whatever the tests are.
    """

    def __init__(self, pool: Pool, library: Path, *, force: bool = False) -> None:
        self._pool, self._library, self._force = pool, library, force
        self._ids: dict[str, tuple[str, ...]] = {}
        self._tried: dict[tuple[str, tuple[str, ...]], PytestTests] = {}

    def compare(self, pair: Pair) -> Result:
        """One pair's result, as it is kept."""
        cold = self._cold(pair)
        ids = self._ids_of(pair, cold)
        tests = self._mode(pair.subject, PytestTests(files=pair.subject.tests, ids=ids))
        mode, why = tests_apart(tests, keeps_apart=self._pool.keeps_apart())
        outcome = self._pool.run_tests(pair.mutant.program, tests, LIMITS)
        differing = [one for one in ids if cold.status(one) != str(outcome.tests[one])]
        result: Result = {
            "key": pair.key,
            "subject": pair.subject.name,
            "mutant": pair.mutant.name,
            "mode": mode,
            "why": why,
            "tests": len(ids),
            "killed": any(cold.status(one) not in ("passed", "skipped") for one in ids),
            "statuses": dict(Counter(cold.status(one) for one in ids)),
            "differing": len(differing),
            "disagreements": [],
        }
        if differing:
            again = [self._cold(pair) for _ in range(_REPEATS)]
            result["disagreements"] = [
                self._look_into(pair, tests, one, cold, again, str(outcome.tests[one]))
                for one in differing[:_MOST_SHOWN]
            ]
        return result

    def _mode(self, subject: Subject, tests: PytestTests) -> PytestTests:
        """The tests as they are to run, with the untouched program as the known solution."""
        if self._force:
            return replace(tests, together=True)
        known = self._tried.get((subject.name, tests.ids))
        if known is None:
            found = try_out(tests, subject.program, LIMITS, self._pool)
            assert isinstance(found, PytestTests)
            known = self._tried[subject.name, tests.ids] = found
        return known

    def _cold(self, pair: Pair) -> Cold:
        return run_cold(self._library, pair.files, [pair.subject.test], LIMITS)

    def _ids_of(self, pair: Pair, cold: Cold) -> tuple[str, ...]:
        """The tests of the untouched program, and those that only this one has."""
        known = self._ids.get(pair.subject.name)
        if known is None:
            untouched = cold
            if pair.mutant.name != UNTOUCHED:
                untouched = self._cold(Pair(pair.subject, Mutant(UNTOUCHED, pair.subject.program)))
            known = self._ids[pair.subject.name] = tuple(untouched.statuses)
        return tuple(dict.fromkeys([*known, *cold.statuses]))

    def _look_into(
        self,
        pair: Pair,
        tests: PytestTests,
        one: str,
        cold: Cold,
        again: Sequence[Cold],
        ours: str,
    ) -> Result:
        alone = replace(tests, ids=(one,))
        outcome = self._pool.run_tests(pair.mutant.program, alone, LIMITS)
        return {
            "test": one,
            "cold": cold.status(one),
            "repeats": all(other.status(one) == cold.status(one) for other in again),
            "ours": ours,
            "alone": str(outcome.tests[one]),
            "message": outcome.message,
            "failure": str(outcome.failure or ""),
        }


def summary(results: Sequence[Result]) -> Result:
    """Counts of it all."""
    apart = [one for one in results if one["mode"] == "apart"]
    modes = {one["subject"]: one["mode"] for one in results}
    return {
        "pairs": len(results),
        "test_files": len(modes),
        "test_files_apart": sum(mode == "apart" for mode in modes.values()),
        "pairs_apart": len(apart),
        "pairs_with_a_failing_test": sum(one["killed"] for one in results),
        "verdicts": sum(one["tests"] for one in results),
        "verdicts_that_differ": sum(one["differing"] for one in results),
        "pairs_that_agree": sum(not one["differing"] for one in results),
        "pairs_apart_that_agree": sum(not one["differing"] for one in apart),
        "statuses": dict(sum((Counter(one["statuses"]) for one in results), Counter())),
    }


def read_results(path: Path) -> dict[str, Result]:
    """What earlier runs have kept, by key."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {result["key"]: result for result in map(json.loads, lines)}


def run(
    pairs: Sequence[Pair],
    compare: Callable[[Pair], Result],
    path: Path | None,
    workers: int = 1,
    progress: bool = False,
) -> list[Result]:
    """The results of pairs, those that a file keeps already read from there.

    Args:
        pairs: What to compare.
        compare: Compares one.
        path: The file; None keeps nothing.
        workers: How many pairs at once.
        progress: Whether to show how far it is.
    """
    known = {} if path is None else read_results(path)
    missing = [pair for pair in pairs if pair.key not in known]
    with ThreadPoolExecutor(workers) as threads:
        made = threads.map(compare, missing)
        for result in tqdm(
            made, total=len(missing), disable=not progress, unit="pair", mininterval=5
        ):
            known[result["key"]] = result
            if path is not None:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
    return [known[pair.key] for pair in pairs]


def pairs_of(subjects: Iterator[Subject], count: int) -> list[Pair]:
    """Each subject untouched, and with up to `count` mutants."""
    return [Pair(subject, mutant) for subject in subjects for mutant in mutants(subject, count)]


def show(results: Sequence[Result]) -> None:
    """Print the disagreements, and a table by source."""
    for one in results:
        for found in one["disagreements"]:
            repeats = "" if found["repeats"] else " (pytest itself does not repeat)"
            print(f"{one['subject']} [{one['mode']}] {one['mutant']}")
            print(f"  {found['test']}: pytest {found['cold']}{repeats}, here {found['ours']}")
            print(f"  alone {found['alone']}: {found['message']}")
    rows: dict[str, Counter[str]] = {}
    for one in results:
        source = one["subject"].partition(":")[0]
        row = rows.setdefault("polyglot" if source.startswith("polyglot") else source, Counter())
        row += Counter(pairs=1, agree=not one["differing"], verdicts=one["tests"])
        row["apart"] += one["mode"] == "apart"
        row["differ"] += one["differing"]
    columns = ("pairs", "apart", "agree", "verdicts", "differ")
    print(f"{'source':20}" + "".join(f"{column:>10}" for column in columns))
    for source, row in rows.items():
        print(f"{source:20}" + "".join(f"{row[column]:10}" for column in columns))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print; the exit status is 1 where a pair disagrees."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--exercises", type=int, default=8, help="mutants of each exercise")
    parser.add_argument("--packages", type=int, default=1, help="mutants for each packages' file")
    parser.add_argument("--only", default="", help="subjects whose name contains this text")
    parser.add_argument("--sample", type=int, default=0, help="so many pairs, evenly spread")
    parser.add_argument("--results", type=Path, default=Path("build/pytest-oracle.jsonl"))
    parser.add_argument("--afresh", action="store_true", help="forget earlier results")
    parser.add_argument("--together", action="store_true", help="never run tests apart")
    parser.add_argument("--workers", type=int, default=1, help="pairs at once")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    chosen = parser.parse_args(arguments)
    pairs = [*pairs_of(exercises(), chosen.exercises)] if chosen.exercises else []
    if chosen.packages:
        pairs += pairs_of(packages(), chosen.packages)
    pairs = [pair for pair in pairs if chosen.only in pair.subject.name]
    if chosen.sample:
        pairs = [pairs[i * len(pairs) // chosen.sample] for i in range(chosen.sample)]
    if not pairs:
        raise UserError("no subject: set HRMGYM_DATA, or look at --only")
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    if chosen.afresh:
        chosen.results.unlink(missing_ok=True)
    with Pool(size=chosen.workers) as pool, libraries() as library:
        oracle = Oracle(pool, library, force=chosen.together)
        results = run(pairs, oracle.compare, chosen.results, chosen.workers, progress=True)
    show(results)
    found = summary(results)
    print(json.dumps(found) if chosen.json else found)
    return int(found["verdicts_that_differ"] > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as problem:
        sys.exit(str(problem))
