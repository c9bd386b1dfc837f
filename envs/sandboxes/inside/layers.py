"""The workspace of a guest, as changes of a base. Runs inside the sandbox only.

A large base lies below an overlay whose upper layer holds what has changed, so that reading and
restoring a state cost as much as there are changes. Where no overlay can be mounted, and for small
trees, the whole workspace is looked at. Both give the same answers. Standard library only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH102
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from hrmgym.envs.sandboxes.confinement import isolation
from hrmgym.envs.sandboxes.inside import files, trees

Reply = tuple[dict[str, Any], bytes]
_MOST_BASES = 4
_FLAGS = isolation.MS_NOSUID | isolation.MS_NODEV
#: What an overlay of another user namespace may and may not do, see the kernel's overlayfs.rst.
_OVERLAY = "lowerdir=base/{},upperdir=layer/upper,workdir=layer/work,userxattr,index=off"


class Layers:
    """Answers the requests `base`, `look` and `reset`.

    Args:
        root: The workspace.
        temporary: The folder for temporary files, which a `reset` empties.
        as_foreign: A context that has the file permissions of foreign code.
        renew: Mounts an empty workspace of so many MiB; None where this process may not mount.
        owner: User and group that foreign code has, where they are not this process's own.
    """

    def __init__(
        self,
        root: str,
        temporary: str,
        *,
        as_foreign: Callable[[], AbstractContextManager[None]],
        renew: Callable[[int], None] | None,
        owner: int | None,
    ) -> None:
        self._root, self._temporary = root, temporary
        self._as_foreign, self._renew, self._owner = as_foreign, renew, owner
        self._can_layer = renew is not None
        self._layered = False  # whether the workspace is an overlay
        self._bases: dict[str, trees.Base] = {"": trees.Base({})}
        self._below: dict[str, dict[str, bytes]] = {"": {}}  # contents that no lower layer holds
        self._base = ""
        self._reader = trees.Reader()
        self._contents: dict[str, bytes] = {}  # what host and guest both have

    # --- requests --------------------------------------------------------------------------------

    def add_base(self, request: dict[str, Any], blob: bytes) -> Reply:
        """Keep a base: `entries` lists (path, kind, mode, content), `blobs` (hash, size)."""
        name = request["base"]
        entries = {path: (kind, mode, what) for path, kind, mode, what in request["entries"]}
        contents = dict(_cut(request["blobs"], blob))
        others = [old for old in self._bases if old not in ("", self._base)]
        for old in others[: max(0, len(others) - _MOST_BASES)]:
            del self._bases[old]
            if old not in self._below:
                files.remove(f"base/{old}")
            self._below.pop(old, None)
        if self._can_layer and not self._layered:
            self._prepare(request["file_mb"])
        if self._layered:
            self._make_folder(f"base/{name}")
            with self._as_foreign():
                trees.build(f"base/{name}", entries, lambda path, what: contents[what])
        else:
            self._below[name] = contents
        self._bases[name] = trees.Base(entries)
        return {}, b""

    def look(self, request: dict[str, Any], blob: bytes) -> Reply:
        """The changes of the base that are there, with the contents that the host lacks."""
        self._agree(request, b"")
        now = self._now(request["most"], quiet=request["quiet"])
        changes: trees.Changes = {}
        told, parts = [], []
        for path, entry in now.items():
            if entry is not None:  # set-id and sticky bits do not count, special files are nothing
                kind, mode, what = entry
                entry = None if kind == trees.SPECIAL else (kind, mode & 0o777, what)
            if self._at.entries.get(path) == entry:
                continue
            changes[path] = entry
            if entry is None or entry[0] != trees.FILE or entry[2] in self._contents:
                continue
            data = self._reader.contents.get(entry[2])
            if data is None:
                with self._as_foreign():
                    data = trees.content_of(f"{self._root}/{path}")
                if trees.hash_of(data) != entry[2]:
                    raise OSError(16, "a file has changed while it was read", path)
            self._contents[entry[2]] = data
            told.append((entry[2], len(data)))
            parts.append(data)
        self._reader.contents = {}
        return {"base": self._base, "changes": changes, "blobs": told}, b"".join(parts)

    def reset(self, request: dict[str, Any], blob: bytes) -> Reply:
        """Make the workspace hold `changes` of `base`, and nothing else; empty what is temporary.

        With `anew`, or where the base changes, the workspace is mounted anew: programs that run
        then still see the old one. The reply's `need` says that the base is not here.
        """
        self._agree(request, blob)
        name = request["base"]
        if name not in self._bases:
            return {"need": True}, b""
        with self._as_foreign():
            files.wipe(self._temporary)
        wanted: trees.Changes = {}
        for path, entry in request["changes"].items():
            wanted[path] = None if entry is None else (entry[0], entry[1], entry[2])
        if name != self._base or request["anew"]:
            now = self._begin(name, request["file_mb"])
        else:
            now = self._now(request["most"], quiet=True)
        with self._as_foreign():
            trees.morph(self._root, self._at, now, wanted, self._content)
        return {}, b""

    def forget(self) -> None:
        """Give up the workspace, whose mount is about to be replaced."""
        if self._layered:
            os.chdir("/")
            isolation.unmount(self._root)
        self._layered, self._base = False, ""
        self._bases, self._below = {"": trees.Base({})}, {"": {}}

    # --- parts -----------------------------------------------------------------------------------

    @property
    def _at(self) -> trees.Base:
        return self._bases[self._base]

    def _agree(self, request: dict[str, Any], blob: bytes) -> None:
        """Keep what the host has sent, after forgetting what it has forgotten."""
        if request["forget"]:
            self._contents.clear()
        self._contents.update(_cut(request.get("blobs", ()), blob))

    def _now(self, most: int, *, quiet: bool) -> trees.Changes:
        self._reader.most = most
        with self._as_foreign():
            if self._layered:
                found = self._reader.read("layer/upper", quiet=quiet, whiteouts=True)
                return self._at.changes_of_layer(*found)
            entries, _, _ = self._reader.read(self._root, quiet=quiet)
            return self._at.changes(entries)

    def _content(self, path: str, name: str) -> bytes:
        """A content that a state needs at a path."""
        if name in self._contents:
            return self._contents[name]
        if self._base in self._below:
            return self._below[self._base][name]
        return trees.content_of(f"base/{self._base}/{path}")

    # --- mounts ----------------------------------------------------------------------------------

    def _begin(self, name: str, size_mb: int) -> trees.Changes:
        """An empty workspace over a base; what of the base is not there yet."""
        self._base = name
        if self._layered:
            isolation.unmount(self._root)
            isolation.unmount("layer")
            self._mount(name, size_mb)
            return {}
        if self._renew is not None:
            self._renew(size_mb)
        else:
            files.wipe(self._root)
        return dict.fromkeys(self._at.entries)

    def _prepare(self, size_mb: int) -> None:
        """Make the workspace an overlay, if the kernel can.

        Bases and the upper layer lie in a folder at the workspace's own place: with an overlay
        mounted over it no path leads there, and this process stands in it.
        """
        isolation.unmount(self._root)
        isolation.mount("tmpfs", self._root, "tmpfs", _FLAGS, "size=1m,mode=0755")
        os.chdir(self._root)
        for folder in ("base", "layer"):
            os.mkdir(folder)
        isolation.mount("tmpfs", "base", "tmpfs", _FLAGS, "mode=0755")
        self._make_folder("base/none")
        try:
            os.setxattr("base", "user.hrmgym", b"")  # a tmpfs could not before Linux 6.6
            self._mount("", size_mb)
            self._layered = True
        except OSError:
            os.chdir("/")
            isolation.unmount(self._root)
            isolation.mount("tmpfs", self._root, "tmpfs", _FLAGS, "mode=0755")
            assert self._renew is not None
            self._renew(size_mb)
            self._can_layer = False

    def _mount(self, name: str, size_mb: int) -> None:
        """A fresh upper layer, and the overlay over it."""
        isolation.mount(
            "tmpfs", "layer", "tmpfs", _FLAGS, f"size={size_mb}m,nr_inodes=65536,mode=0755"
        )
        self._make_folder("layer/upper")
        os.mkdir("layer/work")
        isolation.mount("overlay", self._root, "overlay", _FLAGS, _OVERLAY.format(name or "none"))

    def _make_folder(self, path: str) -> None:
        os.mkdir(path, 0o755)
        if self._owner is not None:
            os.chown(path, self._owner, self._owner)


def _cut(sizes: Iterable[tuple[str, int]], blob: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, content) from the sizes of contents that lie one behind the other."""
    start = 0
    for name, size in sizes:
        yield name, blob[start : start + size]
        start += size
