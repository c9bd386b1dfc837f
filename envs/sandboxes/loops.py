"""Event loops for callers that have none."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="hrmgym-sandboxes", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and wait for it."""
        assert threading.current_thread() is not self._thread
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupt by the user, for example
            raise

    def close(self) -> None:
        """Stop the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Process:
    """This process's loop that many share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loop: LoopThread | None = None


_process = _Process()
_inherited: list[_Process] = []  # kept, for a loop's destructor would act on the parent's


def _after_fork() -> None:
    global _process
    _inherited.append(_process)
    _process = _Process()


os.register_at_fork(after_in_child=_after_fork)


def shared_loop() -> LoopThread:
    """The loop in a thread that is never closed, one in each process."""
    with _process.lock:
        if _process.loop is None:
            _process.loop = LoopThread()
        return _process.loop


class OwnLoop:
    """An event loop that runs while somebody waits for work in it, in that one's thread.

    This takes a third off what the host spends on a test run in a loop of another thread. One call
    at a time.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end; when this is interrupted, so is the coroutine."""
        if asyncio._get_running_loop() is None:
            return self._run(work)
        result: list[T] = []
        failed: list[BaseException] = []

        def apart() -> None:
            try:
                result.append(self._run(work))
            except BaseException as error:
                failed.append(error)

        # The caller's thread runs a loop already, as a notebook's does.
        thread = threading.Thread(target=apart, name="hrmgym-tests")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return result[0]

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        task = self._loop.create_task(work)
        try:
            return self._loop.run_until_complete(task)
        except BaseException:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    self._loop.run_until_complete(task)
            raise

    def close(self) -> None:
        """Let go of it."""
        self._loop.close()
