"""A folder of files and the programs that run in it, in any SWE-ReX runtime.

`Bench` is what test runs and workspaces need. `LocalBench` is the short way for local sandboxes,
`RexBench` needs nothing of SWE-ReX but that it runs programs and uploads files.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from swerex.runtime.abstract import AbstractRuntime, Command, ReadFileRequest

from hrmgym.envs import blobs
from hrmgym.envs.blobs import Blob, Change
from hrmgym.envs.outcome import FailureCode
from hrmgym.envs.sandboxes import failures
from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.inside.files import is_own_fault
from hrmgym.envs.sandboxes.local.link import GuestDied
from hrmgym.envs.sandboxes.local.runtime import SESSION_LIMITS, LocalRuntime
from hrmgym.envs.sandboxes.local.saving import MOST_BYTES, Changed, WorkspaceTooLargeError
from hrmgym.envs.sandboxes.remote.rex_link import RexLink
from hrmgym.envs.sandboxes.streams import text_of
from hrmgym.envs.sandboxes.verdicts import aparttests, calltests
from hrmgym.envs.task import Limits
from hrmgym.envs.workspace import Base, Files
from hrmgym.errors import SandboxError


class FilesUnfitError(ValueError):
    """A workspace cannot hold these files, because of their names or their size."""


@contextmanager
def _telling_unfit(files: Mapping[str, str | bytes], limits: Limits) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        sizes = [len(_bytes(text)) for text in files.values()]
        if not is_own_fault(error, sizes, limits.file_mb):
            raise
        raise FilesUnfitError(f"the files cannot be written: {error.strerror}") from None


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
        """`replace`, with nothing left of what ran before; with links, folders and permissions
        where `files` tells of them.

        Raises:
            FilesUnfitError: The files do not fit the folder.
        """

    async def read(self, path: str) -> str:
        """The text of a file; empty where there is none that can be read.

        Raises:
            OSError: It could not be read for want of something on our side.
        """

    async def run_calls(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        """Run foreign code case by case, in a fresh process; see calltests.py, stdiotests.py."""


class LocalBench:
    """The workspace of a local sandbox."""

    def __init__(self, runtime: LocalRuntime, root: str, libraries: str) -> None:
        self._runtime, self.root, self.libraries = runtime, root, libraries

    async def renew(self, files: Mapping[str, str | bytes], limits: Limits) -> None:
        await self._runtime.renew(limits.file_mb)
        with _telling_unfit(files, limits):
            if isinstance(files, Files):
                await self._runtime.lay_out(files, limits.file_mb)
            else:
                await self._runtime.write_files(files)

    async def replace(self, files: Mapping[str, str | bytes]) -> None:
        await self._runtime.replace_files(files)

    async def read_all(self) -> dict[str, bytes]:
        return await self._runtime.read_files()

    async def save(self) -> Files:
        """See `LocalRuntime.save`."""
        return await self._runtime.save()

    async def restore(self, files: Files) -> None:
        """See `LocalRuntime.restore`."""
        await self._runtime.restore(files)

    async def change(self, files: Files, command: str, timeout_s: float) -> Changed:
        """See `LocalRuntime.change`."""
        return await self._runtime.change(files, command, timeout_s)

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
            _raise_own(error)
            return ""
        return str(answer.content)

    async def run_calls(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        return await self._runtime.run_calls(request, limits)

    async def run_apart(
        self, plan: aparttests.Plan, files: Mapping[str, str], limits: Limits
    ) -> aparttests.Reply:
        """See `LocalRuntime.run_apart`."""
        return await self._runtime.run_apart(plan, files, limits)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a path of a tree is."""

    kind: Literal["f", "l", "d"]
    """File, symbolic link, or folder."""
    data: bytes = b""
    """Content; of a link, its target."""
    mode: int = 0o644


class RexBench:
    """A folder of its own in a machine that SWE-ReX reaches, which needs python3, and bash for
    commands.

    Foreign code there is kept by a guest of ours (see rex_guest.py): nothing of a run outlives it,
    limits on each process, output and time hold, and where the guest is root, foreign code is
    another user. The machine itself, a container for instance, is what isolates: foreign code can
    read its files and use its network.
    """

    def __init__(self, runtime: AbstractRuntime) -> None:
        self._link = RexLink(runtime)
        self.root = self._link.workspace
        self.libraries = ""
        self._shell = ""

    async def replace_tree(self, tree: Mapping[str, Entry]) -> None:
        """Make the folder hold `tree` and nothing else. Folders of its paths need no entry."""
        await self._send("replace", tree)

    async def _send(self, op: str, tree: Mapping[str, Entry]) -> None:
        listed = [(path, e.kind, e.mode, len(e.data)) for path, e in tree.items()]
        await self._link.ask(op, {"files": listed}, b"".join(e.data for e in tree.values()))

    async def read_tree(self, most: int = MOST_BYTES) -> dict[str, Entry]:
        """Everything in the folder: files, links as links, folders; in no order.

        Raises:
            WorkspaceTooLargeError: Together they are larger than `most` bytes, or too many.
        """
        header, data = await self._link.ask("archive", {"most": most}, limit_s=300.0)
        if header["cut"]:
            raise WorkspaceTooLargeError(f"the workspace holds {header['cut']}")
        tree, start = {}, 0
        for path, kind, mode, size in header["files"]:
            tree[path] = Entry(kind, data[start : start + size], mode)
            start += size
        return tree

    async def replace(self, files: Mapping[str, str | bytes]) -> None:
        await self.replace_tree(_tree(files))

    async def read_all(self) -> dict[str, bytes]:
        tree = await self.read_tree()
        return {path: entry.data for path, entry in sorted(tree.items()) if entry.kind == "f"}

    async def renew(self, files: Mapping[str, str | bytes], limits: Limits) -> None:
        with _telling_unfit(files, limits):
            tree = tree_of(files) if isinstance(files, Files) else _tree(files)
            await self._send("fresh", tree)

    async def run(
        self, argv: Sequence[str], limits: Limits, env: Mapping[str, str] | None = None
    ) -> Ran:
        header = {"argv": list(argv), "limits": asdict(limits), "env": dict(env or {})}
        reply, output = await self._link.ask("run", header, limit_s=limits.wall_s)
        return Ran(text_of(output), reply["status"], reply["cpu_s"], reply["wall_s"])

    async def read(self, path: str) -> str:
        try:
            _, data = await self._link.ask("read", {"path": path, "most": MOST_BYTES})
        except OSError as error:
            _raise_own(error)
            return ""
        return data.decode(errors="replace")

    async def run_calls(self, request: Mapping[str, Any], limits: Limits) -> calltests.Reply:
        reply, lines = await self._link.ask(
            "calls", {"calls": dict(request)}, limit_s=limits.wall_s
        )
        return calltests.Reply(lines, reply["status"], reply["cpu_s"], reply["wall_s"])

    async def run_command(
        self, command: str, timeout_s: float, *, alone: bool = False
    ) -> tuple[str, int]:
        """Run a bash command in this bench's session; see `Sandbox.run_command`.

        With `alone`, what the session's commands have started is killed afterwards.
        """
        if "\0" in command:
            raise ValueError("a command cannot hold a NUL character")
        if not self._shell:
            name = f"shell-{secrets.token_hex(4)}"
            header = {"name": name, "limits": asdict(SESSION_LIMITS)}
            reply, _ = await self._link.ask("shell", header)
            if not reply["alive"]:
                raise SandboxError("bash does not start in the sandbox's machine or image")
            self._shell = name
        try:
            reply, output = await self._link.ask(
                "command",
                {"command": command, "timeout_s": timeout_s, "alone": alone},
                limit_s=timeout_s,
                at=self._shell,
            )
        except GuestDied:
            self._shell = ""
            raise
        if not reply["alive"]:  # the next command starts another one
            self._shell = ""
        return text_of(output), reply["code"]

    async def remove(self) -> None:
        """End the guest and remove the folder."""
        await self._link.stop()


def _raise_own(error: OSError) -> None:
    """Raise what does not say something of a file, which foreign code may have spoilt."""
    if failures.code_of(error) is not FailureCode.INTERNAL:
        raise error


def _bytes(text: str | bytes) -> bytes:
    return text.encode(errors="surrogateescape") if isinstance(text, str) else text


def _tree(files: Mapping[str, str | bytes]) -> dict[str, Entry]:
    return {path: Entry("f", _bytes(text)) for path, text in files.items()}


_KINDS: dict[str, Literal["f", "l", "d"]] = {"f": "f", "l": "l", "d": "d"}


def tree_of(files: Files) -> dict[str, Entry]:
    """Everything that `files` tells of, folders before what they hold."""
    tree = {}
    for path, entry in sorted(files.entries().items()):
        content = entry.content
        data = content.data if isinstance(content, Blob) else os.fsencode(content)
        tree[path] = Entry(_KINDS[entry.kind], data, entry.mode)
    return tree


def files_of(tree: Mapping[str, Entry], base: Base) -> Files:
    """A tree as changes of a base."""
    whole: dict[str, Change] = dict.fromkeys(base.entries)
    for path, entry in tree.items():
        if entry.kind == "f":
            whole[path] = blobs.Entry("f", entry.mode, Blob.of(entry.data))
        elif entry.kind == "l":
            whole[path] = blobs.Entry("l", 0, os.fsdecode(entry.data))
        else:
            whole[path] = blobs.Entry("d", entry.mode)
    return base.files.changed(whole)


async def open_bench(runtime: AbstractRuntime) -> LocalBench | RexBench:
    """The bench of a runtime. It belongs to the caller alone."""
    if isinstance(runtime, LocalRuntime):
        if runtime.isolated:  # no need to start a guest that tests may never use
            return LocalBench(runtime, isolation.WORKSPACE, f"{isolation.TOOLS}/lib")
        guest = await runtime.ready()
        return LocalBench(runtime, guest.workspace, guest.libraries)
    return RexBench(runtime)
