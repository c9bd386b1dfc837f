"""Names that programmers mistake for each other: those that share a word.

The shipped list holds the attributes, functions and keywords that the training packages use most;
`python -m hrmgym.trainers.data.rebuild` rebuilds it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources

KINDS = ("attribute", "name", "keyword", "prefix", "argument")
"""`prefix` holds what attributes are read from (`os.path`), `argument` whole keyword arguments with
a constant (`reverse=True`)."""
MOST_ALIKE = 10
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
FILE = "identifiers-v2.json"


@lru_cache(maxsize=65536)
def words_in(name: str) -> frozenset[str]:
    """The words of a name, small and without endings: `removeAllFiles` -> remove, all, file.

    A name without letters and digits is its own word.
    """
    parts = [part.lower() for part in _WORD.findall(name)] or [name]
    return frozenset(_stem(part) for part in parts)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "s"):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            return word[: -len(ending)]
    return word


@cache
def _known() -> Mapping[str, Sequence[str]]:
    file = resources.files("hrmgym.envs").joinpath(f"data/{FILE}")
    data: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8"))
    return data


def common(kind: str, most: int) -> Sequence[str]:
    """The most used names of a kind."""
    return _known()[kind][:most]


@cache
def _by_word(kind: str) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for name in _known()[kind]:
        for word in words_in(name):
            found.setdefault(word, []).append(name)
    return found


@lru_cache(maxsize=65536)
def alike(name: str, kind: str) -> tuple[str, ...]:
    """Known names that share words with a name, the most alike and most used first.

    Args:
        name: Any identifier.
        kind: One of `KINDS`.
    """
    words = words_in(name)
    index = _by_word(kind)
    found: dict[str, float] = {}
    for word in words:
        for place, other in enumerate(index.get(word, ())):
            if other != name and other not in found:
                theirs = words_in(other)
                shared = len(words & theirs) / len(words | theirs)
                found[other] = shared - 1e-5 * place
    return tuple(sorted(found, key=lambda one: (-found[one], one))[:MOST_ALIKE])
