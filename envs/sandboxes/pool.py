"""Warm sandboxes behind one object that any thread may use."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self

from hrmgym.envs.sandboxes.config import ExecutorConfig, LocalSandboxConfig
from hrmgym.envs.sandboxes.environments import fitting
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.retries import Counts
from hrmgym.envs.sandboxes.verdicts import screens
from hrmgym.envs.task import NO_ENVIRONMENT, Environment, Limits, Outcome, TestSpec
from hrmgym.errors import ConfigError, SandboxError

#: Environments of tasks whose sandboxes a pool keeps ready: an image takes memory while it runs.
MOST_ENVIRONMENTS = 4

Job = tuple[Mapping[str, str], TestSpec, Limits]


class Pool:
    """Up to `size` sandboxes of one kind; each starts when all before it are busy.

    Its methods block their callers while every sandbox is busy. A sandbox that is lost is replaced
    and its work made again: see `retries` for how often, and `counts` for how often it was.

    Args:
        config: Which kind; by default local ones.
        size: How many at most; by default what the config says.
    """

    def __init__(self, config: ExecutorConfig | None = None, size: int | None = None) -> None:
        self.config: ExecutorConfig = config or LocalSandboxConfig()
        if size is None:
            size = self.config.default_size
        if size < 1:
            raise ConfigError(f"a pool of {size} sandboxes; the smallest has 1")
        self.size = size
        self._sandboxes: list[Sandbox] = []
        self._free: list[Sandbox] = []
        self._held: dict[Sandbox, int] = {}
        self._changed = threading.Condition()
        self._threads: ThreadPoolExecutor | None = None
        self._closed = False
        self._within: dict[Environment, Pool] = {}
        _pools.add(self)

    def keeps_apart(self, environment: Environment = NO_ENVIRONMENT) -> bool:
        """See `TestRunner.keeps_apart`."""
        return self.config.keeps_apart(environment)

    def within(self, environment: Environment) -> Pool:
        """A pool with a task's environment, which is closed with this one: see `Sandbox.within`.

        Raises:
            SandboxError: This machine, or this kind of sandbox, cannot give it.
        """
        if environment == NO_ENVIRONMENT:
            return self
        with self._changed:
            found = self._within.get(environment)
            if found is None and self._closed:
                raise SandboxError("the pool is closed")
        if found is None:  # what takes its time happens while others use this pool
            config = fitting(self.config, environment)
            if config == self.config:
                return self
            found = Pool(config, self.size)
        with self._changed:
            found = self._within.pop(environment, found)
            self._within[environment] = found  # the one that was used last
            older = list(self._within.values())[:-MOST_ENVIRONMENTS]
        for other in older:
            other.rest()
        return found

    def rest(self) -> None:
        """End the sandboxes that nobody uses just now; each starts anew when it is used again."""
        with self._changed:
            idle = [found for found in self._free if found.started]
            self._free = [found for found in self._free if found not in idle]
            self._held |= dict.fromkeys(idle, threading.get_ident())
        for found in idle:
            try:
                found.close()
            finally:
                self._give_back(found)

    @contextmanager
    def sandbox(self) -> Iterator[Sandbox]:
        """A sandbox for this thread alone, the one that was used last where there is a choice.

        Raises:
            SandboxError: The pool is closed.
        """
        found = self._take(submitted=False)
        try:
            yield found
        except BaseException:
            found.close()  # whatever it is in the middle of; it starts anew when it is used again
            raise
        finally:
            self._give_back(found)

    def _take(self, *, submitted: bool) -> Sandbox:
        """A free sandbox; `submitted` work, which has begun, gets one in a closed pool too."""
        with self._changed:
            while True:
                if self._closed and not submitted:
                    raise SandboxError("the pool is closed")
                if not self._free and len(self._sandboxes) < self.size:
                    self._sandboxes.append(Sandbox(self.config))
                    self._free.append(self._sandboxes[-1])
                if self._free:
                    found = self._free.pop()
                    self._held[found] = threading.get_ident()
                    return found
                self._changed.wait()

    def _give_back(self, found: Sandbox) -> None:
        with self._changed:
            if self._held.pop(found, None) is None:
                return  # taken before a fork, by a thread that the fork does not have
            self._free.append(found)
            self._changed.notify_all()

    def _run_submitted(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, fresh: bool
    ) -> Outcome:
        found = self._take(submitted=True)
        try:
            return found.run_tests(files, tests, limits, fresh=fresh)
        finally:
            self._give_back(found)

    def run_tests(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Outcome:
        """Run tests in any of the sandboxes: see `Sandbox.run_tests`."""
        with self.sandbox() as found:
            return found.run_tests(files, tests, limits, fresh=fresh)

    def screen(self, request: screens.Request, texts: Sequence[str]) -> screens.Reply | None:
        """Try texts of one file in any of the sandboxes: see `Sandbox.screen`."""
        with self.sandbox() as found:
            return found.screen(request, texts)

    def run_command_in(
        self, files: Mapping[str, str | bytes], command: str, timeout_s: float = 60.0
    ) -> tuple[str, int]:
        """Run one command on `files` in any of the sandboxes: see `Sandbox.run_command_in`."""
        with self.sandbox() as found:
            return found.run_command_in(files, command, timeout_s)

    def submit(
        self, files: Mapping[str, str], tests: TestSpec, limits: Limits, *, fresh: bool = False
    ) -> Future[Outcome]:
        """`run_tests`, in the background; in the order of the calls."""
        with self._changed:
            if self._closed:
                raise SandboxError("the pool is closed")
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self.size, thread_name_prefix="hrmgym-pool")
            return self._threads.submit(self._run_submitted, files, tests, limits, fresh)

    def map(self, jobs: Iterable[Job], *, fresh: bool = False) -> Iterator[Outcome]:
        """The outcomes of (files, tests, limits), in their order, `size` at a time."""
        running = [self.submit(*job, fresh=fresh) for job in jobs]
        try:
            for future in running:
                yield future.result()
        finally:
            for future in running:
                future.cancel()

    @property
    def counts(self) -> Counts:
        """What its sandboxes have done so far."""
        with self._changed:
            counts = [found.counts for found in self._sandboxes]
            counts += [found.counts for found in self._within.values()]
        return sum(counts, Counts())

    def close(self) -> None:
        """End every sandbox, once it is given back; runs that have not started are cancelled.

        Raises:
            SandboxError: This thread itself holds one.
        """
        with self._changed:
            if threading.get_ident() in self._held.values():
                raise SandboxError("a thread that holds a sandbox of a pool cannot close the pool")
            threads, self._threads = self._threads, None
            if threads is not None:
                threads.shutdown(wait=False, cancel_futures=True)
            self._closed = True
            self._changed.notify_all()
        try:
            if threads is not None:
                threads.shutdown()
        finally:
            with self._changed:
                while self._held:
                    self._changed.wait()
            for found in self._sandboxes:
                found.close()
            for other in self._within.values():
                other.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forget_threads(self) -> None:
        """In a fork: the threads that held sandboxes are not here."""
        self._changed = threading.Condition()
        self._free, self._held = list(self._sandboxes), {}
        self._threads = None


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


# --- one for all environments of a process -------------------------------------------------------


class _Shared:
    """This process's shared pools, and how many users each has."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pools: dict[str, tuple[Pool, int]] = {}


_shared = _Shared()
_inherited: list[_Shared] = []


def _after_fork() -> None:
    global _shared
    for pool in list(_pools):
        pool._forget_threads()
    _inherited.append(_shared)
    _shared = _Shared()


os.register_at_fork(after_in_child=_after_fork)


def acquire(config: ExecutorConfig | None = None) -> Pool:
    """This process's shared pool for test runs under `config`; give it back with `release`."""
    config = config or LocalSandboxConfig()
    key = config.model_dump_json()
    with _shared.lock:
        pool, users = _shared.pools.get(key) or (Pool(config), 0)
        _shared.pools[key] = pool, users + 1
    return pool


def release(pool: Pool) -> None:
    """Give a shared pool back; the last one to do so closes it.

    Raises:
        SandboxError: It does not come from `acquire`, or was given back before.
    """
    key = pool.config.model_dump_json()
    with _shared.lock:
        held, users = _shared.pools.get(key) or (None, 0)
        if any(pool is before.pools.get(key, (None,))[0] for before in _inherited):
            return  # acquired by the process that this one is a fork of
        if held is not pool:
            raise SandboxError("this pool was not acquired, or was released before")
        if users > 1:
            _shared.pools[key] = pool, users - 1
            return
        del _shared.pools[key]
    pool.close()


def drop(pool: Pool) -> None:
    """`release`, from a thread that must not wait: the user of the pool was collected."""
    threading.Thread(target=release, args=(pool,), name="hrmgym-release", daemon=True).start()
