"""Outcomes of tests that have been run before, shared by the environments of a process.

Equal files and equal tests have equal outcomes, so a repeat is free. So is a set of calls or of
program runs that is the beginning of one that was run: what a test finds depends on the tests
before it, which share its process or its folder, and on none after it. Nothing else is put together
of parts, so that what is remembered is what a run would have said.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from hrmgym.envs.kinds import kind_of
from hrmgym.envs.sandboxes.executor import ScreeningRunner
from hrmgym.envs.sandboxes.verdicts import screens
from hrmgym.envs.task import NO_ENVIRONMENT, Environment, Limits, Outcome, Status, TestSpec
from hrmgym.envs.workspace import Files

if TYPE_CHECKING:
    from hrmgym.envs.sandboxes.executor import TestRunner

#: Statuses of tests that have come to their end, whatever follows.
_OWN = (Status.PASSED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class Described:
    """What decides about the outcome of a set of tests, and names it."""

    suite: Hashable
    """What all its tests share."""
    whole: Hashable
    """All its tests, with their ids."""
    beginnings: tuple[str, ...]
    """A digest of the tests up to each; empty where they do not run in the order of their ids."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What became of the last test of a beginning, and the first failure up to it."""

    status: Status
    where: tuple[str, str, int]


class Outcomes:
    """A bounded memory of outcomes; the least recently used are forgotten. Any thread may use it.

    Args:
        most: Sets of tests that are remembered, and a hundred times as many beginnings of sets.
    """

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._whole: OrderedDict[Hashable, Outcome] = OrderedDict()
        self._begun: OrderedDict[Hashable, _Found] = OrderedDict()
        self._specs: OrderedDict[int, tuple[TestSpec, Described]] = OrderedDict()
        self._turn = threading.Lock()

    def recall(
        self, where: Hashable, files: Files, tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Outcome | None:
        """The outcome of `tests` on `files`; None where it is not known.

        Args:
            where: What else decides, for example the kind of sandbox.
            files: Exactly what the tests run on.
            tests: The tests.
            limits: What a run may use.
            fresh: Whether only runs in fresh sandboxes count, as for grades.
        """
        with self._turn:
            about = self._described(tests)
            for was_fresh in (True,) if fresh else (True, False):
                there = where, files.key, limits, about.suite, was_fresh
                found = self._recall(there, about, tests)
                if found is not None:
                    return found
        return None

    def keep(
        self,
        where: Hashable,
        files: Files,
        tests: TestSpec,
        limits: Limits,
        outcome: Outcome,
        *,
        fresh: bool = False,
    ) -> None:
        """Remember what a run came to, unless the sandbox was to blame; see `recall`."""
        if outcome.trouble:
            return
        with self._turn:
            about = self._described(tests)
            self._keep((where, files.key, limits, about.suite, fresh), about, tests, outcome)

    def _described(self, tests: TestSpec) -> Described:
        """What tests are; worked out once per set of tests."""
        known = self._specs.get(id(tests))
        if known is None:
            known = tests, describe(tests)
            self._specs[id(tests)] = known  # with the tests: their id is theirs while they live
            _trim(self._specs, self._most)
        return known[1]

    def _recall(self, there: Hashable, about: Described, tests: TestSpec) -> Outcome | None:
        whole = self._whole.get((there, about.whole))
        if whole is not None:
            self._whole.move_to_end((there, about.whole))
            return whole
        statuses: dict[str, Status] = {}
        message, path, line = "", "", 0
        for name, beginning in zip(tests.test_ids, about.beginnings, strict=False):
            found = self._begun.get((there, beginning))
            if found is None:
                return None
            statuses[name] = found.status
            message, path, line = found.where
        if not statuses:
            return None
        return Outcome(tests=statuses, message=message, path=path, line=line)

    def _keep(self, there: Hashable, about: Described, tests: TestSpec, outcome: Outcome) -> None:
        self._whole[there, about.whole] = outcome
        _trim(self._whole, self._most)
        where = "", "", 0
        for name, beginning in zip(tests.test_ids, about.beginnings, strict=False):
            status = outcome.tests.get(name, Status.MISSING)
            if status not in _OWN:
                break  # in a run of less, it might have come to its end
            if status is Status.FAILED:
                where = outcome.message, outcome.path, outcome.line
            self._begun[there, beginning] = _Found(status, where)
        _trim(self._begun, 100 * self._most)


def _trim(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def describe(tests: TestSpec) -> Described:
    """What decides about the outcome of a set of tests."""
    kind = f"{type(tests).__module__}.{type(tests).__qualname__}"
    if (known := kind_of(tests).in_order(tests)) is not None:
        suite, told = known
        return Described((kind, suite), told, _beginnings(told))
    rest = tuple((one.name, _flat(getattr(tests, one.name))) for one in fields(tests))
    return Described((kind, rest), tests.test_ids, ())


def _beginnings(tests: Iterable[str]) -> tuple[str, ...]:
    digest = hashlib.blake2b(digest_size=20)
    found = []
    for text in tests:
        digest.update(len(text).to_bytes(8, "big") + text.encode("utf-8", "surrogatepass"))
        found.append(digest.hexdigest())
    return tuple(found)


def _flat(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _flat(one)) for key, one in value.items()))
    return value if isinstance(value, Hashable) else repr(value)


#: The memory that the environments of this process share.
shared = Outcomes()


class Remembered:
    """Runs tests as `runner` does, and none twice; those of one candidate in less time.

    What else a benchmark runs on the way, such as tests on the known solution, has all its time.

    Args:
        runner: Where tests run that are not remembered.
        place: What kind of place that is; outcomes are shared by equal ones.
        memory: What is remembered; by default, with all of this process.
        candidate: These very files have less time.
        cpu_s: CPU seconds of a run on them, if less than its own limit.
    """

    def __init__(
        self,
        runner: TestRunner,
        place: str,
        memory: Outcomes = shared,
        *,
        candidate: Files | None = None,
        cpu_s: float = math.inf,
    ) -> None:
        self._runner, self._place, self._memory = runner, place, memory
        self._candidate, self._cpu_s = candidate, cpu_s

    def keeps_apart(self, environment: Environment = NO_ENVIRONMENT) -> bool:
        """See `TestRunner.keeps_apart`."""
        return self._runner.keeps_apart(environment)

    def within(self, environment: Environment) -> Remembered:
        """See `Sandbox.within`."""
        if environment == NO_ENVIRONMENT:
            return self
        return Remembered(
            self._runner.within(environment),
            f"{self._place} {environment}",
            self._memory,
            candidate=self._candidate,
            cpu_s=self._cpu_s,
        )

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Outcome:
        """See `Sandbox.run_tests`. What is no `Files` has no key, and is run each time."""
        if files is self._candidate and self._cpu_s < limits.cpu_s:
            limits = replace(limits, cpu_s=self._cpu_s)
        if not isinstance(files, Files):
            return self._runner.run_tests(files, tests, limits, fresh=fresh)
        known = self._memory.recall(self._place, files, tests, limits, fresh=fresh)
        if known is not None:
            return known
        outcome = self._runner.run_tests(files, tests, limits, fresh=fresh)
        self._memory.keep(self._place, files, tests, limits, outcome, fresh=fresh)
        return outcome

    def screen(self, request: screens.Request, texts: Sequence[str]) -> screens.Reply | None:
        """See `Sandbox.screen`. Screens are not remembered: they are no verdicts."""
        runner = self._runner
        return runner.screen(request, texts) if isinstance(runner, ScreeningRunner) else None
