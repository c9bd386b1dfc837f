"""Benchmarks: the base class, the catalogue, and registration with Gymnasium.

A benchmark from outside the package needs one class with a `tasks` method and one call of
`register_benchmark`; `gymnasium.make`, the command line and the conformance tests then know it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakValueDictionary

import gymnasium
from gymnasium.envs.registration import get_env_id, parse_env_id

from hrmgym.config import expand_home
from hrmgym.envs.outcome import Outcome, Status, grade_of
from hrmgym.envs.sandboxes.verdicts import trial
from hrmgym.envs.sandboxes.verdicts.modes import Mode
from hrmgym.envs.scoring import Estimate, estimate
from hrmgym.envs.task import NO_ENVIRONMENT, FailureCode, Task, TestSpec
from hrmgym.errors import ConfigError, SandboxError, SandboxUnavailableError, UnknownNameError
from hrmgym.registry import from_entry_point

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.executor import TestRunner


class Benchmark(ABC):
    """A named, versioned set of tasks in splits, and how they are graded.

    Subclasses set `name`, `version` and `splits`, and implement `tasks`. The constructor takes one
    optional argument, the path that `benchmark.path` (experiments) or `benchmark_path`
    (environments) gives.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    metric: ClassVar[str] = "solved"
    """What `summarise` computes, as the benchmark's authors call it."""
    splits: tuple[str, ...]
    split_by_package: ClassVar[bool] = False
    """Whether its splits are of whole packages, by their names, so that training keeps away from
    its tasks by names, too, and not by comparing texts."""

    def __init__(self, path: str | None = None) -> None:
        if path is not None:
            raise ConfigError(f"benchmark {self.name!r} takes no path (got {path!r})")

    @abstractmethod
    def tasks(self, split: str) -> Sequence[Task]:
        """The tasks of one split, in a fixed order.

        Raises:
            UnknownNameError: the benchmark has no such split.
            DataError: its data is missing or broken.
        """

    def task_ids(self, split: str) -> Sequence[str]:
        """Ids of the split's tasks, in their order; for benchmarks whose tasks take time to make.

        Raises:
            UnknownNameError, DataError: as `tasks`.
        """
        return [task.id for task in self.tasks(split)]

    def grade(self, task: Task, files: Mapping[str, str], sandbox: TestRunner) -> Outcome:
        """Runs the hidden and the visible tests on `files`; the task is solved when all pass.

        Args:
            task: The task.
            files: Path -> text; only the task's editable files may differ from its workspace.
            sandbox: Where to run: each run takes a sandbox that has never run anything.

        Returns:
            Every test of both runs, by the id `visible/...` or `hidden/...`; the visible ones are
            missing where the hidden ones have decided.
        """
        hidden = self.run_tests(task, task.hidden_tests, files, sandbox, fresh=True)
        if not hidden.resolved:
            return grade_of(visible=None, hidden=hidden)
        visible = self.run_tests(task, task.visible_tests, files, sandbox, fresh=True)
        return grade_of(visible=visible, hidden=hidden)

    def run_tests(
        self,
        task: Task,
        tests: TestSpec,
        files: Mapping[str, str],
        sandbox: TestRunner,
        *,
        fresh: bool = False,
    ) -> Outcome:
        """Runs some of a task's tests and applies the grading rule: see `counted`.

        Tests that do not say the same apart from the known solution run together with the code:
        see `trial.tried`.
        """
        if task.environment != NO_ENVIRONMENT:
            try:
                sandbox = sandbox.within(task.environment)
            except SandboxUnavailableError:
                raise
            except SandboxError as error:
                return Outcome(
                    tests=dict.fromkeys(tests.test_ids, Status.ERROR),
                    message=str(error),
                    failure=FailureCode(error.code),
                )
        tests = trial.tried(tests, task, sandbox)
        outcome = sandbox.run_tests(files, tests, task.limits, fresh=fresh)
        return self.counted(task, tests, outcome, sandbox)

    def tests_apart(self, task: Task, tests: TestSpec, sandbox: TestRunner) -> tuple[Mode, str]:
        """How some of a task's tests run in a kind of sandbox, and why: see `modes.tests_apart`.

        The first time, they may run on the known solution: see `trial.tried`.
        """
        return trial.mode_of(tests, task, sandbox)

    def counted(
        self, task: Task, tests: TestSpec, outcome: Outcome, sandbox: TestRunner
    ) -> Outcome:
        """The grading rule: which tests of a run count. A test that counts passes if its status is
        `PASSED`, and in no other case.

        By default a skipped test counts, for the tested code may have caused that, unless the
        reference skips it too. A benchmark with another official rule overrides this method.
        """
        skipped = {name for name, status in outcome.tests.items() if status is Status.SKIPPED}
        if outcome.trouble or not skipped or not task.reference:
            return outcome
        known = sandbox.run_tests(task.solution(), tests, task.limits, fresh=True)
        if known.trouble:
            return replace(outcome, failure=known.failure, message=known.message)
        both = {name for name in skipped if known.tests.get(name) is Status.SKIPPED}
        return replace(outcome, uncounted=frozenset(both)) if both else outcome

    @property
    def own_rules(self) -> bool:
        """Whether a subclass has its own `run_tests` or `counted`, so that nothing else may run or
        count its tests."""
        kind = type(self)
        return kind.run_tests is not Benchmark.run_tests or kind.counted is not Benchmark.counted

    def summarise(
        self, solved: Sequence[Sequence[bool]], confidence: float = 0.95
    ) -> Estimate | None:
        """The official metric, named `metric`: by default the share of tasks that are solved.

        Args:
            solved: For each task with a verdict, whether each attempt solved it, in their order.
            confidence: Level of the interval.

        Returns:
            The share whose first attempt is right, with Wilson's interval; None without a task.
        """
        first = [float(attempts[0]) for attempts in solved]
        if not first:
            return None
        return estimate(first, binary=True, method="wilson", confidence=confidence, seed=0)

    def check_split(self, split: str) -> str:
        """`split`, if the benchmark has it."""
        if split not in self.splits:
            raise UnknownNameError("split", split, self.splits, where=f"benchmark {self.name!r}: ")
        return split


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue."""

    name: str
    entry_point: str
    """`module:Class`, imported on first use."""
    env_id: str

    @property
    def candidates_id(self) -> str:
        """The id of the same tasks with `CandidateActions`: `hrmgym/<Name>-Candidates-v0`."""
        namespace, name, version = parse_env_id(self.env_id)
        return get_env_id(namespace, f"{name}-Candidates", version)


_CATALOGUE: dict[str, Entry] = {}
#: Benchmarks that were made here, by entry point and path.
_in_use: WeakValueDictionary[tuple[str, str | None], Benchmark] = WeakValueDictionary()


def register_benchmark(name: str, entry_point: str, env_id: str | None = None) -> Entry:
    """Adds a benchmark to the catalogue and registers its environments with Gymnasium.

    There are two: the benchmark's own, and one with `CandidateActions`, whose id is
    `Entry.candidates_id`.

    Args:
        name: Short name for configs and the command line, for example `quixbugs`.
        entry_point: `module:Class` of a `Benchmark`; not imported before it is used.
        env_id: Gymnasium id; by default `hrmgym/<Name>-v0`.

    Raises:
        ConfigError: the name stands for another benchmark already.
    """
    env_id = env_id or f"hrmgym/{name.replace('_', ' ').title().replace(' ', '')}-v0"
    entry = Entry(name, entry_point, env_id)
    known = _CATALOGUE.get(name)
    if known == entry:
        return known
    if known is not None:
        raise ConfigError(f"benchmark {name!r} is registered already, as {known.entry_point}")
    _CATALOGUE[name] = entry
    for one, makes in (
        (env_id, "hrmgym.envs.software:SoftwareEnv"),
        (entry.candidates_id, "hrmgym.envs.candidates:make_candidates"),
    ):
        # The entry point, not the name: a spawned worker has not seen this registration.
        gymnasium.register(id=one, entry_point=makes, kwargs={"benchmark": entry_point})
    return entry


def catalogue() -> dict[str, Entry]:
    """Every registered benchmark by name."""
    return dict(_CATALOGUE)


def make_benchmark(name: str, path: str | None = None) -> Benchmark:
    """The benchmark of that name, or of that `module:Class`.

    Raises:
        UnknownNameError: no such name.
        ConfigError: the entry point does not lead to a Benchmark, or the path is not wanted.
        DataError: the path is needed, missing or broken.
    """
    if ":" in name:
        entry_point = name
    elif name in _CATALOGUE:
        entry_point = _CATALOGUE[name].entry_point
    else:
        raise UnknownNameError("benchmark", name, _CATALOGUE)
    cls = from_entry_point("benchmark", name, entry_point)
    if not (isinstance(cls, type) and issubclass(cls, Benchmark)):
        raise ConfigError(f"benchmark {name!r}: {entry_point} is not a Benchmark class")
    made = cls(path if path is None else expand_home(path))
    _in_use[f"{cls.__module__}:{cls.__qualname__}", path] = made
    return made


def benchmark_in_use(entry_point: str, path: str | None = None) -> Benchmark:
    """As `make_benchmark`, but the one that was made last, where something still uses it."""
    return _in_use.get((entry_point, path)) or make_benchmark(entry_point, path)


def find_task(benchmark: Benchmark, task_id: str, splits: Iterable[str] | None = None) -> Task:
    """The task of that id, looked for in `splits`, by default in all.

    Raises:
        UnknownNameError: no such task; the message names the nearest.
    """
    known: list[str] = []
    for split in splits or benchmark.splits:
        ids = benchmark.task_ids(split)
        if task_id in ids:
            return benchmark.tasks(split)[ids.index(task_id)]
        known += ids
    raise UnknownNameError("task", task_id, known, where=f"benchmark {benchmark.name!r}: ")
