"""File operations in a machine that SWE-ReX reaches. They run with the permissions of foreign code,
and do not trust what it left. Standard library only."""

# The guest starts faster without pathlib.
# ruff: noqa: PTH103, PTH115, PTH118, PTH120, PTH123, PTH208, PTH211
from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from typing import Any

from hrmgym.envs.sandboxes.inside import wire
from hrmgym.envs.sandboxes.remote.rex_place import Place, Reply, remove

_MOST_FILES = 20_000


def _as_foreign(place: Place, act: Callable[[], Reply]) -> Reply:
    """Do file operations with foreign code's permissions: the workspace may hold any trap."""
    if place.user is None:
        return act()
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(out)
            place.drop_user()
            try:
                header, blob = act()
            except OSError as error:
                header, blob = {"error": error.strerror, "errno": error.errno or 5}, b""
            with open(into, "wb") as file:
                file.write(wire.pack(header, blob))
        finally:
            os._exit(0)
    os.close(into)
    with open(out, "rb") as file:
        data = file.read()
    os.waitpid(child, 0)
    text, size = wire.lengths(data[: wire.HEAD.size])
    end = wire.HEAD.size + text
    return json.loads(data[wire.HEAD.size : end]), data[end : end + size]


def fresh(place: Place, request: dict[str, Any], blob: bytes) -> Reply:
    place.sweep()
    return replace(place, request, blob)


def replace(place: Place, request: dict[str, Any], blob: bytes) -> Reply:
    """Make the workspace hold the entries of `files`, (path, kind, mode, size), and nothing else.

    Kinds: "f" file, "l" link (its content is the target), "d" folder. `blob` has the contents.
    """

    def act() -> Reply:
        for name in os.listdir(place.workspace):
            remove(os.path.join(place.workspace, name))
        start = 0
        for path, kind, mode, size in request["files"]:
            _make(os.path.join(place.workspace, path), kind, mode, blob[start : start + size])
            start += size
        return {}, b""

    return _as_foreign(place, act)


def _make(path: str, kind: str, mode: int, data: bytes) -> None:
    if kind == "d":
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if kind == "l":
        os.symlink(data, os.fsencode(path))
        return
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:
        os.fchmod(fd, mode & 0o777)
        file.write(data)


def archive(place: Place, request: dict[str, Any], blob: bytes) -> Reply:
    """Everything in the workspace, as `_replace` takes it, up to `most` bytes; `cut`: or not."""

    def act() -> Reply:
        entries: list[tuple[str, str, int, int]] = []
        data = bytearray()
        folders = [""]
        while folders:
            folder = folders.pop()
            for name in sorted(os.listdir(os.path.join(place.workspace, folder))):
                path = f"{folder}/{name}" if folder else name
                full = os.path.join(place.workspace, path)
                try:
                    kind, mode, content = _take(full, request["most"] - len(data) + 1)
                except OSError:
                    continue  # not ours to read, or gone
                if kind == "d":
                    folders.append(path)
                if kind:
                    entries.append((path, kind, mode, len(content)))
                    data += content
                if len(data) > request["most"] or len(entries) > _MOST_FILES:
                    return {"files": [], "cut": True}, b""
        return {"files": entries, "cut": False}, bytes(data)

    return _as_foreign(place, act)


def _take(path: str, most: int) -> tuple[str, int, bytes]:
    """Kind, mode and content of a path; no kind for what is neither file, folder nor link."""
    held = os.lstat(path)
    mode = stat.S_IMODE(held.st_mode) & 0o777
    if stat.S_ISLNK(held.st_mode):
        return "l", mode, os.readlink(os.fsencode(path))
    if stat.S_ISDIR(held.st_mode):
        os.scandir(path).close()  # may it be read?
        return "d", mode, b""
    if not stat.S_ISREG(held.st_mode):
        return "", 0, b""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return "", 0, b""
        return "f", mode, file.read(most)


def read(place: Place, request: dict[str, Any], blob: bytes) -> Reply:
    """The first `most` bytes of a file."""

    def act() -> Reply:
        kind, _, data = _take(os.path.join(place.workspace, request["path"]), request["most"])
        if kind != "f":
            raise OSError(22, "not a regular file")
        return {}, data

    return _as_foreign(place, act)
