"""File operations inside a sandbox. They run with the permissions of foreign code, and do not
trust what it left: links, pipes without a writer, endless trees. Standard library only."""

# The guest starts faster without pathlib.
# ruff: noqa: PTH101, PTH103, PTH104, PTH106, PTH108, PTH118, PTH120, PTH208
from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterable
from typing import Any

Reply = tuple[dict[str, Any], bytes]
_MOVED = ".hrmgym-moved-"
_PAGE, _MOST_FILES = 4096, 30_000
_OWN_FAULT = (
    *(errno.ENAMETOOLONG, errno.EINVAL, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
    *(errno.ENOENT, errno.ELOOP, errno.EFBIG),
)


def is_own_fault(error: OSError, sizes: Iterable[int], most_mb: int) -> bool:
    """Whether files could not be written because of what they are: names, number or size.

    Args:
        error: What the system said.
        sizes: Bytes of each file.
        most_mb: MiB that there are for them.
    """
    if error.errno != errno.ENOSPC:
        return error.errno in _OWN_FAULT
    # Whole pages are taken up, and one for each folder; there are 65,536 files at most.
    needed = [-(-size // _PAGE) + 1 for size in sizes]
    return sum(needed) * _PAGE > most_mb << 20 or len(needed) > _MOST_FILES


def write(root: str, request: dict[str, Any], blob: bytes) -> Reply:
    """Write files: `files` lists (path, size, mode), and the blob is their contents, in order."""
    start = 0
    for path, size, mode in request["files"]:
        _write(os.path.join(root, path), blob[start : start + size], mode)
        start += size
    return {}, b""


def _write(path: str, data: bytes, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, 0o644)
    try:
        _require_regular(fd)
        os.ftruncate(fd, 0)
        os.fchmod(fd, mode)
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)


def read(root: str, request: dict[str, Any], blob: bytes) -> Reply:
    """The first `most` bytes of the file `path`."""
    fd = os.open(os.path.join(root, request["path"]), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        return {}, _read(fd, request["most"])
    finally:
        os.close(fd)


def _require_regular(fd: int) -> None:
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "Is a directory")
    if not stat.S_ISREG(mode):
        raise OSError(22, "not a regular file")


def _read(fd: int, most: int) -> bytes:
    _require_regular(fd)
    data = bytearray()
    while len(data) < most and (chunk := os.read(fd, min(most - len(data), 1 << 20))):
        data += chunk
    return bytes(data)


def read_all(root: str, request: dict[str, Any], blob: bytes) -> Reply:
    """Every regular file below the root, links not followed, up to `most` bytes together.

    The reply's `files` is a list of (path, size); `cut` says whether something was left out.
    """
    found: list[tuple[str, int]] = []
    data = bytearray()
    folders = [""]
    cut = False
    while folders and not cut:
        folder = folders.pop()
        with os.scandir(os.path.join(root, folder)) as entries:
            names = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        for name, is_folder in names:
            path = f"{folder}/{name}" if folder else name
            if is_folder:
                folders.append(path)
                continue
            try:
                fd = os.open(os.path.join(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue  # a link, a socket, or not ours to read
            try:
                content = _read(fd, request["most"] - len(data) + 1)
            except OSError:
                continue
            finally:
                os.close(fd)
            if len(data) + len(content) > request["most"] or len(found) >= 20_000:
                cut = True
                break
            found.append((path, len(content)))
            data += content
    return {"files": found, "cut": cut}, bytes(data)


def wipe(root: str) -> None:
    """Remove everything below `root`."""
    for name in os.listdir(root):
        remove(os.path.join(root, name))


def remove(top: str) -> None:
    """Remove a tree of any depth without following links.

    A path may hold 4,095 bytes, and folders lie deeper than that. So what a folder holds is moved
    up before it is removed, and no path here is longer than that of `top` and two names.
    """
    try:
        os.unlink(top)
        return
    except OSError:
        if not stat.S_ISDIR(os.lstat(top).st_mode):
            raise
    os.chmod(top, 0o700)
    for count in itertools.count():
        folders = []
        for name in os.listdir(top):
            path = f"{top}/{name}"
            if stat.S_ISDIR(os.lstat(path).st_mode):
                folders.append(path)
            else:
                os.unlink(path)
        if not folders:
            break
        for number, folder in enumerate(folders):
            _empty(folder, f"{top}/{_MOVED}{count}-{number}")
    os.rmdir(top)


def _empty(folder: str, prefix: str) -> None:
    """Remove a folder and the files in it; the folders in it are moved to `prefix` and a number."""
    os.chmod(folder, 0o700)
    for number, name in enumerate(os.listdir(folder)):
        path = f"{folder}/{name}"
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            continue
        os.chmod(path, 0o700)  # its `..` is about to change
        try:
            os.rmdir(path)
        except OSError:
            os.rename(path, f"{prefix}-{number}-{os.urandom(8).hex()}")
    os.rmdir(folder)
