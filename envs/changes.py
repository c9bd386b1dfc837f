"""What differs between two workspaces, as a unified diff that can be shown."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from hrmgym.envs.blobs import FOLDER, LINK, NEW_FOLDER, Blob, Entry
from hrmgym.envs.showing import is_utf8, showable
from hrmgym.envs.workspace import Files

#: Bytes and lines of a file that is compared line by line.
_MOST_COMPARED, _MOST_LINES = 500_000, 10_000


def diff(
    before: Files, after: Files, *, first: Collection[str] = (), most: int | None = None
) -> str:
    """What has become of `before`, in git's form; empty where the two hold the same.

    It costs as much as there are changes, whatever the size of the tree below them. A file that is
    no text, or too large to be compared line by line, has one line: its sizes.

    Args:
        before: A workspace.
        after: Another one.
        first: Paths that come first where they have changed.
        most: Characters after which no further path is begun; their number is told instead.
    """
    parts: list[str] = []
    size = 0
    paths = sorted(_changed(before, after), key=lambda path: (path not in first, path))
    for number, path in enumerate(paths):
        if most is not None and size > most:
            parts.append(f"[{len(paths) - number:,} more paths differ]")
            break
        for line in _one(path, before.entry(path), after.entry(path)):
            parts.append(line)
            size += len(line) + 1
    return "\n".join(parts)


def _changed(before: Files, after: Files) -> set[str]:
    """Paths at which the two differ, without the folders that a new file brings with it."""
    if before.base_id == after.base_id:
        paths = before.changes.keys() | after.changes.keys()
    else:
        paths = before.entries().keys() | after.entries().keys()
    changed = {path for path in paths if before.entry(path) != after.entry(path)}
    above = {path[:index] for path in changed for index in range(len(path)) if path[index] == "/"}
    brought = {
        path
        for path in above & changed
        if {before.entry(path), after.entry(path)} == {None, NEW_FOLDER}
    }
    return changed - brought


def _one(path: str, old: Entry | None, new: Entry | None) -> Iterator[str]:
    name = showable(path.replace("\n", "\\n"))
    if old is not None and new is not None and old.kind == new.kind and old.mode != new.mode:
        yield f"{name}: mode {old.mode:o} is now {new.mode:o}"
    for entry, mark in ((old, "-"), (new, "+")):
        if entry is not None and entry.kind == LINK:
            yield f"{mark}link {name} -> {showable(str(entry.content))}"
        elif entry is not None and entry.kind == FOLDER and not (old and new and old[0] == new[0]):
            yield f"{mark}folder {name}"
    texts = [_blob(old), _blob(new)]
    if texts[0] == texts[1]:
        return
    a, b = (
        f"{side}/{name}" if blob is not None else "/dev/null"
        for side, blob in zip("ab", texts, strict=True)
    )
    if any(blob is not None and not _is_small_text(blob) for blob in texts):
        sizes = " and ".join(f"{0 if blob is None else len(blob.data):,}" for blob in texts)
        yield f"{a} and {b} differ: {sizes} bytes"
        return
    before, after = ([] if blob is None else showable(blob.text).splitlines() for blob in texts)
    if before == after:
        why = "the file is empty" if None in texts else "in how lines end"
        yield f"{a} and {b} differ: {why}"
    yield from difflib.unified_diff(before, after, a, b, lineterm="")


def _blob(entry: Entry | None) -> Blob | None:
    return entry.content if entry is not None and isinstance(entry.content, Blob) else None


def _is_small_text(blob: Blob) -> bool:
    data = blob.data
    if len(data) > _MOST_COMPARED or data.count(b"\n") > _MOST_LINES:
        return False
    return is_utf8(blob.text) and b"\0" not in data
