"""A folder of files and the programs that run in it, in any SWE-ReX runtime.

`Bench` is what test runs and workspaces need. `LocalBench` is the short way for local sandboxes,
`RexBench` uses nothing but SWE-ReX's standard operations.
"""

from __future__ import annotations

import base64
import io
import json
import math
import secrets
import shlex
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from swerex.exceptions import CommandTimeoutError
from swerex.runtime.abstract import AbstractRuntime, Command, ReadFileRequest, UploadRequest

from hrmgym.envs.sandboxes import calltests
from hrmgym.envs.sandboxes.runtime import MOST_BYTES, LocalRuntime
from hrmgym.envs.task import Limits
from hrmgym.errors import SandboxError

#: Modules that a run of calls needs; they go into containers.
_RUN_MODULES = ("calls", "isolation", "keeper", "runs", "stdio", "values")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program left."""

    output: str
    """Standard output and error, in the order in which they came."""
    status: int | None
    """Exit code; minus a signal's number; None where it ran out of time."""
    cpu_s: float
    """0 where it is not known."""
    wall_s: float


class Bench(Protocol):
    """A folder, and programs in it."""

    root: str
    libraries: str
    """Folder with pytest, where it is not installed in the Python that programs use."""

    async def replace(self, files: Mapping[str, str | bytes]) -> None:
        """Make the folder hold `files` and nothing else."""

    async def read_all(self) -> dict[str, bytes]:
        """Every regular file in the folder, links not followed."""

    async def run(
        self, argv: Sequence[str], limits: Limits, env: Mapping[str, str] | None = None
    ) -> Ran:
        """Run a program in the folder."""

    async def renew(self, files: Mapping[str, str | bytes], limits: Limits) -> None:
        """`replace`, with nothing left of what ran before."""

    async def read(self, path: str) -> str:
        """The text of a file; empty where there is none."""

    async def run_calls(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        """Run foreign code case by case, in a fresh process; see calltests.py, stdiotests.py."""


class LocalBench:
    """The workspace of a local sandbox."""

    def __init__(self, runtime: LocalRuntime, root: str, libraries: str) -> None:
        self._runtime, self.root, self.libraries = runtime, root, libraries

    async def renew(self, files: Mapping[str, str | bytes], limits: Limits) -> None:
        await self._runtime.renew(limits.file_mb)
        await self._runtime.write_files(files)

    async def replace(self, files: Mapping[str, str | bytes]) -> None:
        await self._runtime.replace_files(files)

    async def read_all(self) -> dict[str, bytes]:
        return await self._runtime.read_files()

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
        except OSError:
            return ""
        return str(answer.content)

    async def run_calls(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        return await self._runtime.run_calls(request, limits)


class RexBench:
    """A folder of its own in any runtime, whose machine needs sh, timeout, tar and python3."""

    def __init__(self, runtime: AbstractRuntime) -> None:
        self._runtime = runtime
        self.root = f"/tmp/hrmgym-{secrets.token_hex(8)}"
        self.libraries = ""

    async def replace(self, files: Mapping[str, str | bytes]) -> None:
        new = f"{self.root}.new"  # an upload onto a folder that exists is not defined
        await self._upload(files, new)
        await self._sh(
            f"mkdir -p {self.root} {new} && find {self.root} -mindepth 1 -delete && "
            f"cp -a {new}/. {self.root}/ && rm -rf {new}"
        )

    async def renew(self, files: Mapping[str, str | bytes], limits: Limits) -> None:
        await self.replace(files)

    async def _upload(self, files: Mapping[str, str | bytes], target: str) -> None:
        with tempfile.TemporaryDirectory(prefix="hrmgym-") as folder:
            top = Path(folder) / "files"
            top.mkdir()
            for name, text in files.items():
                path = top / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(
                    text.encode(errors="surrogateescape") if isinstance(text, str) else text
                )
            await self._runtime.upload(UploadRequest(source_path=str(top), target_path=target))

    async def _sh(self, script: str, timeout: float = 60.0) -> str:
        command = Command(command=["/bin/sh", "-c", script], timeout=timeout)
        done = await self._runtime.execute(command)
        if done.exit_code != 0:
            raise SandboxError(f"{script[:80]!r} failed in the sandbox: {done.stderr.strip()}")
        return str(done.stdout)

    async def read_all(self) -> dict[str, bytes]:
        text = await self._sh(f"tar -C {self.root} -cf - . | base64")
        data = base64.b64decode(text)
        if len(data) > 2 * MOST_BYTES:
            raise SandboxError("the workspace is too large to read")
        found = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                if file is not None:
                    found[member.name.removeprefix("./")] = file.read()
        return dict(sorted(found.items()))

    async def run(
        self, argv: Sequence[str], limits: Limits, env: Mapping[str, str] | None = None
    ) -> Ran:
        start = time.monotonic()
        cpu_s = max(1, math.ceil(limits.cpu_s))
        limited = (
            f"ulimit -c 0; ulimit -St {cpu_s}; ulimit -Ht {cpu_s + 1}; "
            f"ulimit -v {limits.memory_mb * 1024}; ulimit -f {limits.file_mb * 2048}; "
            f'cd {self.root} && exec timeout -s KILL {limits.wall_s} "$@" 2>&1'
        )
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        command = Command(
            command=["env", *variables, "/bin/sh", "-c", limited, "sh", *argv],
            timeout=limits.wall_s + 30,
        )
        try:
            done = await self._runtime.execute(command)
        except CommandTimeoutError:
            return Ran("", None, 0.0, time.monotonic() - start)
        wall_s = time.monotonic() - start
        killed = done.exit_code in (-9, 137) and wall_s >= limits.wall_s
        output = done.stdout[: limits.output_kb * 1024]
        return Ran(output, None if killed else done.exit_code, 0.0, wall_s)

    async def read(self, path: str) -> str:
        return await self._sh(f"cat {shlex.quote(path)} 2>/dev/null || true")

    async def run_calls(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        here = Path(__file__).parent
        program = {
            f"hrmgym/envs/sandboxes/{name}.py": (here / f"{name}.py").read_text()
            for name in _RUN_MODULES
        }
        program["request.json"] = json.dumps(request)
        await self.replace(program)
        variables = f"PYTHONHASHSEED=0 PYTHONPATH={self.root}"
        start = f"{variables} python3 -s -S -B -m hrmgym.envs.sandboxes.runs request.json"
        try:
            text = await self._sh(f"cd {self.root} && {start}", limits.wall_s + 30)
            answer = json.loads(text)
            return calltests.Reply(
                answer["lines"].encode(), answer["status"], answer["cpu_s"], answer["wall_s"]
            )
        except (ValueError, KeyError, AttributeError) as error:
            raise SandboxError(f"a run of calls gave an unreadable answer: {error}") from None
        finally:
            await self.remove()

    async def remove(self) -> None:
        """Remove the folder."""
        await self._sh(f"rm -rf {self.root} {self.root}.new")


async def open_bench(runtime: AbstractRuntime) -> LocalBench | RexBench:
    """The bench of a runtime. It belongs to the caller alone."""
    if isinstance(runtime, LocalRuntime):
        guest = await runtime.ready()
        return LocalBench(runtime, guest.workspace, guest.libraries)
    bench = RexBench(runtime)
    await bench.replace({})
    return bench
