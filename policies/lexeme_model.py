"""An n-gram model of lexemes: interpolated Kneser-Ney, looked up in sorted arrays.

p(w | h) = max(c(h w) - d, 0) / c(h) + d N1+(h .) / c(h) p(w | h'), where h' drops the oldest
lexeme; below the highest order, counts are numbers of different contexts (Kneser and Ney 1995,
ICASSP; Chen and Goodman 1999, section 2.7). The order is at most 4, so that an n-gram of 16-bit
numbers is one 64-bit key and nothing collides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hrmgym.envs.lexer import lex

#: Numbers of what is no lexeme: before the beginning, and any lexeme that is not known.
BEGIN, UNKNOWN = 0, 1
ORDER = 4

_BITS, _MOST = 16, 1 << 16
_DISCOUNT = 0.75

Ids = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Table:
    """n-grams of one order, and what is known of their contexts."""

    keys: Ids
    """Sorted n-grams."""
    counts: npt.NDArray[np.float64]
    contexts: Ids
    """Sorted contexts."""
    totals: npt.NDArray[np.float64]
    """Sum of the counts behind each context."""
    kinds: npt.NDArray[np.float64]
    """Number of different lexemes behind each context."""


class LexemeModel:
    """The probability of lexemes given up to three before them.

    Args:
        texts: What it learns from.
        least: Lexemes seen less often are not known.
    """

    def __init__(self, texts: Iterable[str], least: int = 2) -> None:
        rows = [lex(text) for text in texts]
        seen = Counter(lexeme for row in rows for lexeme in row)
        known = [lexeme for lexeme, count in seen.most_common(_MOST - 2) if count >= least]
        self.common: tuple[str, ...] = tuple(known)
        """Known lexemes, the most frequent first."""
        self._ids = {lexeme: number for number, lexeme in enumerate(known, start=2)}
        self._tables = _tables([self.ids(row) for row in rows])
        self._size = len(known) + 1

    def ids(self, lexemes: Sequence[str]) -> Ids:
        """Numbers of lexemes; `UNKNOWN` for those that are not known."""
        return np.array([self._ids.get(one, UNKNOWN) for one in lexemes], dtype=np.uint64)

    def log_probs(self, windows: Ids) -> npt.NDArray[np.float64]:
        """Log-probabilities, in nats, of the last lexeme of each window given the ones before it.

        Args:
            windows: [N, ORDER], with `BEGIN` where a text has not begun.
        """
        probs = np.full(len(windows), 1.0 / self._size)
        for order, table in enumerate(self._tables, start=1):
            grams = _packed(windows[:, ORDER - order :])
            counts = _looked_up(table.keys, table.counts, grams)
            contexts = grams >> np.uint64(_BITS)
            totals = _looked_up(table.contexts, table.totals, contexts)
            kinds = _looked_up(table.contexts, table.kinds, contexts)
            seen = totals > 0
            divisor = np.where(seen, totals, 1.0)
            own = np.maximum(counts - _DISCOUNT, 0) / divisor
            probs = np.where(seen, own + _DISCOUNT * kinds / divisor * probs, probs)
        result: npt.NDArray[np.float64] = np.log(probs)
        return result


def windows_of(ids: Ids) -> Ids:
    """Each lexeme with the three before it: [L, ORDER]."""
    padded = np.concatenate((np.full(ORDER - 1, BEGIN, dtype=np.uint64), ids))
    return np.lib.stride_tricks.sliding_window_view(padded, ORDER)


def _packed(windows: Ids) -> Ids:
    """[N, n] as one key each."""
    keys = np.zeros(len(windows), dtype=np.uint64)
    for column in range(windows.shape[1]):
        keys = (keys << np.uint64(_BITS)) | windows[:, column]
    return keys


def _looked_up(keys: Ids, values: npt.NDArray[np.float64], wanted: Ids) -> npt.NDArray[np.float64]:
    """Values of keys; 0 for those that are not there."""
    if not len(keys):
        return np.zeros(len(wanted))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0.0)


def _tables(rows: Sequence[Ids]) -> list[_Table]:
    """Tables of the orders 1 to `ORDER`."""
    windows = [windows_of(row) for row in rows if len(row)]
    every = np.concatenate(windows) if windows else np.zeros((0, ORDER), dtype=np.uint64)
    tables: list[_Table] = []
    keys, counts = np.unique(_packed(every), return_counts=True)
    for order in range(ORDER, 0, -1):
        if order < ORDER:  # how many different n-grams of the order above end in it
            mask = np.uint64((1 << (_BITS * order)) - 1)
            keys, counts = np.unique(tables[0].keys & mask, return_counts=True)
        contexts, place = np.unique(keys >> np.uint64(_BITS), return_inverse=True)
        totals = np.bincount(place, weights=counts, minlength=len(contexts)).astype(np.float64)
        kinds = np.bincount(place, minlength=len(contexts)).astype(np.float64)
        tables.insert(0, _Table(keys, counts.astype(np.float64), contexts, totals, kinds))
    return tables
