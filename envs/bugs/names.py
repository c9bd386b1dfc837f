"""Names that programmers mistake for each other: those that share a word.

The shipped list holds the attributes, functions and keywords that the training packages use most;
`python -m hrmgym.envs.bugs.releases` rebuilds it.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources

KINDS = ("attribute", "name", "keyword", "prefix", "argument")
"""`prefix` holds what attributes are read from (`os.path`), `argument` whole keyword arguments with
a constant (`reverse=True`)."""
_MOST = {"attribute": 5000, "name": 5000, "keyword": 2000, "prefix": 200, "argument": 200}
MOST_ALIKE = 10
_LEAST_USES = 2
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


def count_names(codes: Iterable[str]) -> dict[str, list[str]]:
    """The most used names of each kind in some texts, the most used first."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for code in codes:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute):
                counts["attribute"][node.attr] += 1
                if isinstance(node.value, (ast.Name, ast.Attribute)):
                    counts["prefix"][ast.unparse(node.value)] += 1
            elif isinstance(node, ast.Name):
                counts["name"][node.id] += 1
            elif isinstance(node, ast.keyword) and node.arg:
                counts["keyword"][node.arg] += 1
                if isinstance(node.value, ast.Constant) and len(repr(node.value.value)) < 12:
                    counts["argument"][ast.unparse(node)] += 1
    return {
        kind: [n for n, uses in found.most_common(_MOST[kind]) if uses >= _LEAST_USES]
        for kind, found in counts.items()
    }


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
