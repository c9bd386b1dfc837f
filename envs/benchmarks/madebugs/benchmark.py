"""The `madebugs` benchmark: functions of real packages with one, two or three made edits each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from importlib import resources
from pathlib import Path

from hrmgym.config import expand_home
from hrmgym.envs.benchmark import Benchmark, make_benchmark
from hrmgym.envs.benchmarks.madebugs.listed import Head, MadeBug, bugs_by_split, read_list
from hrmgym.envs.cache import cache_dir
from hrmgym.envs.focus import parts_of
from hrmgym.envs.task import Task, TestSpec, Workspace
from hrmgym.errors import DataError, did_you_mean

SEED = 1
"""Seed of the list that is used unless another one is named."""
SPLITS = ("train", "tuning", "test")
_COMMAND = "python -m hrmgym.envs.benchmarks.madebugs.building"


class MadeBugs(Benchmark):
    """Bugs made of legal edits in the functions of another benchmark's tasks, in its splits.

    Args:
        path: A list of made bugs; by default that of the seed.
        seed: Which list, where none is named: each later measurement has one of its own.
        hosts: The benchmark of the functions; by default the one that the list names.
    """

    name = "madebugs"
    version = "1"
    splits = SPLITS
    split_by_package = True

    def __init__(
        self, path: str | None = None, *, seed: int = SEED, hosts: Benchmark | None = None
    ) -> None:
        self._path = None if path is None else Path(expand_home(path))
        self._seed, self._hosts = seed, hosts
        self._made: dict[str, tuple[Task, ...]] = {}

    def tasks(self, split: str) -> Sequence[Task]:
        """Those with one edit first, then those with two, then those with three."""
        self.check_split(split)
        if split not in self._made:
            self._made[split] = self._tasks(split)
        return self._made[split]

    def task_ids(self, split: str) -> Sequence[str]:
        """Ids of the split's tasks; no package is looked at."""
        self.check_split(split)
        return [bug.id for bug in self._list[1].get(split, ())]

    def _tasks(self, split: str) -> tuple[Task, ...]:
        head, bugs = self._list
        hosts = self._hosts or make_benchmark(head.hosts)
        if hosts.version != head.hosts_version:
            raise DataError(
                f"made bugs of seed {head.seed} are for {head.hosts} {head.hosts_version}, not "
                f"{hosts.version}: make them anew: {_COMMAND} --seed {head.seed}"
            )
        known = {task.id: task for task in hosts.tasks(split)}
        found = []
        for bug in bugs.get(split, ()):
            if bug.of.host not in known:
                raise DataError(
                    f"made bug {bug.id}: {head.hosts} has no task {bug.of.host!r} in split "
                    f"{split!r}{did_you_mean(bug.of.host, known)}"
                )
            found.append(made_task(known[bug.of.host], bug, head.seed))
        return tuple(found)

    @cached_property
    def _list(self) -> tuple[Head, dict[str, list[MadeBug]]]:
        head, tries = read_list(self._path or _list_of(self._seed))
        return head, bugs_by_split(tries)


def list_path(seed: int) -> Path:
    """Where the list of a seed is made: in the cache."""
    return cache_dir() / "madebugs" / f"seed-{seed}.jsonl"


def _list_of(seed: int) -> Path:
    """The list of a seed that ships, or else the one in the cache."""
    shipped = Path(str(resources.files("hrmgym.envs").joinpath(f"data/madebugs-{seed}.jsonl.gz")))
    for path in (shipped, list_path(seed)):
        if path.is_file():
            return path
    raise DataError(
        f"no bugs of seed {seed} have been made here ({list_path(seed)}): make them: "
        f"{_COMMAND} --seed {seed}"
    )


def made_task(host: Task, bug: MadeBug, seed: int) -> Task:
    """The task of a made bug.

    Raises:
        DataError: the host is not the one that it was made in.
    """
    path, name = parts_of(host.focus)
    working = host.reference[path]
    files = {**host.workspace.files, **host.reference, path: bug.code(working)}
    count = f"{bug.of.edits} edit{'s' * (bug.of.edits > 1)}"
    # What the kinds of a test split's bugs are would say how to tune for them.
    kinds = () if bug.of.split == "test" else tuple(dict.fromkeys(bug.kinds))
    return replace(
        host,
        id=bug.id,
        benchmark=MadeBugs.name,
        prompt=f"Repair the function {name} in {path}: tests of it fail.",
        workspace=Workspace(files=files, tree=host.workspace.tree),
        visible_tests=_failing(host.visible_tests, bug.visible),
        hidden_tests=_failing(host.hidden_tests, bug.hidden),
        reference={path: working},
        source=f"{host.source}, with a made bug (seed {seed})".removeprefix(", "),
        tags=(count, *kinds),
        marked=None,
    )


def _failing(tests: TestSpec, failing: Sequence[str]) -> TestSpec:
    passing = tuple(one for one in tests.test_ids if one not in failing)
    return replace(tests, fail_to_pass=tuple(failing), pass_to_pass=passing)
