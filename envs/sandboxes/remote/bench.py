"""A folder in a machine that SWE-ReX reaches: see `hrmgym.envs.sandboxes.bench.Bench`.

It needs nothing of SWE-ReX but that it runs programs and uploads files.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from swerex.runtime.abstract import AbstractRuntime

from hrmgym.envs import blobs
from hrmgym.envs.blobs import Blob, Change
from hrmgym.envs.sandboxes.bench import Ran, as_bytes, raise_own, telling_unfit
from hrmgym.envs.sandboxes.executor import MOST_BYTES, WorkspaceTooLargeError
from hrmgym.envs.sandboxes.failures import GuestDied
from hrmgym.envs.sandboxes.local.runtime import SESSION_LIMITS
from hrmgym.envs.sandboxes.remote.rex_link import RexLink
from hrmgym.envs.sandboxes.streams import text_of
from hrmgym.envs.sandboxes.verdicts import calltests
from hrmgym.envs.task import Limits
from hrmgym.envs.workspace import Base, Files
from hrmgym.errors import SandboxError


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

    apart = None

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
        """Make the folder hold `files` and nothing else."""
        await self.replace_tree(_tree(files))

    async def read_all(self) -> dict[str, bytes]:
        """Every regular file in the folder, links not followed."""
        tree = await self.read_tree()
        return {path: entry.data for path, entry in sorted(tree.items()) if entry.kind == "f"}

    async def renew(self, files: Mapping[str, str | bytes], limits: Limits) -> None:
        with telling_unfit(files, limits):
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
            raise_own(error)
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


def _tree(files: Mapping[str, str | bytes]) -> dict[str, Entry]:
    return {path: Entry("f", as_bytes(text)) for path, text in files.items()}


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
