"""What a folder holds, and how to make it hold something else. Runs inside the sandbox only.

A tree is told as entries, path -> (kind, mode, content): `f` a regular file with the hash of what
it holds, `l` a link with its target, `d` a folder. Nothing here follows a link that it finds, and
everything is done with the permissions of foreign code. Standard library only.
"""

# The guest starts faster without pathlib.
# ruff: noqa: PTH101, PTH102, PTH115, PTH211
from __future__ import annotations

import os
import stat
import time
from _blake2 import blake2b
from bisect import bisect_left
from collections.abc import Callable, Mapping

Entry = tuple[str, int, str]
Changes = dict[str, "Entry | None"]

FILE, LINK, FOLDER, SPECIAL = "f", "l", "d", "s"
GONE = None
HASH_BYTES = 20
#: A change within one tick of the file system's clock leaves no trace in the times of a file, so a
#: hash that is younger than this is not trusted the next time. The slowest clocks tick each 10 ms.
_TICK_NS = 50_000_000
_OPAQUE = "user.overlay.opaque"
_MOST_ENTRIES = 20_000
#: Bytes of a path below the workspace's root. The kernel takes 4,095 of a whole path, and folders
#: can lie deeper than that: what lies there is out of reach for tests and tools, too.
MOST_PATH = 3000


class TooLarge(OSError):
    """More has changed than is kept."""


def hash_of(data: bytes) -> str:
    """The name of a content: 160 bits of BLAKE2b, as hex digits."""
    return blake2b(data, digest_size=HASH_BYTES).hexdigest()


class Reader:
    """Reads trees, and remembers what it has hashed."""

    def __init__(self) -> None:
        self.most = 0
        """Bytes that the files of one tree may hold together."""
        self._hashes: dict[tuple[int, int, int, int], str] = {}
        self._next: dict[tuple[int, int, int, int], str] = {}
        self.contents: dict[str, bytes] = {}
        """Hash -> content of what the last `read` had to hash."""

    def read(
        self, top: str, *, quiet: bool, whiteouts: bool = False
    ) -> tuple[dict[str, Entry], list[str], set[str]]:
        """All that is below `top`.

        Args:
            top: A folder.
            quiet: Whether nothing can be writing. Only then are hashes remembered: a program that
                has a file in its memory may change it without a trace in the file's times.
            whiteouts: Whether this is the upper layer of an overlay.

        Returns:
            Entries, with `s` for what is neither file, link nor folder; and in an upper layer the
            paths that are deleted from the layer below, and the folders that hide theirs.

        Raises:
            TooLarge: The files hold more than `most` bytes, or are too many.
            OSError: Something cannot be read.
        """
        self._next, self.contents = {}, {}
        locked: list[tuple[str, int]] = []
        try:
            return self._read(top, quiet, whiteouts, locked)
        finally:
            for path, mode in reversed(locked):
                os.chmod(path, mode)
            self._hashes = self._next

    def _read(
        self, top: str, quiet: bool, whiteouts: bool, locked: list[tuple[str, int]]
    ) -> tuple[dict[str, Entry], list[str], set[str]]:
        entries: dict[str, Entry] = {}
        gone: list[str] = []
        opaque: set[str] = set()
        size = 0
        folders = [""]
        while folders:
            folder = folders.pop()
            listed = _list(f"{top}/{folder}" if folder else top, locked)
            if whiteouts and folder and _is_opaque(f"{top}/{folder}"):  # it is not locked any more
                opaque.add(folder)
            for name, about in listed:
                path = f"{folder}/{name}" if folder else name
                if len(path) > MOST_PATH // 4 and len(os.fsencode(path)) > MOST_PATH:
                    raise TooLarge(27, f"a path of more than {MOST_PATH} bytes", name)
                mode, kind = stat.S_IMODE(about.st_mode), stat.S_IFMT(about.st_mode)
                full = f"{top}/{path}"
                if kind == stat.S_IFREG:
                    size += about.st_size
                    if size > self.most:
                        raise TooLarge(27, f"files of more than {self.most >> 20} MiB", name)
                    entries[path] = (FILE, mode, self._hash(full, about, quiet=quiet))
                elif kind == stat.S_IFDIR:
                    entries[path] = (FOLDER, mode, "")
                    folders.append(path)
                elif kind == stat.S_IFLNK:
                    entries[path] = (LINK, 0, os.readlink(full))
                elif whiteouts and kind == stat.S_IFCHR and about.st_rdev == 0:
                    gone.append(path)
                else:
                    entries[path] = (SPECIAL, mode, "")
            if len(entries) + len(gone) > _MOST_ENTRIES:
                raise TooLarge(27, f"more than {_MOST_ENTRIES} changed files", folder)
        return entries, gone, opaque

    def _hash(self, path: str, about: os.stat_result, *, quiet: bool) -> str:
        key = about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
        found = self._hashes.get(key)
        if found is None:
            now = time.time_ns()
            data = content_of(path)
            found = hash_of(data)
            self.contents[found] = data
            if not quiet or now - about.st_ctime_ns < _TICK_NS:
                return found
        self._next[key] = found
        return found


def _list(folder: str, locked: list[tuple[str, int]]) -> list[tuple[str, os.stat_result]]:
    """(name, lstat) of everything in a folder; where its owner locked it, it is opened first."""
    for _ in range(2):
        try:
            with os.scandir(folder) as found:
                return [(one.name, one.stat(follow_symlinks=False)) for one in found]
        except PermissionError:
            mode = os.lstat(folder).st_mode
            if locked and locked[-1][0] == folder:
                raise
            os.chmod(folder, stat.S_IMODE(mode) | 0o700)
            locked.append((folder, stat.S_IMODE(mode)))
    raise AssertionError


def content_of(path: str) -> bytes:
    """A regular file's content, read even where its permissions forbid its owner to."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        fd = os.open(path, flags)
    except PermissionError:
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode):
            raise
        os.chmod(path, stat.S_IMODE(mode) | 0o400)
        try:
            fd = os.open(path, flags)
        finally:
            os.chmod(path, stat.S_IMODE(mode))
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(22, "not a regular file", path)
        parts = []
        left = about.st_size
        while left > 0 and (part := os.read(fd, min(left, 1 << 24))):
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(fd)


def _is_opaque(path: str) -> bool:
    try:
        return os.getxattr(path, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


# --- comparing -----------------------------------------------------------------------------------


class Base:
    """A tree that does not change, to tell others by."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        self._paths = sorted(entries)

    def below(self, folder: str) -> list[str]:
        """Every path inside a folder, at any depth."""
        prefix = folder + "/"
        start = bisect_left(self._paths, prefix)
        return self._paths[start : bisect_left(self._paths, folder + "0", start)]  # "0" follows "/"

    def changes(self, entries: Mapping[str, Entry]) -> Changes:
        """The changes that make this tree the one that `entries` tells."""
        mine = self.entries
        found: Changes = {p: entry for p, entry in entries.items() if mine.get(p) != entry}
        found.update((path, GONE) for path in mine if path not in entries)
        return found

    def changes_of_layer(
        self, entries: Mapping[str, Entry], gone: list[str], opaque: set[str]
    ) -> Changes:
        """The changes that an overlay's upper layer makes."""
        mine = self.entries
        found: Changes = {}
        for path in gone:
            found.update(dict.fromkeys([path, *self.below(path)]))
        for path, entry in entries.items():
            before = mine.get(path)
            hides = entry[0] != FOLDER or path in opaque
            if before is not None and before[0] == FOLDER and hides:
                found.update(dict.fromkeys(self.below(path)))
        found.update(entries)
        return {path: entry for path, entry in found.items() if mine.get(path) != entry}


# --- changing ------------------------------------------------------------------------------------


def morph(
    root: str, base: Base, now: Changes, wanted: Changes, content: Callable[[str, str], bytes]
) -> int:
    """Change the tree at `root` from one state to another; only what differs is touched.

    A file that differs is written anew, so that its hard links elsewhere keep what they hold.

    Args:
        root: The folder.
        base: What both states are told by.
        now: The changes of the base that are there.
        wanted: The changes of the base that are to be there.
        content: Path and hash of a file -> its content.

    Returns:
        How many paths differed.
    """
    entries = base.entries

    def at(changes: Changes, path: str) -> Entry | None:
        return changes[path] if path in changes else entries.get(path)

    differ = sorted(path for path in {*now, *wanted} if at(now, path) != at(wanted, path))
    if stat.S_IMODE(os.lstat(root).st_mode) != 0o755:  # its own permissions are no part of it
        os.chmod(root, 0o755)
    modes = _unlock(root, differ, lambda path: at(now, path))
    kept: set[str] = set()
    for path in reversed(differ):
        before, after = at(now, path), at(wanted, path)
        if before is None:
            continue
        if after is not None and after[::2] == before[::2] and before[0] in (FILE, FOLDER):
            kept.add(path)  # its permissions differ, no more
            continue
        (os.rmdir if before[0] == FOLDER else os.unlink)(f"{root}/{path}")
        modes.pop(path, None)
    for path in differ:
        after, full = at(wanted, path), f"{root}/{path}"
        if after is None:
            continue
        kind, mode, what = after
        if kind == FOLDER:
            if path not in kept:
                os.mkdir(full, 0o700)
            modes[path] = mode
        elif kind == LINK:
            os.symlink(what, full)
        elif path in kept:
            os.chmod(full, mode)
        else:
            write_new(full, content(path, what), mode)
    for path in sorted(modes, reverse=True):
        os.chmod(f"{root}/{path}", modes[path])
    return len(differ)


def _unlock(root: str, paths: list[str], at: Callable[[str], Entry | None]) -> dict[str, int]:
    """Open every folder above these paths that is locked; path -> permissions that it had."""
    modes: dict[str, int] = {}
    seen: set[str] = set()
    for path in paths:
        end = path.find("/")
        while end > 0:
            above = path[:end]
            end = path.find("/", end + 1)
            if above in seen:
                continue
            seen.add(above)
            there = at(above)
            if there is not None and there[0] == FOLDER and there[1] & 0o700 != 0o700:
                os.chmod(f"{root}/{above}", 0o700)
                modes[above] = there[1]
    return modes


def write_new(path: str, data: bytes, mode: int) -> None:
    """Make a file that is not there yet."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def build(root: str, entries: Mapping[str, Entry], content: Callable[[str, str], bytes]) -> None:
    """Fill an empty folder."""
    morph(root, Base({}), {}, dict(entries), content)
