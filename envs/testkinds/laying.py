"""What a run of tests finds in its workspace: the tested files, and the tests' own on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from hrmgym.envs.blobs import FOLDER, LINK, Change
from hrmgym.envs.sandboxes.bench import FilesUnfitError
from hrmgym.envs.workspace import Files
from hrmgym.errors import ConfigError


def laid_over(files: Files, more: Mapping[str, str | bytes]) -> Files:
    """The files with others on top.

    Raises:
        FilesUnfitError: The tested ones leave no room for them.
    """
    try:
        for path, text in more.items():
            files = files.with_text(path, text)
    except ConfigError as error:
        raise FilesUnfitError(str(error)) from None
    return files


def with_the_tasks_own(
    files: Files,
    patterns: Iterable[str],
    named: Iterable[str] = (),
    may_change: Iterable[str] = (),
) -> Files:
    """The files, with some as their base has them: no other ones of that name, and none gone.

    Args:
        files: Changes of a task's workspace. What is told without a base is taken as it is, for
            nobody knows then what has changed.
        patterns: Patterns of paths; one without a slash is one of names, in any folder.
        named: Paths of files.
        may_change: Patterns of those that stay as they are nevertheless.
    """
    base = files.base.entries
    if not base:
        return files
    patterns, may_change, paths = tuple(patterns), tuple(may_change), frozenset(named)
    for path, entry in files.changes.items():
        is_file = any(one is not None and one.kind != FOLDER for one in (entry, base.get(path)))
        matches = _matches(path, entry, patterns) or (is_file and path in paths)
        if matches and not _matches(path, entry, may_change):
            files = _reverted(files, path)
    return files


def _reverted(files: Files, path: str) -> Files:
    """With a path, and the folders above it, as the base has them."""
    own = files.base.entries
    before = own.get(path)
    if before is None:
        return files.without(path)
    changes: dict[str, Change] = {path: before}
    for index, letter in enumerate(path):
        if letter == "/" and files.entry(path[:index]) != own[path[:index]]:
            changes[path[:index]] = own[path[:index]]
    if before.kind != FOLDER:
        changes |= dict.fromkeys(files.below(path))
    return files.changed(changes)


def _matches(path: str, entry: Change, patterns: Iterable[str]) -> bool:
    """Whether a pattern is of that path; of a link, also of what would seem to lie below it."""
    name = path.rpartition("/")[2]
    for one in patterns:
        if fnmatchcase(path if "/" in one else name, one):
            return True
        if (
            "/" in one
            and entry is not None
            and entry.kind == LINK
            and fnmatchcase(f"{path}/x", one)
        ):
            return True
    return False
