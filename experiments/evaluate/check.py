"""Is a benchmark sound on this machine? What `hrmgym check` and the conformance suite ask.

Each task is graded as it is, and with its reference in place, three times each, as an agent's work
is graded: by the benchmark's own rule, in sandboxes that have run nothing before. Nothing comes
from the memory of outcomes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.outcome import VISIBLE, FailureCode, Outcome, visible_part
from hrmgym.envs.sandboxes.config import LocalSandboxConfig, SandboxConfig
from hrmgym.envs.sandboxes.executor import TestRunner
from hrmgym.envs.sandboxes.pool import Pool
from hrmgym.envs.sandboxes.verdicts.trial import task_apart
from hrmgym.envs.task import NO_ENVIRONMENT, Environment, Limits, Task, TestSpec
from hrmgym.errors import DataError, SandboxError, SandboxUnavailableError, UnknownNameError
from hrmgym.experiments.evaluate.soundness import Checked, Run, Side, Verdict, judge

#: Runs of a task, and of its reference.
RUNS = 3

#: Called with each task as it is done, in any order, and with the number of tasks.
OnChecked = Callable[[Checked, int], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check says of a benchmark."""

    benchmark: str
    version: str
    sandbox: Mapping[str, Any]
    workers: int
    planned: int
    """Number of tasks to check."""
    tasks: tuple[Checked, ...]
    """Those that are done, in the benchmark's order."""

    @property
    def complete(self) -> bool:
        """Whether every task was checked."""
        return len(self.tasks) == self.planned

    @property
    def counts(self) -> dict[Verdict, int]:
        """Number of tasks with each verdict."""
        found = Counter(task.verdict for task in self.tasks)
        return {verdict: found[verdict] for verdict in Verdict}

    def exit_code(self, *, only_runnable: bool = False) -> int:
        """0: nothing is wrong; 1: a task is unsound; 3: none is, but some cannot run here.

        Args:
            only_runnable: Whether tasks that cannot run here do not matter.
        """
        if self.counts[Verdict.UNSOUND]:
            return 1
        return 3 if self.counts[Verdict.CANNOT_RUN] and not only_runnable else 0

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data in a fixed order."""
        return {
            "benchmark": {"name": self.benchmark, "version": self.version},
            "sandbox": dict(self.sandbox),
            "workers": self.workers,
            "runs": RUNS,
            "planned": self.planned,
            "complete": self.complete,
            "counts": {str(verdict): count for verdict, count in self.counts.items()},
            "tasks": [task.to_dict() for task in self.tasks],
        }


def select(
    benchmark: Benchmark, patterns: Sequence[str] = (), split: str | None = None
) -> list[Task]:
    """Tasks in the benchmark's order.

    Args:
        benchmark: Whose tasks.
        patterns: Their ids, or patterns of ids with `*`, `?` and `[...]`; none means all.
        split: Only of this split.

    Raises:
        UnknownNameError: A pattern stands for no task, or the benchmark has no such split.
        DataError: The benchmark's data is missing or broken, or it has no tasks.
    """
    splits = benchmark.splits if split is None else (benchmark.check_split(split),)
    tasks = [task for one in splits for task in benchmark.tasks(one)]
    if not tasks:
        raise DataError(f"benchmark {benchmark.name!r} has no tasks here")
    if not patterns:
        return tasks
    chosen: set[str] = set()
    for pattern in patterns:
        named = {task.id for task in tasks if task.id == pattern or fnmatchcase(task.id, pattern)}
        if not named:
            known = [task.id for task in tasks]
            raise UnknownNameError("task", pattern, known, where=f"benchmark {benchmark.name!r}: ")
        chosen |= named
    return [task for task in tasks if task.id in chosen]


def check(
    benchmark: Benchmark,
    tasks: Sequence[Task],
    *,
    sandbox: SandboxConfig | None = None,
    workers: int | None = None,
    on_task: OnChecked | None = None,
) -> CheckReport:
    """Checks tasks of one benchmark, several runs at a time.

    Ctrl-C ends it early: the report then holds the tasks that are done, and its `complete` is
    False.

    Args:
        benchmark: Whose rule grades.
        tasks: Which tasks; see `select`.
        sandbox: Where they run; by default locally.
        workers: Sandboxes that work at once; by default as many as a `Pool` has.
        on_task: Called with each task as it is done.

    Raises:
        SandboxUnavailableError: This machine cannot give such a sandbox at all.
    """
    config: SandboxConfig = sandbox or LocalSandboxConfig()
    done: dict[int, Checked] = {}
    # Threads are enough: what takes time happens in the sandboxes' processes.
    with Pool(config, workers) as pool, ThreadPoolExecutor(pool.size) as threads:
        stop = threading.Event()
        jobs: dict[Future[Run | None], tuple[int, Side]] = {
            threads.submit(_run, benchmark, task, side, pool, stop): (index, side)
            for index, task in enumerate(tasks)
            for side in _sides(task)
            for _ in range(RUNS)
        }
        made: dict[int, dict[Side, list[Run]]] = {}
        try:
            for job in as_completed(jobs):
                run, (index, side) = job.result(), jobs.pop(job)
                assert run is not None, "only after the end"
                task = tasks[index]
                runs = made.setdefault(index, {one: [] for one in _sides(task)})
                runs[side].append(run)
                if all(len(found) == RUNS for found in runs.values()):
                    done[index] = _checked(task, made.pop(index))
                    if on_task is not None:
                        on_task(done[index], len(tasks))
        except KeyboardInterrupt:
            _log.warning("interrupted: keeping what is done")
        finally:
            # Leaving the block waits for the runs that have begun; they end after their next tests.
            stop.set()
            threads.shutdown(wait=False, cancel_futures=True)
    return CheckReport(
        benchmark=benchmark.name,
        version=benchmark.version,
        # Reports are published; a token is not.
        sandbox=config.model_dump(mode="json", exclude={"auth_token"}),
        workers=pool.size,
        planned=len(tasks),
        tasks=tuple(done[index] for index in sorted(done)),
    )


def _sides(task: Task) -> tuple[Side, ...]:
    return ("untouched", "reference") if task.reference else ("untouched",)


def _checked(task: Task, runs: Mapping[Side, Sequence[Run]]) -> Checked:
    verdict, message, failure = judge(task, runs)
    seen = (run.how for made in runs.values() for run in made if run.how is not None)
    mode, why = next(seen, (None, ""))
    return Checked(
        task=task.id,
        split=task.split,
        verdict=verdict,
        message=message,
        failure=failure,
        tests_apart=mode,
        tests_apart_why=why,
        runs=runs,
    )


def _run(
    benchmark: Benchmark, task: Task, side: Side, sandbox: TestRunner, stop: threading.Event
) -> Run | None:
    """One run of all tests; None where it was not to begin any more."""
    if stop.is_set():
        return None
    started = time.perf_counter()
    try:
        run = _graded(benchmark, task, side, sandbox)
    except SandboxUnavailableError:
        raise
    except SandboxError as error:
        return Run(solved=False, failure=FailureCode(error.code), message=str(error))
    except OSError as error:  # on our side: it says nothing about the task
        return Run(solved=False, failure=FailureCode.INTERNAL, message=str(error))
    except Exception as error:  # the benchmark's own code, which may be anybody's
        return Run(solved=False, broken=f"{type(error).__name__}: {error}")
    ms = 1e3 * (time.perf_counter() - started)
    return replace(run, ms=ms, how=task_apart(task, sandbox))  # tried by now: nothing is run for it


def _graded(benchmark: Benchmark, task: Task, side: Side, sandbox: TestRunner) -> Run:
    files = task.workspace.start if side == "untouched" else task.solution()
    noting = _Noting(sandbox)
    grade = benchmark.grade(task, files, noting)
    tests, message, failure = dict(grade.tests), grade.message, grade.failure
    if not grade.resolved and failure is None and visible_part(grade) is None:  # it had no need
        as_graded = replace(task, limits=noting.limits or task.limits)
        visible = benchmark.run_tests(as_graded, task.visible_tests, files, sandbox, fresh=True)
        tests |= {VISIBLE + name: status for name, status in visible.tests.items()}
        if visible.failure is not None:
            message, failure = visible.message, visible.failure
    return Run(solved=grade.resolved, tests=tests, message=message, failure=failure)


class _Noting:
    """Runs tests as `runner` does, and notes with which limits: a grade may have others."""

    def __init__(self, runner: TestRunner) -> None:
        self._runner = runner
        self._noted: list[Limits] = []

    @property
    def limits(self) -> Limits | None:
        """The limits of the last run."""
        return self._noted[-1] if self._noted else None

    def keeps_apart(self, environment: Environment = NO_ENVIRONMENT) -> bool:
        """See `TestRunner.keeps_apart`."""
        return self._runner.keeps_apart(environment)

    def within(self, environment: Environment) -> _Noting:
        """See `Sandbox.within`."""
        inner = _Noting(self._runner.within(environment))
        inner._noted = self._noted
        return inner

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Outcome:
        """See `Sandbox.run_tests`."""
        self._noted.append(limits)
        return self._runner.run_tests(files, tests, limits, fresh=fresh)
