"""Pools: work from many threads, losses, and what is left after close."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.config import LocalSandboxConfig
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.pool import Pool, acquire, release
from hrmgym.envs.task import CallTests, Limits, Status
from hrmgym.errors import ConfigError, SandboxError

Make = Callable[..., CallTests]
DOUBLE = {"f.py": "def f(x):\n    return x * 2\n"}
SLEEP = {"f.py": "import time\ndef f(x):\n    time.sleep(x)\n"}


def children(pid: int) -> set[int]:
    """All processes below `pid`, zombies left out."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            rest = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if rest[0] != "Z":
            parents[int(path.parent.name)] = int(rest[1])
    found: set[int] = set()
    while more := {p for p, above in parents.items() if above in found | {pid}} - found:
        found |= more
    return found


def kill_all(processes: set[int]) -> None:
    """SIGKILL to each; the death of one may be the death of another."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within a minute."""
    for _ in range(6000):
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def clean(calls: Make, quick: Limits) -> Iterator[None]:
    """Nothing is there after the test that was not there before."""
    with Sandbox() as warm:  # the loop's thread stays
        warm.run_command("true")
        warm.run_tests(DOUBLE, calls(((2,), 4)), quick)
    processes, files = children(os.getpid()), descriptors()
    yield
    gc.collect()
    assert children(os.getpid()) == processes
    assert descriptors() == files


@pytest.mark.usefixtures("clean")
def test_outcomes_come_in_the_order_of_the_jobs(calls: Make, quick: Limits) -> None:
    with Pool(size=3) as pool:
        jobs = [(DOUBLE, calls(((i,), 2 * i + i % 2)), quick) for i in range(20)]
        assert [outcome.resolved for outcome in pool.map(jobs)] == [i % 2 == 0 for i in range(20)]
        assert pool.run_command_in({"a": "1"}, "cat a") == ("1", 0)
        assert pool.counts.runs == 21
        assert pool.counts.retried == pool.counts.replaced == pool.counts.failed == 0


@pytest.mark.usefixtures("clean")
def test_sandboxes_are_made_when_all_others_are_busy(calls: Make, quick: Limits) -> None:
    with Pool(size=2) as pool:
        for _ in range(3):
            assert pool.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
        assert len(pool._sandboxes) == 1
        futures = [pool.submit(SLEEP, calls(((0.3,), None)), quick) for _ in range(3)]
        assert all(future.result().resolved for future in futures)
        assert len(pool._sandboxes) == 2


@pytest.mark.usefixtures("clean")
def test_lost_work_is_made_again_and_counted(calls: Make, quick: Limits) -> None:
    others = children(os.getpid())
    with Pool(size=2) as pool:
        running = [pool.submit(SLEEP, calls(((1.0,), None)), quick) for _ in range(2)]
        assert wait_until(lambda: len(children(os.getpid()) - others) >= 6)
        kill_all(children(os.getpid()) - others)
        assert all(future.result().resolved for future in running)
        assert pool.counts.retried >= 1
        assert pool.counts.failed == 0
        assert pool.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved


@pytest.mark.usefixtures("clean")
def test_a_run_that_kills_itself_is_known_for_it(calls: Make, quick: Limits) -> None:
    program = {"f.py": "import os\ndef f(x):\n    os.kill(os.getpid(), 9)\n"}
    with Pool(size=1) as pool:
        outcome = pool.run_tests(program, calls(((1,), 1)), quick)
        assert outcome.tests == {"case0": Status.ERROR}
        assert outcome.killed
        assert not outcome.trouble
        assert pool.counts.retried == 2
        assert pool.counts.replaced == 0


@pytest.mark.usefixtures("clean")
def test_an_exception_frees_its_sandbox(calls: Make, quick: Limits) -> None:
    with Pool(size=1) as pool:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError), pool.sandbox() as sandbox:
                sandbox.run_command(f"sleep {1 / 0}")
        assert pool.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved


@pytest.mark.usefixtures("clean")
def test_an_interrupt_frees_its_sandbox(calls: Make, quick: Limits) -> None:
    with Pool(size=1) as pool:
        assert pool.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
        main = threading.main_thread().ident
        assert main is not None
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            pool.run_tests(SLEEP, calls(((60,), None)), quick)
        assert pool.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved


@pytest.mark.usefixtures("clean")
def test_a_pool_that_nobody_has_any_more_is_ended(calls: Make, quick: Limits) -> None:
    before = children(os.getpid())
    files = descriptors()
    pool = Pool(size=2)
    assert all(pool.submit(DOUBLE, calls(((2,), 4)), quick).result().resolved for _ in range(4))
    del pool
    gc.collect()
    assert wait_until(lambda: children(os.getpid()) == before and descriptors() == files)


@pytest.mark.usefixtures("clean")
def test_close_cancels_what_has_not_started(calls: Make, quick: Limits) -> None:
    pool = Pool(size=1)
    first = pool.submit(SLEEP, calls(((0.3,), None)), quick)
    later = [pool.submit(SLEEP, calls(((0.3,), None)), quick) for _ in range(5)]
    assert wait_until(first.running)
    pool.close()
    assert first.result().resolved
    assert all(future.cancelled() for future in later)
    for use in (pool.submit, pool.run_tests):
        with pytest.raises(SandboxError, match="closed"):
            use(DOUBLE, calls(((2,), 4)), quick)
    pool.close()


def test_a_thread_cannot_wait_for_itself() -> None:
    with (
        Pool(size=1) as pool,
        pool.sandbox(),
        pytest.raises(SandboxError, match="cannot close the pool"),
    ):
        pool.close()


def test_a_pool_has_at_least_one_sandbox() -> None:
    with pytest.raises(ConfigError, match="smallest has 1"):
        Pool(size=0)


@pytest.mark.usefixtures("clean")
def test_shared_pools_are_counted(calls: Make, quick: Limits) -> None:
    config = LocalSandboxConfig(allow_unisolated=True)  # nobody else's here
    first, second = acquire(config), acquire(config)
    assert first is second
    assert first.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
    release(first)
    assert second.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
    release(second)
    with pytest.raises(SandboxError, match="closed"):
        second.run_tests(DOUBLE, calls(((2,), 4)), quick)
    with pytest.raises(SandboxError, match="released before"):
        release(first)
    third = acquire(config)
    assert third is not first
    release(third)


@pytest.mark.usefixtures("clean")
def test_a_fork_has_sandboxes_of_its_own(calls: Make, quick: Limits) -> None:
    with Pool(size=1) as pool, pool.sandbox() as held:  # busy, as the fork sees it
        assert held.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
        child = os.fork()
        if child == 0:
            good = False
            try:
                good = pool.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
                pool.close()
            finally:
                os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert held.run_tests(DOUBLE, calls(((2,), 4)), quick).resolved
        assert held.counts.replaced == 0
