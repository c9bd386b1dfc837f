"""File operations in a machine that SWE-ReX reaches. They run with the permissions of foreign code,
and do not trust what it left. Standard library only."""

# The guest starts faster without pathlib.
# ruff: noqa: PTH101, PTH120, PTH123
from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from hrmgym.envs.sandboxes.inside import files, trees, wire
from hrmgym.envs.sandboxes.remote.rex_place import Place, Reply


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
        os.chmod(place.workspace, 0o700)
        files.wipe(place.workspace)
        entries: dict[str, trees.Entry] = {}
        contents: dict[str, bytes] = {}
        start = 0
        for path, kind, mode, size in request["files"]:
            contents[path] = data = blob[start : start + size]
            start += size
            what = os.fsdecode(data) if kind == trees.LINK else ""
            entries[path] = (kind, mode & 0o777, what)
        for path in contents:
            above = os.path.dirname(path)
            while above:
                entries.setdefault(above, (trees.FOLDER, 0o755, ""))
                above = os.path.dirname(above)
        trees.build(place.workspace, entries, lambda path, _: contents[path])
        os.chmod(place.workspace, 0o700)
        return {}, b""

    return _as_foreign(place, act)


def archive(place: Place, request: dict[str, Any], blob: bytes) -> Reply:
    """Everything in the workspace, as `replace` takes it; `cut` says why it cannot be told."""

    def act() -> Reply:
        reader = trees.Reader()
        reader.most = request["most"]
        for left in (2, 1, 0):
            try:
                entries, _, _ = reader.read(place.workspace, quiet=False)
                break
            except trees.TooLarge as error:
                return {"files": [], "cut": error.strerror}, b""
            except OSError as error:  # something in there still writes
                if not left:
                    return {"files": [], "cut": f"what cannot be read: {error.strerror}"}, b""
        told, data = [], bytearray()
        for path, (kind, mode, what) in entries.items():
            if kind == trees.SPECIAL:
                continue
            mode = 0o777 if kind == trees.LINK else mode & 0o777
            content = reader.contents[what] if kind == trees.FILE else os.fsencode(what)
            told.append((path, kind, mode, len(content)))
            data += content
        return {"files": told, "cut": ""}, bytes(data)

    return _as_foreign(place, act)


def read(place: Place, request: dict[str, Any], blob: bytes) -> Reply:
    """The first `most` bytes of a file."""
    return _as_foreign(place, lambda: files.read(place.workspace, request, blob))
