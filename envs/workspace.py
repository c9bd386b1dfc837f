"""What a workspace holds: a base, and what has changed since.

A `Base` is a task's untouched tree, made once per process and known by the hash of all it holds. A
`Files` is a base and a mapping from changed paths to what is there now, immutable and cheap: making
the next one, comparing, hashing and pickling cost as much as there are changes, whatever the size
of the tree. Contents are `Blob`s, each kept once per process for as long as something refers to it.

What counts: regular files with their permissions, symbolic links, and folders with their
permissions, empty ones too. What does not: times, owners, hard links (they become files of their
own), set-id and sticky bits, extended attributes, and whatever is neither file, link nor folder.
"""

from __future__ import annotations

import os
import stat
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from hrmgym.config import is_folder
from hrmgym.envs.blobs import (
    FILE,
    FOLDER,
    HASH_BYTES,
    LINK,
    NEW_FOLDER,
    Blob,
    Change,
    Entry,
    hash_in,
)
from hrmgym.envs.editable import may_edit
from hrmgym.errors import ConfigError

_KEPT_BASES = 1024


class Base:
    """A tree of files that does not change. Use `Base.of` or `Base.from_tree`."""

    __slots__ = ("__weakref__", "_files", "_paths", "entries", "id")

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        """Path -> entry, for every file, link and folder."""
        self._paths = sorted(entries)
        digest = blake2b(digest_size=HASH_BYTES)
        for path in self._paths:
            hash_in(digest, path, entries[path].mark)
        self.id = digest.hexdigest()
        """Hash of every path with its kind, permissions and content."""
        self._files: tuple[str, ...] | None = None

    @staticmethod
    def of(files: Mapping[str, str | bytes], entries: Mapping[str, Entry] | None = None) -> Base:
        """The base of these contents, laid over `entries`; their folders come by themselves.

        Raises:
            ConfigError: a path leaves the workspace, or needs a folder where a file is.
        """
        found = dict(entries or {})
        for path, content in files.items():
            _check_path(path)
            for above in _above(path):
                if found.setdefault(above, NEW_FOLDER).kind != FOLDER:
                    raise ConfigError(f"workspace: {above!r} is a file, so {path!r} cannot be")
            before = found.get(path)
            if before is not None and before.kind == FOLDER:
                raise ConfigError(f"workspace: {path!r} is a folder, so it cannot be a file")
            if isinstance(content, str) and not _can_be_written(content):
                raise ConfigError(f"workspace: {path!r} holds a lone surrogate: {content[:40]!a}")
            mode = before.mode if before is not None and before.kind == FILE else 0o644
            found[path] = Entry(FILE, mode, Blob.of(content))
        return _known(Base(found))

    @staticmethod
    def from_tree(top: str, files: Mapping[str, str | bytes] | None = None) -> Base:
        """The base of a folder of this machine, with `files` laid over it.

        Permissions are those that git keeps: 0o755 for programs and folders, else 0o644, so that
        the same tree has the same id on every machine. Links stay links.

        Raises:
            ConfigError: no such folder, or it holds what is neither file, link nor folder.
        """
        if not is_folder(top):
            raise ConfigError(f"workspace tree {top!r} is no folder of this machine")
        entries: dict[str, Entry] = {}
        for folder, folders, names in os.walk(top):
            inside = os.path.relpath(folder, top)
            prefix = "" if inside == "." else inside + "/"
            for name in folders + names:
                full = Path(folder, name)
                entries[prefix + name] = _entry_of(full, full.lstat().st_mode)
        return Base.of(files or {}, entries)

    @staticmethod
    def known(name: str) -> Base | None:
        """The base of that id, where this process has made it and something still uses it."""
        return _bases.get(name)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the regular files, sorted."""
        if self._files is None:
            self._files = tuple(p for p in self._paths if self.entries[p].kind == FILE)
        return self._files

    def below(self, folder: str) -> Iterator[str]:
        """Every path inside a folder, at any depth, sorted."""
        prefix = folder + "/"
        for index in range(bisect_left(self._paths, prefix), len(self._paths)):
            if not self._paths[index].startswith(prefix):
                return
            yield self._paths[index]

    def is_small(self, most_entries: int, most_bytes: int) -> bool:
        """Whether it has no more entries, and its files together no more bytes."""
        if len(self.entries) > most_entries:
            return False
        contents = (entry.content for entry in self.entries.values())
        return sum(len(one.data) for one in contents if isinstance(one, Blob)) <= most_bytes

    @property
    def files(self) -> Files:
        """The base, unchanged."""
        return Files(self.id, {}, self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Base) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


class Files(Mapping[str, str]):
    """A workspace's regular files as texts, and all else that it holds as `entry` tells.

    Unpickled where no base of its id exists yet, it can be compared and hashed; it can be read as
    soon as the task's `Workspace.base()` has been made there.
    """

    __slots__ = ("_base", "_key", "base_id", "changes")

    def __init__(self, base_id: str, changes: Mapping[str, Change], base: Base | None) -> None:
        self.base_id = base_id
        self.changes = changes
        """Path -> what it has become, only where that differs from the base. Not to be changed."""
        self._base = base
        self._key = ""

    @staticmethod
    def of(files: Mapping[str, str | bytes], base: Base | None = None) -> Files:
        """Exactly these files and their folders, told as changes of `base` (by default, none)."""
        if isinstance(files, Files) and (base is None or files.base_id == base.id):
            return files
        base = EMPTY if base is None else base
        entries = Base.of(files).entries
        whole: dict[str, Change] = dict(entries)
        for path, before in base.entries.items():
            now = entries.get(path)
            if now is None:
                whole[path] = None
            elif now.kind == before.kind == FILE:
                whole[path] = Entry(FILE, before.mode, now.content)
        return base.files.changed(whole)

    @property
    def base(self) -> Base:
        """The base.

        Raises:
            ConfigError: this process has not made it.
        """
        if self._base is None:
            self._base = _bases.get(self.base_id)
            if self._base is None:
                raise ConfigError(
                    f"these files are changes of base {self.base_id[:12]}, which this process does "
                    "not know: make the workspace of their task first, with the same data"
                )
        return self._base

    @property
    def key(self) -> str:
        """Hash of base and changes: equal contents on one base have equal keys, 40 hex digits."""
        if not self._key:
            digest = blake2b(self.base_id.encode(), digest_size=HASH_BYTES)
            for path in sorted(self.changes):
                change = self.changes[path]
                hash_in(digest, path, "" if change is None else change.mark)
            self._key = digest.hexdigest()
        return self._key

    # --- reading ---------------------------------------------------------------------------------

    def entry(self, path: str) -> Entry | None:
        """What is at a path; None where nothing is."""
        if path in self.changes:
            return self.changes[path]
        return self.base.entries.get(path)

    def entries(self) -> dict[str, Entry]:
        """Everything there is; it costs as much as the whole tree."""
        merged = {**self.base.entries, **self.changes}
        return {path: entry for path, entry in merged.items() if entry is not None}

    def below(self, folder: str) -> list[str]:
        """Every path inside a folder, at any depth."""
        changes, prefix = self.changes, folder + "/"
        kept = [path for path in self.base.below(folder) if path not in changes]
        made = (path for path, entry in changes.items() if entry is not None)
        return kept + [path for path in made if path.startswith(prefix)]

    def __getitem__(self, path: str) -> str:
        entry = self.entry(path)
        if entry is None or not isinstance(entry.content, Blob):
            raise KeyError(path)
        return entry.content.text

    def __contains__(self, path: object) -> bool:
        entry = self.entry(path) if isinstance(path, str) else None
        return entry is not None and entry.kind == FILE

    def __iter__(self) -> Iterator[str]:
        changes = self.changes
        if not changes:
            return iter(self.base.paths)
        made = [path for path, entry in changes.items() if entry is not None and entry.kind == FILE]
        return iter(sorted([path for path in self.base.paths if path not in changes] + made))

    def __len__(self) -> int:
        count, entries = len(self.base.paths), self.base.entries
        for path, entry in self.changes.items():
            before = entries.get(path)
            count += (entry is not None and entry.kind == FILE) - (
                before is not None and before.kind == FILE
            )
        return count

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Files):
            return self.base_id == other.base_id and self.changes == other.changes
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Files({self.base_id[:8]}, {len(self.changes)} changes)"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.base_id, self.changes)

    # --- the next ones ---------------------------------------------------------------------------

    def changed(self, changes: Mapping[str, Change]) -> Files:
        """With these changes on top, taken as they are; what equals the base again vanishes."""
        merged, entries = dict(self.changes), self.base.entries
        for path, change in changes.items():
            if entries.get(path) == change:
                merged.pop(path, None)
            else:
                merged[path] = change
        return Files(self.base_id, merged, self.base)

    def with_text(self, path: str, text: str | bytes) -> Files:
        """With that content in a file, new or not; missing folders are made.

        Raises:
            ConfigError: the path leaves the workspace, is a folder, or leads through a file.
        """
        entry = self.entry(path)
        if entry is not None and entry.kind == FILE:
            return self.changed({path: Entry(FILE, entry.mode, Blob.of(text))})
        _check_path(path)
        if entry is not None and entry.kind == FOLDER:
            raise ConfigError(f"workspace: {path!r} is a folder, so it cannot be a file")
        changes: dict[str, Change] = {path: Entry(FILE, 0o644, Blob.of(text))}
        for above in _above(path):
            there = self.entry(above)
            if there is None:
                changes[above] = NEW_FOLDER
            elif there.kind != FOLDER:
                raise ConfigError(f"workspace: {above!r} is no folder, so {path!r} cannot be")
        return self.changed(changes)

    def without(self, path: str) -> Files:
        """Without a file, link or folder and all that it holds; its own folder stays."""
        entry = self.entry(path)
        gone = [path] if entry is not None else []
        if entry is not None and entry.kind == FOLDER:
            gone += self.below(path)
        return self.changed(dict.fromkeys(gone))

    def limited_to(self, editable: Sequence[str]) -> Files:
        """The base, with what has become of the files that may be edited.

        New, changed and deleted ones count, and whether they are programs. A folder that is gone
        goes, too, where all that it held may be edited. A link counts as a file that is gone.

        Args:
            editable: Paths and patterns, see `hrmgym.envs.editable`.
        """
        base, changes = self.base.entries, dict[str, Change]()
        mine = [path for path in self.changes if may_edit(editable, path)]
        for path in mine:
            if path in base and base[path].kind != FOLDER:
                changes[path] = None
        lost = [path for path, entry in self.changes.items() if entry is None or entry.kind == FILE]
        for path in sorted(lost, reverse=True):  # a folder after what it held
            if path in base and base[path].kind == FOLDER:
                below = [one for one in self.base.below(path) if changes.get(one, NEW_FOLDER)]
                if not below and any(one in changes for one in self.base.below(path)):
                    changes[path] = None
        for path in mine:
            entry = self.changes[path]
            if entry is None or not isinstance(entry.content, Blob):
                continue
            above = {one: changes.get(one, base.get(one)) for one in _above(path)}
            there = changes.get(path, base.get(path))
            if not all(one is None or one.kind == FOLDER for one in above.values()) or (
                there is not None and there.kind == FOLDER
            ):
                continue  # something that may not be edited is in its way
            changes |= {one: NEW_FOLDER for one, before in above.items() if before is None}
            changes[path] = Entry(FILE, 0o755 if entry.mode & 0o100 else 0o644, entry.content)
        return self.base.files.changed(changes)


def base_of(files: Mapping[str, str], tree: str = "") -> Base:
    """The base of a task's workspace; made once per process for the same mapping and folder.

    A folder that changes while a process runs is not read again.
    """
    key = (id(files), tree)
    with _turn:
        if (made := _made.get(key)) is not None:
            _made.move_to_end(key)
            return made[1]
    base = Base.from_tree(tree, files) if tree else Base.of(files)
    with _turn:
        _made[key] = files, base  # the mapping too: its id is its own as long as it lives
        if len(_made) > _KEPT_BASES:
            _made.popitem(last=False)
    return base


_made: OrderedDict[tuple[int, str], tuple[Mapping[str, str], Base]] = OrderedDict()
_bases: WeakValueDictionary[str, Base] = WeakValueDictionary()
_turn = threading.Lock()


def _known(base: Base) -> Base:
    """`base`, or the equal one that this process has already."""
    return _bases.setdefault(base.id, base)


def _unpickled(base_id: str, changes: Mapping[str, Change]) -> Files:
    return Files(base_id, changes, _bases.get(base_id))


def _above(path: str) -> list[str]:
    """The folders that a path leads through, outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _check_path(path: str) -> None:
    if (
        "\0" in path
        or not _can_be_written(path)
        or any(part in ("", ".", "..") for part in path.split("/"))
    ):
        raise ConfigError(f"path {path!r} does not stay inside the workspace")


def _can_be_written(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _entry_of(path: Path, mode: int) -> Entry:
    if stat.S_ISLNK(mode):
        return Entry(LINK, 0, str(path.readlink()))
    if stat.S_ISDIR(mode):
        return NEW_FOLDER
    if stat.S_ISREG(mode):
        return Entry(FILE, 0o755 if mode & 0o100 else 0o644, Blob.of(path.read_bytes()))
    raise ConfigError(f"workspace tree: {str(path)!r} is neither file, link nor folder")


EMPTY = Base.of({})
