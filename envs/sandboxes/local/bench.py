"""The folder of test runs in a local sandbox: see `hrmgym.envs.sandboxes.bench.Bench`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from swerex.runtime.abstract import Command, ReadFileRequest

from hrmgym.envs.sandboxes.bench import Ran, raise_own, telling_unfit
from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.local import nursery
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.verdicts import aparttests, calltests
from hrmgym.envs.task import Limits
from hrmgym.envs.workspace import Files


class LocalBench:
    """The folder of test runs in a local sandbox."""

    def __init__(self, runtime: LocalRuntime, root: str, libraries: str) -> None:
        self._runtime, self.root, self.libraries = runtime, root, libraries

    @property
    def apart(self) -> LocalBench:
        """Itself: a guest for tests starts when it is first needed."""
        return self

    async def renew(self, files: Mapping[str, str | bytes], limits: Limits) -> None:
        await self._runtime.renew(limits.file_mb)
        with telling_unfit(files, limits):
            if isinstance(files, Files):
                await self._runtime.lay_out(files, limits.file_mb)
            else:
                await self._runtime.write_files(files)

    async def run(
        self, argv: Sequence[str], limits: Limits, env: Mapping[str, str] | None = None
    ) -> Ran:
        start = time.monotonic()
        command = Command(
            command=list(argv),
            env=dict(env or {}),
            timeout=limits.wall_s,
            merge_output_streams=True,
        )
        done = await self._runtime.run_program(command, limits)
        return Ran(done.stdout, done.status, done.cpu_s, time.monotonic() - start)

    async def read(self, path: str) -> str:
        try:
            answer = await self._runtime.read_file(ReadFileRequest(path=path, errors="replace"))
        except OSError as error:
            raise_own(error)
            return ""
        return str(answer.content)

    async def run_calls(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        return await self._runtime.run_calls(request, limits)

    async def run_apart(
        self, plan: aparttests.Plan, files: Mapping[str, str], limits: Limits
    ) -> aparttests.Reply:
        """See `LocalRuntime.run_apart`."""
        return await self._runtime.run_apart(plan, files, limits)


async def place_of(runtime: LocalRuntime) -> tuple[str, str]:
    """Where a runtime's workspace is, and the folders with pytest and the task's packages."""
    if runtime.isolated:  # no need to start a guest that tests may never use
        folder = f"{isolation.TOOLS}/lib"
        own = f"{folder}/{nursery.PACKAGES}:" if runtime.packages else ""
        return isolation.WORKSPACE, own + folder
    guest = await runtime.ready()
    return guest.workspace, guest.libraries


async def open_bench(runtime: LocalRuntime) -> LocalBench:
    """The bench of a runtime. It belongs to the caller alone."""
    return LocalBench(runtime, *await place_of(runtime))
