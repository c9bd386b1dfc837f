"""Working through items, in this process or in several, with the same results.

What comes out depends neither on the number of processes nor on the order of the items: a `Worker`
derives everything random from the item.
"""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.util
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import Any, Protocol, TypeVar

from hrmgym.errors import WorkerError
from hrmgym.trainers.threads import compute_threads

Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)
Item = TypeVar("Item")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Worker(Protocol[Item_contra, Result_co]):
    """Does the work; made once in each process, and picklable until it is opened."""

    def open(self) -> None:
        """Makes what the work needs, if it is not there."""
        ...

    def play(self, item: Item_contra, stop: Callable[[], bool]) -> Result_co | None:
        """Works on one item; None if `stop` came true before the end."""
        ...

    def close(self) -> None:
        """Gives back what `open` made."""
        ...


def work_through(
    worker: Worker[Item, Result],
    items: Sequence[Item],
    workers: int,
    note: Callable[[int, Result], None],
) -> None:
    """Works on every item; Ctrl-C, and what else raises KeyboardInterrupt, ends it early.

    Args:
        worker: Does the work.
        items: Picklable where there are several workers.
        workers: Processes; with 1, this one does it all.
        note: Called in this process with each item's number and its result, in any order.

    Raises:
        WorkerError: A worker's process has died.
    """
    if not items:
        return
    try:
        if workers == 1:
            _here(worker, items, note)
        else:
            _in_processes(worker, items, min(workers, len(items)), note)
    except KeyboardInterrupt:
        _log.warning("interrupted: keeping what is done")


def _here(
    worker: Worker[Item, Result], items: Sequence[Item], note: Callable[[int, Result], None]
) -> None:
    try:
        worker.open()
        with compute_threads(1):  # so that sums are added in one order whatever `workers`
            for index, item in enumerate(items):
                result = worker.play(item, lambda: False)
                assert result is not None, "nobody asked it to stop"
                note(index, result)
    finally:
        worker.close()


def _in_processes(
    worker: Worker[Item, Result],
    items: Sequence[Item],
    workers: int,
    note: Callable[[int, Result], None],
) -> None:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(workers, context, _start_worker, (worker, stop)) as pool:
        try:
            futures: dict[Future[Any], int] = {
                pool.submit(_work, item): index for index, item in enumerate(items)
            }
            for future in as_completed(futures):
                result = future.result()
                if result is not None:
                    note(futures[future], result)
        except BrokenProcessPool:
            raise WorkerError(
                "a worker's process has died, killed perhaps for lack of memory"
            ) from None
        finally:
            # Leaving the block waits for the workers: those that work stop at their next step.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


_worker: tuple[Worker[Any, Any], Event] | None = None


def _start_worker(worker: Worker[Any, Any], stop: Event) -> None:
    """Prepares a worker's process."""
    global _worker
    # A signal to the whole group (Ctrl-C, `timeout`, a lost terminal) is the parent's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Workers leave without running atexit handlers; these finalizers do run.
    multiprocessing.util.Finalize(None, worker.close, exitpriority=100)
    _worker = worker, stop


def _end_with_parent() -> None:
    """Ends this process when its parent has been killed: nobody would wait for its results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(item: Any) -> Any:
    assert _worker is not None
    worker, stop = _worker
    if stop.is_set():
        return None
    worker.open()  # here and not in `_start_worker`, so that an error reaches the caller
    with compute_threads(1):
        return worker.play(item, stop.is_set)
