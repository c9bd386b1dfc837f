"""Making bugs in the functions that real fixes are of, and validating them; the list is a file.

    python -m hrmgym.envs.benchmarks.madebugs.building --seed 1

goes on where it was stopped. A bug is taken if the untouched host passes all of its tests, the bug
fails at least one visible and one hidden test, and a second run says the same of every test. The
seed decides which edits are tried; which of the hosts give bugs depends on their tests alone.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hrmgym.envs.benchmark import Benchmark, make_benchmark
from hrmgym.envs.benchmarks.madebugs.benchmark import SEED, SPLITS, list_path
from hrmgym.envs.benchmarks.madebugs.listed import (
    Head,
    MadeBug,
    Tries,
    Try,
    digest,
    is_compressed,
    line_of,
    read_list,
)
from hrmgym.envs.bugs.inverted import InvertedBug, make_inverted
from hrmgym.envs.focus import parts_of, span_of
from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.sandboxes.executor import TestRunner
from hrmgym.envs.sandboxes.pool import Pool
from hrmgym.envs.task import Task, TestSpec
from hrmgym.errors import DataError, SandboxError, UserError

EDITS = (1, 2, 3)
WANTED: Mapping[str, int] = {"train": 10, "tuning": 80, "test": 200}
"""Bugs of each number of edits; trainers make their own, and need no tests for that."""
PER_HOST = 4
PER_PACKAGE = 25
"""Most bugs of each number of edits in one function, and in the functions of one package."""
_MUTANTS = 4  # of one try
_RUNS = 2  # hosts are known to be steady: their own making had three equal runs
_ROUNDS = 8  # tries of each host and number of edits, before there are enough or not
_BAD = frozenset({Status.TIMEOUT, Status.OUT_OF_MEMORY, Status.MISSING, Status.SKIPPED})
_log = logging.getLogger(__name__)


def hosts_of(tasks: Sequence[Task]) -> list[Task]:
    """Tasks of one function each, with a known solution; of several of one text, the first."""
    found: dict[tuple[str, str], Task] = {}
    for task in tasks:
        path, name = parts_of(task.focus)
        working = task.reference.get(path)
        if working is not None and span_of(working, name) is not None:
            found.setdefault((task.focus, digest(working)), task)
    return list(found.values())


def package_of(host: Task) -> str:
    """The package, or module, at the workspace's root that a host's function is in."""
    return host.focus.partition("::")[0].partition("/")[0].removesuffix(".py")


def try_one(of: Try, host: Task, hosts: Benchmark, sandbox: TestRunner, seed: int) -> MadeBug | str:
    """Makes a bug in a host and runs its tests; or says why there is none.

    Raises:
        SandboxError: the sandbox failed, so nothing is known.
    """
    path, name = parts_of(host.focus)
    working = host.reference[path]
    span = span_of(working, name)
    assert span is not None, "hosts have their function"
    told = f"{seed}\0{of.split}\0{of.host}\0{of.edits}\0{of.number}".encode()
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(told).digest()[:8], "big"))
    why = "no legal edit can be unmade"
    for _ in range(_MUTANTS):
        bug = make_inverted(working, rng, of.edits, within=span)
        if bug is None:
            continue
        failing = _failing(host, path, bug, hosts, sandbox)
        if isinstance(failing, str):
            why = failing
            continue
        after = digest(bug.code)
        return MadeBug(of, bug.made, bug.kinds, digest(working), after, *failing)
    return why


def _failing(
    host: Task, path: str, bug: InvertedBug, hosts: Benchmark, sandbox: TestRunner
) -> tuple[tuple[str, ...], tuple[str, ...]] | str:
    """Ids of the visible and of the hidden tests that a bug fails, or why it is no task."""
    files = host.solution().with_text(path, bug.code)
    seen: list[tuple[str, ...]] = []
    for which, tests in (("visible", host.visible_tests), ("hidden", host.hidden_tests)):
        first = _ran(host, tests, files, hosts, sandbox)
        if first.resolved:
            return f"no {which} test fails"
        if _BAD & set(first.tests.values()):
            return "a test does not come to its end"
        for _ in range(_RUNS - 1):
            if _ran(host, tests, files, hosts, sandbox).tests != first.tests:
                return "runs differ"
        seen.append(tuple(one for one, was in first.tests.items() if was is not Status.PASSED))
    return seen[0], seen[1]


def _ran(
    host: Task, tests: TestSpec, files: Mapping[str, str], hosts: Benchmark, sandbox: TestRunner
) -> Outcome:
    outcome = hosts.run_tests(host, tests, files, sandbox, fresh=True)
    if outcome.failure is not None:
        raise SandboxError(f"{host.id}: {outcome.message}", outcome.failure)
    return outcome


def passes(host: Task, hosts: Benchmark, sandbox: TestRunner) -> bool:
    """Whether a host without any bug passes all of its tests here.

    Raises:
        SandboxError: the sandbox failed, so nothing is known.
    """
    return all(
        _ran(host, tests, host.solution(), hosts, sandbox).resolved
        for tests in (host.visible_tests, host.hidden_tests)
    )


@dataclass
class Building:
    """The making of one list: what there is of it, and what comes next.

    Args:
        path: The list, which is gone on with if it is there.
        hosts: The benchmark of the functions.
        seed: What the edits depend on.
        wanted: Split -> bugs of each number of edits.

    Raises:
        DataError: the list that is there is of something else.
    """

    path: Path
    hosts: Benchmark
    seed: int = SEED
    wanted: Mapping[str, int] = field(default_factory=lambda: WANTED)
    tries: Tries = field(default_factory=dict, init=False)
    sound: dict[str, bool] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        head = Head(seed=self.seed, hosts=self.hosts.name, hosts_version=self.hosts.version)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        there = self.path.read_bytes() if self.path.exists() else b""
        if is_compressed(there):
            raise DataError(f"{self.path}: to go on with this list, decompress it (gunzip)")
        if b"\n" not in there:
            self.path.write_text(head.model_dump_json() + "\n", encoding="utf-8")
        found, self.tries = read_list(self.path)
        if found != head:
            raise DataError(
                f"{self.path}: a list of seed {found.seed} for {found.hosts} "
                f"{found.hosts_version}, not of seed {head.seed} for {head.hosts} "
                f"{head.hosts_version}; give another --out, or remove it"
            )
        whole = self.path.read_bytes()
        if is_compressed(whole):
            raise DataError(
                f"{self.path}: gone on with is a list that is not compressed: gunzip it"
            )
        self.path.write_bytes(whole[: whole.rfind(b"\n") + 1])

    def build(self, split: str, sandbox: TestRunner, workers: int = 1) -> Counter[str]:
        """Makes the bugs of a split, and returns how many of them each package has.

        Tries are made side by side and taken in their order, so that the list does not depend on
        which is done first.
        """
        # By chance, so that packages take turns; the same for the same seed.
        hosts = sorted(hosts_of(self.hosts.tasks(split)), key=lambda one: self._turn(one.id))
        yields: Counter[str] = Counter()
        with ThreadPoolExecutor(workers) as threads:
            for edits in EDITS:
                chosen = _Chosen(self.wanted[split])
                bar = tqdm(total=chosen.wanted, desc=f"{split}, {edits} edits", unit="bug")
                for number in range(_ROUNDS):
                    turn = [one for one in hosts if chosen.takes(one)]
                    while turn:
                        size = max(workers, min(4 * workers, chosen.left))
                        part, turn = turn[:size], turn[size:]
                        known = {Try(split, one.id, edits, number): one for one in part}
                        jobs = [(of, one, sandbox) for of, one in known.items()]
                        done = threads.map(self._result, *zip(*jobs, strict=True))
                        for (of, one), result in zip(known.items(), done, strict=True):
                            if chosen.takes(one):
                                bar.update(chosen.add(one, self._kept(of, result)))
                        turn = [one for one in turn if chosen.takes(one)]
                bar.close()
                yields += chosen.packages
        return yields

    def _turn(self, host: str) -> str:
        return digest(f"{self.seed}\0{host}")

    def _result(self, of: Try, host: Task, sandbox: TestRunner) -> MadeBug | str | None:
        """What is known of a try, or made of it now; None where the sandbox failed."""
        if of in self.tries:
            return self.tries[of]
        try:
            if host.id not in self.sound:
                self.sound[host.id] = passes(host, self.hosts, sandbox)
            if not self.sound[host.id]:
                return "the untouched host does not pass"
            return try_one(of, host, self.hosts, sandbox, self.seed)
        except SandboxError as error:  # it says nothing of the bug: another start tries again
            _log.warning("%s: %s", of.host, error)
            return None

    def _kept(self, of: Try, result: MadeBug | str | None) -> MadeBug | None:
        """Writes what is new, unless there was no verdict; the bug, unless there is none."""
        if isinstance(result, MadeBug) and of not in self.tries:
            others = (one for one in self.tries.values() if isinstance(one, MadeBug))
            if any(one.after == result.after for one in others):
                result = "made before"
        if result is not None and of not in self.tries:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line_of(of, result))
            self.tries[of] = result
        return result if isinstance(result, MadeBug) else None


class _Chosen:
    """How many bugs there are of one number of edits."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.hosts: Counter[str] = Counter()
        self.packages: Counter[str] = Counter()

    @property
    def left(self) -> int:
        """How many more are wanted."""
        return self.wanted - self.hosts.total()

    def takes(self, host: Task) -> bool:
        """Whether another bug of a host is wanted."""
        return (
            self.left > 0
            and self.hosts[host.id] < PER_HOST
            and self.packages[package_of(host)] < PER_PACKAGE
        )

    def add(self, host: Task, bug: MadeBug | None) -> int:
        """Counts a bug; 0 if there is none."""
        if bug is not None:
            self.hosts[host.id] += 1
            self.packages[package_of(host)] += 1
        return int(bug is not None)


def told(yields: Counter[str]) -> Iterator[str]:
    """What came of each package, the richest first."""
    for package, count in yields.most_common():
        yield f"{count:5} {package}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes a list, or goes on with it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hrmgym.envs.benchmarks.madebugs.building")
    parser.add_argument("--seed", type=int, default=SEED, help="what the edits depend on")
    parser.add_argument("--hosts", default="fixes", help="the benchmark of the functions")
    parser.add_argument("--out", type=Path, help="the list; by default in the cache")
    parser.add_argument("--split", action="append", choices=SPLITS, help="by default all")
    parser.add_argument("--wanted", type=int, help="bugs of each number of edits in each split")
    parser.add_argument("--workers", type=int, default=1, help="sandboxes that work at once")
    options = parser.parse_args(arguments)
    wanted = WANTED if options.wanted is None else dict.fromkeys(SPLITS, options.wanted)
    path = options.out or list_path(options.seed)
    building = Building(path, make_benchmark(options.hosts), options.seed, wanted)
    with Pool(size=options.workers) as pool:
        for split in options.split or SPLITS:
            yields = building.build(split, pool, options.workers)
            print(
                f"{split}: {yields.total()} bugs of {len(yields)} packages", *told(yields), sep="\n"
            )
    print(path)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as problem:
        sys.exit(str(problem))
