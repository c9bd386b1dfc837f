"""Outcomes of tests that have been run before, shared by the environments of a process.

Equal files and equal tests have equal outcomes, so a repeat is free, and so is a set of tests each
of which has been run on these files: what counts is the test itself, not the set that it came in.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from hrmgym.envs.task import (
    CallCase,
    CallTests,
    Limits,
    Outcome,
    PytestTests,
    Status,
    StdioTests,
    TestSpec,
)
from hrmgym.envs.workspace import Files

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.handle import TestRunner

#: Statuses that are the test's own; the others depend on what ran before it in its process.
_OWN = (Status.PASSED, Status.FAILED, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class _Found:
    """What became of one test, and its message where it was the first to fail."""

    status: Status
    where: tuple[str, str, int] | None = None


class Outcomes:
    """A bounded memory of outcomes; the least recently used are forgotten. Any thread may use it.

    Args:
        most: Sets of tests that are remembered, and a hundred times as many single tests.
    """

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._whole: OrderedDict[Hashable, Outcome] = OrderedDict()
        self._single: OrderedDict[Hashable, _Found] = OrderedDict()
        self._specs: OrderedDict[int, tuple[TestSpec, Hashable, tuple[Hashable, ...]]]
        self._specs = OrderedDict()
        self._turn = threading.Lock()

    def get_or_run(
        self,
        where: Hashable,
        files: Files,
        tests: TestSpec,
        limits: Limits,
        run: Callable[[], Outcome],
        *,
        fresh: bool = False,
    ) -> Outcome:
        """The outcome of `tests` on `files`, from memory where every one of them is known.

        Args:
            where: What else decides, for example the kind of sandbox.
            files: Exactly what the tests run on.
            tests: The tests.
            limits: What a run may use.
            run: Runs them. Its outcome is kept unless the sandbox was to blame.
            fresh: Whether only runs in fresh sandboxes count, as for grades; `run` makes one.
        """
        with self._turn:
            suite, each = self._described(tests)
            places = [(where, files.key, limits, suite, True)]
            if not fresh:
                places.append((where, files.key, limits, suite, False))
            for there in places:
                found = self._recall(there, each, tests)
                if found is not None:
                    return found
        outcome = run()
        if not outcome.trouble:
            with self._turn:
                self._keep(places[-1], each, tests, outcome)
        return outcome

    def _described(self, tests: TestSpec) -> tuple[Hashable, tuple[Hashable, ...]]:
        """What all tests share, and what each of them is; worked out once per set of tests."""
        known = self._specs.get(id(tests))
        if known is None:
            known = tests, *_describe(tests)
            self._specs[id(tests)] = known  # with the tests: their id is theirs while they live
            _trim(self._specs, self._most)
        return known[1:]

    def _recall(
        self, there: Hashable, each: tuple[Hashable, ...], tests: TestSpec
    ) -> Outcome | None:
        whole = self._whole.get((there, each))
        if whole is not None:
            self._whole.move_to_end((there, each))
            return whole
        statuses: dict[str, Status] = {}
        first: tuple[str, str, int] | None = None
        for name, test in zip(tests.test_ids, each, strict=True):
            found = self._single.get((there, test))
            if found is None:
                return None
            statuses[name] = found.status
            if found.status is Status.FAILED and first is None:
                if found.where is None:  # it failed behind another one: its message is not known
                    return None
                first = found.where
        if not statuses:
            return None
        message, path, line = first or ("", "", 0)
        return Outcome(tests=statuses, message=message, path=path, line=line)

    def _keep(
        self, there: Hashable, each: tuple[Hashable, ...], tests: TestSpec, outcome: Outcome
    ) -> None:
        self._whole[there, each] = outcome
        _trim(self._whole, self._most)
        first = True
        for name, test in zip(tests.test_ids, each, strict=True):
            status = outcome.tests.get(name, Status.MISSING)
            if status not in _OWN:
                break  # what ran after a crash or a timeout says nothing about itself
            where = None
            if status is Status.FAILED and first:
                where, first = (outcome.message, outcome.path, outcome.line), False
            if where is not None or (there, test) not in self._single:
                self._single[there, test] = _Found(status, where)
        _trim(self._single, 100 * self._most)


def _trim(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def _describe(tests: TestSpec) -> tuple[Hashable, tuple[Hashable, ...]]:
    kind = type(tests).__qualname__
    if isinstance(tests, CallTests):
        return (kind, tests.path, tests.function), tuple(_flat_case(case) for case in tests.cases)
    if isinstance(tests, StdioTests):
        pairs = tuple((case.stdin, case.expected) for case in tests.cases)
        return (kind, tests.path, tests.compare), pairs
    if isinstance(tests, PytestTests):
        mode = bool(tests.together), tests.tried
        return (kind, _flat(tests.files), tests.args, mode), tests.ids
    rest = tuple((one.name, _flat(getattr(tests, one.name))) for one in fields(tests))
    return (kind, rest), tests.test_ids


def _flat_case(case: CallCase) -> Hashable:
    rule = case.compare, case.tolerance, case.consume, case.raises, case.match
    try:
        return *rule, repr((case.args, case.expected))
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits, or nested deeply
        return *rule, object()  # equal to nothing else, so it is remembered for these tests alone


def _flat(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _flat(one)) for key, one in value.items()))
    return value if isinstance(value, Hashable) else repr(value)


#: The memory that the environments of this process share.
shared = Outcomes()


class Remembered:
    """Runs tests as `runner` does, and none twice.

    Args:
        runner: Where tests run that are not remembered.
        place: What kind of place that is; outcomes are shared by equal ones.
        memory: What is remembered; by default, with all of this process.
    """

    def __init__(self, runner: TestRunner, place: str, memory: Outcomes = shared) -> None:
        self._runner, self._place, self._memory = runner, place, memory

    @property
    def kind(self) -> str:
        """See `TestRunner.kind`."""
        return self._runner.kind

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Outcome:
        """See `Sandbox.run_tests`. What is no `Files` has no key, and is run each time."""

        def run() -> Outcome:
            return self._runner.run_tests(files, tests, limits, fresh=fresh)

        if not isinstance(files, Files):
            return run()
        return self._memory.get_or_run(self._place, files, tests, limits, run, fresh=fresh)
