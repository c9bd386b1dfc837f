"""`Sandbox`: the synchronous handle that environments use."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, Self, TypeVar

from hrmgym.envs.sandboxes import testing
from hrmgym.envs.sandboxes.config import LocalSandboxConfig, SandboxConfig
from hrmgym.envs.task import Limits, Outcome, TestSpec

T = TypeVar("T")


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="sandboxes", daemon=True)
        self.thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


class Sandbox:
    def __init__(self, config: SandboxConfig | None = None) -> None:
        self.config = config or LocalSandboxConfig()
        self._deployment: Any = None
        self._loop: Any = None

    def _started(self) -> Any:
        if self._deployment is None:
            self._loop = _Loop()
            self._deployment = self.config.deployment()
            self._loop.run(self._deployment.start())
        return self._deployment.runtime

    def run_tests(self, files: Mapping[str, str], tests: TestSpec, limits: Limits) -> Outcome:
        runtime = self._started()
        return self._loop.run(testing.run_tests(runtime, files, tests, limits))

    def close(self) -> None:
        if self._deployment is not None:
            self._loop.run(self._deployment.stop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
