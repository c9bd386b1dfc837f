"""The host's side of a workspace in a guest: what it holds, and making it hold something else."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

from hrmgym.envs.blobs import FILE, Blob, Change, Entry
from hrmgym.envs.sandboxes.executor import MOST_BYTES, WorkspaceTooLargeError
from hrmgym.envs.sandboxes.failures import GuestBroken
from hrmgym.envs.sandboxes.local.link import Guest
from hrmgym.envs.workspace import EMPTY, Base, Files
from hrmgym.errors import SandboxError

#: Contents that host and guest both keep so that they are sent once; then both start anew.
_SHARED_BYTES = 32 << 20
#: Smaller bases are told file by file, so that going from one to another needs no new mount.
_SMALL_FILES, _SMALL_BYTES = 64, 1 << 20
_UNKNOWN = "?"


class GuestWorkspace:
    """The workspace of one guest. One method may run at a time."""

    def __init__(self, guest: Guest, file_mb: int) -> None:
        self.guest = guest
        self._file_mb = file_mb
        self._below = ""  # the base that the guest tells changes by: of its own id, or none
        self._base = EMPTY
        self._shared: dict[str, Blob] = {}
        self._shared_bytes = 0

    def needs_new_mount(self, files: Files) -> bool:
        """Whether `restore` cannot keep the mount that running shells see."""
        return self._name(files.base) != self._below

    @staticmethod
    def _name(base: Base) -> str:
        if base.is_small(_SMALL_FILES, _SMALL_BYTES):
            return ""
        return base.id

    async def restore(self, files: Files, *, anew: bool = False) -> None:
        """Make the workspace hold `files` and nothing else, and empty the guest's /tmp.

        Only what differs is touched: other files keep their times. With `anew`, or where
        `needs_new_mount`, running shells do not see it.

        Raises:
            OSError: What a file operation said.
            GuestDied: There is no guest.
        """
        name = self._name(files.base)
        changes: Mapping[str, Change] = files.changes if name else files.entries()
        request = self._request("reset")
        request |= {"base": name, "anew": anew, "changes": _told(changes)}
        blobs = self._send(changes)
        request["blobs"] = [(blob.id, len(blob.data)) for blob in blobs]
        data = b"".join(blob.data for blob in blobs)
        self._below = _UNKNOWN  # until it is done
        reply, _ = await self.guest.request(request, data)
        if reply.get("need"):
            await self._send_base(files.base)
            again = request | {"forget": False, "blobs": []}
            await self.guest.request(again)
        self._below, self._base = name, files.base

    async def save(self, *, quiet: bool) -> Files:
        """What the workspace holds, as changes of the base that was restored last.

        Args:
            quiet: Whether nothing can be writing; then what was read before need not be read again.

        Raises:
            WorkspaceTooLargeError: The changes hold more than `MOST_BYTES`, or are too many.
            SandboxError: The workspace cannot be read.
            GuestDied: There is no guest.
        """
        if self._below == _UNKNOWN:
            raise SandboxError("the workspace holds half of a state, for the last one did not fit")
        request = self._request("look") | {"quiet": quiet}
        try:
            reply, data = await self.guest.request(request)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise WorkspaceTooLargeError(f"the workspace holds {error.strerror}") from None
            raise SandboxError(f"the workspace cannot be read: {error.strerror}") from None
        start = 0
        for name, size in reply["blobs"]:
            blob = Blob.of(data[start : start + size])
            start += size
            if blob.id != name:
                raise GuestBroken("the sandbox has sent another content than it says")
            self._share(blob)
        changes = {path: self._entry(told) for path, told in reply["changes"].items()}
        files = self._base.files
        if self._below:
            return files.changed(changes)
        return files.changed({**dict.fromkeys(self._base.entries), **changes})

    def _request(self, op: str) -> dict[str, Any]:
        forget = self._shared_bytes > _SHARED_BYTES
        if forget:
            self._shared, self._shared_bytes = {}, 0
        return {"op": op, "forget": forget, "most": MOST_BYTES, "file_mb": self._file_mb}

    def _send(self, changes: Mapping[str, Change]) -> list[Blob]:
        """The contents among these changes that the guest lacks; it has them from now on."""
        found = []
        for entry in changes.values():
            if entry is not None and isinstance(entry.content, Blob) and self._share(entry.content):
                found.append(entry.content)
        return found

    def _share(self, blob: Blob) -> bool:
        if blob.id in self._shared:
            return False
        self._shared[blob.id] = blob
        self._shared_bytes += len(blob.data)
        return True

    def _entry(self, told: list[Any] | None) -> Change:
        if told is None:
            return None
        kind, mode, what = told
        return Entry(kind, mode, self._shared[what] if kind == FILE else what)

    async def _send_base(self, base: Base) -> None:
        entries = [(path, *_tell(entry)) for path, entry in base.entries.items()]
        contents = (entry.content for entry in base.entries.values())
        blobs = list({blob.id: blob for blob in contents if isinstance(blob, Blob)}.values())
        await self.guest.request(
            {
                "op": "base",
                "base": base.id,
                "file_mb": self._file_mb,
                "entries": entries,
                "blobs": [(blob.id, len(blob.data)) for blob in blobs],
            },
            b"".join(blob.data for blob in blobs),
        )


def _tell(entry: Entry) -> tuple[str, int, str]:
    content = entry.content
    return entry.kind, entry.mode, content.id if isinstance(content, Blob) else content


def _told(changes: Mapping[str, Change]) -> dict[str, tuple[str, int, str] | None]:
    return {path: None if entry is None else _tell(entry) for path, entry in changes.items()}
