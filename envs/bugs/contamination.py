"""Near-duplicates between training programs and protected (benchmark) programs.

Programs are compared as sets of n-grams of their lexemes: names are kept; comments, docstrings and
layout are dropped. An inverted index over the protected programs makes one pass over the
candidates enough.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

NGRAM = 5
"""Lexemes of one n-gram."""
CONTAINMENT = 0.3
"""Share of the smaller program's n-grams that makes a pair near-duplicates."""
JACCARD = 0.15
"""Share of both programs' n-grams that makes a pair near-duplicates."""
LEAST_SHARED = 12
"""Fewer shared n-grams than this never make near-duplicates: idioms are that long."""

_DROPPED = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    | {tokenize.ENCODING, tokenize.ENDMARKER}
)
_LINE_STARTS = frozenset({tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.NL})
_FALLBACK = re.compile(r"\w+|[^\w\s]+")


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A candidate that is too like a protected program."""

    candidate: str
    protected: str
    containment: float
    """Shared n-grams over those of the smaller program."""
    jaccard: float
    """Shared n-grams over those of either program."""


def lexemes(text: str) -> tuple[str, ...]:
    """The lexemes of a Python text without comments, docstrings and layout.

    A text that is not Python is cut into words and runs of other signs.
    """
    found: list[str] = []
    line_start, bare_text = True, False
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NEWLINE and bare_text:
                found.pop()  # the line was nothing but a text: a docstring
            if token.type not in _DROPPED:
                found.append(token.string)
                bare_text = line_start and token.type == tokenize.STRING
                line_start = False
            elif token.type in _LINE_STARTS:
                line_start = line_start or token.type != tokenize.NL
                bare_text = bare_text and token.type == tokenize.NL
    except (tokenize.TokenError, SyntaxError):
        return tuple(_FALLBACK.findall(text))
    return tuple(found)


def ngrams(text: str) -> frozenset[tuple[str, ...]]:
    """The n-grams of a text's lexemes; a shorter text is one n-gram."""
    words = lexemes(text)
    return frozenset(words[i : i + NGRAM] for i in range(max(1, len(words) - NGRAM + 1)))


def near_duplicates(
    candidates: Mapping[str, str],
    protected: Mapping[str, str],
    *,
    containment: float = CONTAINMENT,
    jaccard: float = JACCARD,
    least_shared: int = LEAST_SHARED,
) -> list[NearDuplicate]:
    """All pairs of a candidate and a protected program that reach either threshold.

    Args:
        candidates: name -> text of programs that are to be trained on.
        protected: name -> text of programs that scores are measured with.
        containment: share of the smaller program's n-grams, 0 to 1.
        jaccard: share of the n-grams of both together, 0 to 1.
        least_shared: pairs with fewer n-grams in common are never reported.
    """
    index: dict[tuple[str, ...], list[str]] = defaultdict(list)
    sizes: dict[str, int] = {}
    for name, text in protected.items():
        grams = ngrams(text)
        sizes[name] = len(grams)
        for gram in grams:
            index[gram].append(name)
    found = []
    for candidate, text in candidates.items():
        grams = ngrams(text)
        shared: Counter[str] = Counter()
        for gram in grams:
            shared.update(index.get(gram, ()))
        for name, count in sorted(shared.items()):
            contained = count / min(len(grams), sizes[name])
            alike = count / (len(grams) + sizes[name] - count)
            if count >= least_shared and (contained >= containment or alike >= jaccard):
                found.append(NearDuplicate(candidate, name, contained, alike))
    return found
