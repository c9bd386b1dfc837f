"""The workspace's own modules, which every text imports anew. Standard library only."""

from __future__ import annotations

import sys
from collections.abc import Mapping


def modules_of(files: Mapping[str, str]) -> frozenset[str]:
    """Dotted names under which the files of a workspace may be imported."""
    found: set[str] = set()
    for path in files:
        if path.endswith(".py"):
            parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
            found |= {".".join(parts[start:]) for start in range(len(parts))}
    return frozenset(found)


def folders_of(files: Mapping[str, str]) -> frozenset[str]:
    """Dotted names under which the folders of a workspace may be imported."""
    found: set[str] = set()
    for path in files:
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            found |= {".".join(parts[start:end]) for start in range(end)}
    return frozenset(found)


def forget_own(own: frozenset[str]) -> None:
    """Have the workspace's modules imported anew."""
    for name in own:
        sys.modules.pop(name, None)
