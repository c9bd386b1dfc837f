"""The half of an executor that is asyncio: a workspace, its session, and the loop they live in."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

from hrmgym.envs.sandboxes.executor import Changed
from hrmgym.envs.sandboxes.failures import GuestDied
from hrmgym.envs.sandboxes.loops import LoopThread
from hrmgym.envs.workspace import Files


class Workspace(ABC):
    """Files, and the bash whose commands see them. See `Executor` for what the methods do."""

    @abstractmethod
    async def run_command(self, command: str, timeout_s: float) -> tuple[str, int]: ...

    @abstractmethod
    async def change(self, files: Files, command: str, timeout_s: float) -> Changed: ...

    @abstractmethod
    async def put_files(self, files: Mapping[str, str | bytes]) -> None: ...

    @abstractmethod
    async def get_files(self) -> dict[str, bytes]: ...

    @abstractmethod
    async def save(self) -> Files: ...

    @abstractmethod
    async def restore(self, files: Files) -> None: ...

    @abstractmethod
    async def stop(self) -> None:
        """End it, and all that was started for it."""


W = TypeVar("W", bound=Workspace)


class WorkspaceExecutor(ABC, Generic[W]):
    """What executors share: a workspace that is opened when it is first needed, from any thread."""

    def __init__(self) -> None:
        self._opened: tuple[W, LoopThread] | None = None
        self._opening = threading.Lock()

    @abstractmethod
    def _open(self) -> tuple[W, LoopThread]:
        """A workspace, not started, and the loop for its methods."""

    @abstractmethod
    def _done_with(self, loop: LoopThread) -> None:
        """The loop of a workspace that has ended."""

    def _work(self) -> tuple[W, LoopThread]:
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def run_command(self, command: str, timeout_s: float) -> tuple[str, int]:
        """See `Executor.run_command`."""
        work, loop = self._work()
        return loop.run(work.run_command(command, timeout_s))

    def change(self, files: Files, command: str, timeout_s: float) -> Changed:
        """See `Executor.change`."""
        work, loop = self._work()
        return loop.run(work.change(files, command, timeout_s))

    def put_files(self, files: Mapping[str, str | bytes]) -> None:
        """See `Executor.put_files`."""
        work, loop = self._work()
        try:
            loop.run(work.put_files(files))
        except GuestDied:  # what is lost with it was to be replaced anyway
            loop.run(work.put_files(files))

    def get_files(self) -> dict[str, bytes]:
        """See `Executor.get_files`."""
        work, loop = self._work()
        return loop.run(work.get_files())

    def save(self) -> Files:
        """See `Executor.save`."""
        work, loop = self._work()
        return loop.run(work.save())

    def restore(self, files: Files) -> None:
        """See `Executor.restore`."""
        work, loop = self._work()
        loop.run(work.restore(files))

    def renew_workspace(self) -> None:
        """See `Executor.renew_workspace`."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            work, loop = opened
            try:
                loop.run(work.stop())
            finally:
                self._done_with(loop)
