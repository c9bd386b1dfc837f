"""Where this process may make control groups: see cgroups(7), version 1 and 2."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where groups can be made."""

    version: int
    folders: Mapping[str, Path]
    """Controller, `memory` or `pids` -> folder; in version 2 all are the same one."""


def find(
    membership: Path = Path("/proc/self/cgroup"), mounts: Path = Path("/proc/self/mountinfo")
) -> Place | None:
    """Where this process may make groups that limit memory or processes.

    Args:
        membership: File that names the groups this process is in.
        mounts: File that names what is mounted where.
    """
    try:
        own = [line.split(":", 2) for line in membership.read_text().splitlines()]
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    first: dict[str, Path] = {}
    for line in lines:
        root, point = (_unescape(word) for word in line.split()[3:5])
        kind, _, options = line.partition(" - ")[2].split(" ", 2)
        for _, names, group in own:
            within = os.path.relpath(group, root) if group.startswith(root) else "."
            folder = Path(os.path.normpath(Path(point) / within))
            if kind == "cgroup2" and not names:
                if two := _enabled(folder, Path(point)):
                    return two
            elif kind == "cgroup" and names:
                for name in {"memory", "pids"} & set(names.split(",")) & set(_last(options)):
                    if os.access(folder, os.W_OK):
                        first[name] = folder
    return Place(1, first) if first else None


def _last(options: str) -> list[str]:
    return options.split(" ")[-1].split(",")


def _unescape(path: str) -> str:
    return path.replace("\\040", " ")


def _enabled(folder: Path, top: Path) -> Place | None:
    """The nearest group that hands memory or process limits down, and that we may write."""
    for candidate in (folder, *folder.parents):
        with suppress(OSError):
            handed = (candidate / "cgroup.subtree_control").read_text().split()
            names = [name for name in ("memory", "pids") if name in handed]
            if names and os.access(candidate / "cgroup.procs", os.W_OK):
                return Place(2, dict.fromkeys(names, candidate))
        if candidate == top:
            break
    return None
