"""Many edited texts of one program, tried in an isolated process that is prepared for them.

A screen is no verdict. Its process holds the task's visible tests beside the code that they test,
and one edit may spoil it for the next. So a text that passes is to be confirmed by an ordinary run
(`Screen.confirm`), which alone gives reward or says "solved"; one that fails is probably wrong.
Each screen, each repeat of one and each confirmation is a test run, and to be counted as such.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from hrmgym.envs.kinds import kind_of
from hrmgym.envs.outcome import FailureCode, Outcome, Reason
from hrmgym.envs.sandboxes.executor import ScreeningRunner, TestRunner
from hrmgym.envs.sandboxes.verdicts.screens import Behaviour, Plan, Record, Request, Tried
from hrmgym.envs.task import NO_ENVIRONMENT, Limits, Task, TestSpec
from hrmgym.envs.workspace import Files
from hrmgym.errors import SandboxError, SandboxUnavailableError

_FEWEST, _MOST = 64, 4096  # texts that go into a sandbox at once
_AHEAD = 1024  # at first, where texts are tried ahead
_MOST_CHARS = 1 << 24  # of all texts that go into a sandbox at once
_SLICE_S, _LONG_SLICE_S = 1.0, 4.0  # of a process: until the first pass, or for all
_STARTS = 1.5  # how long a start may take, measured by another one
_PATIENCE = 5.0  # how many times a test's CPU seconds it has while it is traced


class Grader(Protocol):
    """What a screen needs of a `Benchmark`, which may itself read this package."""

    @property
    def own_rules(self) -> bool:
        """See `Benchmark.own_rules`."""

    def run_tests(
        self, task: Task, tests: TestSpec, files: Mapping[str, str], sandbox: TestRunner
    ) -> Outcome:
        """See `Benchmark.run_tests`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What a text came to."""

    passed: bool
    """Whether every visible test passed; to be confirmed where it was `hot`."""
    cut: bool = False
    """Whether it ran out of time, so that a longer limit may say otherwise."""
    cpu_s: float = 0.0
    """CPU seconds that it took, without the start of an ordinary run: see `Screen`."""
    tests: int = 0
    """How many tests ran; a screen stops at the first that fails."""
    runs: int = 1
    """How many test runs it took."""
    hot: bool = True
    """Whether it was screened; if not, this is the verdict of an ordinary run, if there is an
    outcome, and else only such a run can tell."""
    outcome: Outcome | None = None
    """Of an ordinary run."""
    behaviour: Behaviour | None = None
    """Of the test that failed in a screen, where that was wanted and is known."""

    @property
    def failure(self) -> FailureCode | None:
        """Why nothing is known of the text: the sandbox failed, as in `Outcome.failure`."""
        return None if self.outcome is None else self.outcome.failure


@dataclass(frozen=True, slots=True)
class TestLines:
    """What one visible test does on the untouched file."""

    __test__ = False  # not a pytest class

    passed: bool
    lines: frozenset[int]
    """Lines of the file that it runs, from 1; not those that importing it runs."""
    behaviour: Behaviour | None = None
    """What it did, if it failed and that is known."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which lines each visible test runs: one test run."""

    tests: Mapping[str, TestLines]
    """Test id -> what it does; no test where nothing is known."""
    why: str = ""
    """Why nothing is known; empty where something is."""
    runs: int = 1


class Screen:
    """Tries edited texts of one file of a task on its visible tests.

    Args:
        benchmark: The task's.
        task: The task; its hidden tests and its reference have no part in this.
        files: The workspace.
        path: The file that the texts are of.
        sandbox: Where; one without screens runs every text by itself.
        start_s: CPU seconds of an ordinary run of the workspace as it is. A text that has an
            ordinary run has half as much again beside its limit: most of it goes to the start
            of the interpreter, the test runner and the package, which a screen makes once.
        failing: Ids of the tests that the workspace fails as it is: they run first, so that what
            turns none of them is soon through. By default those that a solution must turn.
    """

    def __init__(
        self,
        benchmark: Grader,
        task: Task,
        files: Files,
        path: str,
        sandbox: TestRunner,
        start_s: float = 0.0,
        failing: Collection[str] | None = None,
    ) -> None:
        self._benchmark, self._task, self._path = benchmark, task, path
        self._start_s = start_s
        tests = task.visible_tests
        failing = frozenset(tests.fail_to_pass if failing is None else failing)
        self._first = tuple(at for at, name in enumerate(tests.test_ids) if name in failing)
        self._files = files
        self._sandbox = sandbox
        self._runner: ScreeningRunner | None = None
        found = self._prepare(sandbox)
        self._plan: Plan | None = None if isinstance(found, str) else found
        self.why: str = found if isinstance(found, str) else ""
        """Why every text has an ordinary run; empty where there is a screen, and where it is not
        yet known that there is none."""

    def _prepare(self, sandbox: TestRunner) -> Plan | str:
        task = self._task
        if self._benchmark.own_rules:
            return f"benchmark {task.benchmark!r} runs or counts tests by rules of its own"
        if task.environment != NO_ENVIRONMENT:
            try:
                sandbox = sandbox.within(task.environment)
            except SandboxUnavailableError:
                raise
            except SandboxError as error:
                return str(error)
        if not isinstance(sandbox, ScreeningRunner):
            return "this kind of sandbox has no screens"
        self._runner = sandbox
        return kind_of(task.visible_tests).screen(self._files, task.visible_tests, self._path)

    def run(
        self,
        texts: Iterable[str],
        *,
        cpu_s: float | None = None,
        stop: bool = True,
        told: bool = False,
    ) -> Iterator[Screened]:
        """Try texts, in their order.

        Args:
            texts: Whole new texts of the file. Up to four thousand are read ahead, few at first.
            cpu_s: CPU seconds for each, if less than the task's limit.
            stop: Whether nothing is tried after the first text that passes before the next one is
                asked for. Without it, and from then on, texts are tried ahead: where one that
                passes does not end the search, many do, and each end of a process costs as much
                as hundreds of texts.
            told: Whether it is wanted how the first test fails that does.

        Yields:
            What each came to.
        """
        limits = self._limits(cpu_s)
        coming = iter(texts)
        most = min(_MOST, max(_FEWEST, _MOST_CHARS // (len(self._files[self._path]) + 1)))
        size, slice_s = (_FEWEST, _SLICE_S) if stop else (min(_AHEAD, most), _LONG_SLICE_S)
        waiting: deque[str] = deque()
        while True:
            waiting.extend(islice(coming, max(0, size - len(waiting))))
            if not waiting:
                return
            records: Sequence[Record] = ()
            if self._plan is not None and self._runner is not None:
                request = Request(
                    *(self._plan, self._files, self._path, limits, stop),
                    first=self._first,
                    told=told,
                    slice_s=slice_s,
                )
                records = self._records(self._runner, request, list(waiting))
            for record in records:
                text = waiting.popleft()
                if record.status is Tried.UNSURE:
                    again = self.cold(text, cpu_s=limits.cpu_s)
                    yield replace(again, runs=again.runs + 1)
                else:
                    yield _screened(record)
                stop = stop and record.status is not Tried.PASSED
            if not records:
                yield self.cold(waiting.popleft(), cpu_s=limits.cpu_s)
            elif len(records) >= size // 2:
                size = min(4 * size, most)
            else:
                size = max(size // 2, _FEWEST)

    def ahead(self, texts: Sequence[str], *, cpu_s: float | None = None) -> list[Screened]:
        """Try the first of some texts, as many as there is time for in about a second.

        Args:
            texts: Whole new texts of the file.
            cpu_s: CPU seconds for each, if less than the task's limit.

        Returns:
            What each of the first texts came to, with how the first test fails that does. One that
            is not `hot` and has no outcome needs an ordinary run: `cold`.
        """
        records: Sequence[Record] = ()
        if self._plan is not None and self._runner is not None:
            limits = self._limits(cpu_s)
            request = Request(
                *(self._plan, self._files, self._path, limits),
                stop=False,
                first=self._first,
                told=True,
                slice_s=_SLICE_S,
            )
            records = self._records(self._runner, request, list(texts))
        if not records:
            return [Screened(passed=False, hot=False, runs=0)]
        return [
            Screened(passed=False, hot=False) if one.status is Tried.UNSURE else _screened(one)
            for one in records
        ]

    def _limits(self, cpu_s: float | None) -> Limits:
        """Of one text."""
        limits = self._task.limits
        return limits if cpu_s is None or cpu_s >= limits.cpu_s else replace(limits, cpu_s=cpu_s)

    def _records(
        self, runner: ScreeningRunner, request: Request, texts: list[str]
    ) -> Sequence[Record]:
        """What the first of these texts came to; nothing where the first needs an ordinary run."""
        try:
            reply = runner.screen(request, texts)
        except SandboxUnavailableError:
            raise
        except SandboxError:  # it may be the doing of a text: ordinary runs go to the bottom of it
            return ()
        if reply is None or reply.unfit:
            self._plan = None
            self.why = reply.unfit if reply is not None else "this kind of sandbox has no screens"
            return ()
        return reply.records

    def cold(self, text: str, *, cpu_s: float) -> Screened:
        """An ordinary run of a text that cannot be screened: one test run.

        Args:
            text: A whole new text of the file.
            cpu_s: CPU seconds, beside those of a start, if less than the task's limit.
        """
        outcome = self.confirm(text, cpu_s=cpu_s + _STARTS * self._start_s)
        return Screened(
            passed=outcome.resolved,
            cut=outcome.reason is Reason.TIMEOUT,
            cpu_s=max(0.0, outcome.cpu_s - self._start_s),
            tests=len(outcome.tests),
            hot=False,
            outcome=outcome,
        )

    def coverage(self) -> Coverage:
        """Which lines of the untouched file each visible test runs, and whether it passes.

        Each test is run by itself, and has a few times the task's CPU seconds, since tracing takes
        time. One that is cut off has not passed, and its lines are those that it came to.
        """
        if self._plan is None or self._runner is None:
            return Coverage({}, self.why, 0)
        limits = replace(self._task.limits, cpu_s=_PATIENCE * self._task.limits.cpu_s)
        request = Request(
            *(self._plan, self._files, self._path, limits), stop=False, traced=True, told=True
        )
        ids = list(self._task.visible_tests.test_ids)
        found: dict[str, TestLines] = {}
        while len(found) < len(ids):
            try:
                reply = self._runner.screen(request, ids[len(found) :])
            except SandboxUnavailableError:
                raise
            except SandboxError as error:
                return Coverage({}, str(error))
            if reply is None or not reply.records:
                return Coverage({}, "" if reply is None else reply.unfit)
            for name, record in zip(ids[len(found) :], reply.records, strict=False):
                passed = record.status is Tried.PASSED
                found[name] = TestLines(passed, record.lines, record.behaviour)
        return Coverage(found)

    def confirm(self, text: str, *, cpu_s: float | None = None) -> Outcome:
        """An ordinary run of the visible tests on a text: one test run.

        Args:
            text: A whole new text of the file.
            cpu_s: CPU seconds, if less than the task's limit.
        """
        task = self._task
        if cpu_s is not None and cpu_s < task.limits.cpu_s:
            task = replace(task, limits=replace(task.limits, cpu_s=cpu_s))
        files = self._files.with_text(self._path, text)
        return self._benchmark.run_tests(task, task.visible_tests, files, self._sandbox)


def screen(
    benchmark: Grader,
    task: Task,
    files: Mapping[str, str],
    path: str,
    texts: Iterable[str],
    sandbox: TestRunner,
    *,
    cpu_s: float | None = None,
    stop: bool = True,
) -> Iterator[Screened]:
    """Try edited texts of one file of a task on its visible tests: see `Screen`."""
    made = Screen(benchmark, task, Files.of(files), path, sandbox)
    return made.run(texts, cpu_s=cpu_s, stop=stop)


def spectrum(
    benchmark: Grader, task: Task, files: Mapping[str, str], path: str, sandbox: TestRunner
) -> Coverage:
    """Which lines of a file each visible test runs: see `Screen.coverage`."""
    return Screen(benchmark, task, Files.of(files), path, sandbox).coverage()


def _screened(record: Record) -> Screened:
    return Screened(
        passed=record.status is Tried.PASSED,
        cut=record.status is Tried.CUT,
        cpu_s=record.cpu_s,
        tests=record.tests,
        behaviour=record.behaviour,
    )
