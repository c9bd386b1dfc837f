"""An n-gram model of lexemes: interpolated Kneser-Ney, looked up in sorted arrays.

p(w | h) = max(c(h w) - d, 0) / c(h) + d N1+(h .) / c(h) p(w | h'), where h' drops the oldest
lexeme; below the highest order, counts are numbers of different contexts (Kneser and Ney 1995,
ICASSP; Chen and Goodman 1999, section 2.7). The order is at most 4, so that an n-gram of 16-bit
numbers is one 64-bit key and nothing collides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from hrmgym.errors import DataError, first_line

#: Numbers of what is no lexeme: before the beginning, and any lexeme that is not known.
BEGIN, UNKNOWN = 0, 1
ORDER = 4

BITS = 16
"""Of a lexeme's number."""
FORMAT = "hrmgym lexeme model 1"
"""The key of the known lexemes in a fitted file."""
HOW_TO_FIT = "python -m hrmgym.trainers.ngram FILE makes one"

_DISCOUNT = 0.75

Ids = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Table:
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

    def check(self) -> None:
        """Refuses columns that do not belong together.

        Raises:
            ValueError: says which.
        """
        for names, kinds in (
            (("keys", "counts"), (np.uint64, np.float64)),
            (("contexts", "totals", "kinds"), (np.uint64, np.float64, np.float64)),
        ):
            columns = [getattr(self, name) for name in names]
            lengths = [column.shape for column in columns]
            if [column.dtype for column in columns] != [*kinds] or len({*lengths}) > 1:
                raise ValueError(f"{', '.join(names)} do not belong together: {lengths}")


def file_hash(path: str | Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a fitted file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; {HOW_TO_FIT}") from None


class LexemeModel:
    """The probability of lexemes given up to three before them; `hrmgym.trainers.ngram` fits it.

    Args:
        common: Known lexemes, the most frequent first.
        tables: Those of the orders 1 to `ORDER`.
    """

    def __init__(self, common: Sequence[str], tables: Sequence[Table]) -> None:
        self.common = tuple(common)
        """Known lexemes, the most frequent first."""
        self._ids = numbers_of(common)
        self._tables = tuple(tables)
        self._size = len(self.common) + 1

    @classmethod
    def load(cls, path: str | Path) -> LexemeModel:
        """The model of a fitted file, from which no code runs.

        Raises:
            DataError: there is none, or it is none that `to_bytes` has made.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                common = json.loads((file.metadata() or {})[FORMAT])
                orders = range(1, ORDER + 1)
                tables = [Table(*map(file.get_tensor, _names(order))) for order in orders]
                for table in tables:
                    table.check()
                return cls(common, tables)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; {HOW_TO_FIT}") from None
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            said = f"has no {error}" if isinstance(error, KeyError) else first_line(error)
            raise DataError(f"{path}: not a fitted n-gram model: {said}; {HOW_TO_FIT}") from None

    def to_bytes(self) -> bytes:
        """A file's content; the same model gives the same bytes."""
        columns: dict[str, npt.NDArray[Any]] = {}
        for order, table in enumerate(self._tables, start=1):
            parts = (getattr(table, field.name) for field in fields(table))
            columns |= zip(_names(order), parts, strict=True)
        return save(columns, metadata={FORMAT: json.dumps(self.common)})

    def ids(self, lexemes: Sequence[str]) -> Ids:
        """Numbers of lexemes; `UNKNOWN` for those that are not known."""
        return ids_of(lexemes, self._ids)

    def log_probs(self, windows: Ids) -> npt.NDArray[np.float64]:
        """Log-probabilities, in nats, of the last lexeme of each window given the ones before it.

        Args:
            windows: [N, ORDER], with `BEGIN` where a text has not begun.
        """
        probs = np.full(len(windows), 1.0 / self._size)
        for order, table in enumerate(self._tables, start=1):
            grams = packed(windows[:, ORDER - order :])
            counts = _looked_up(table.keys, table.counts, grams)
            contexts = grams >> np.uint64(BITS)
            totals = _looked_up(table.contexts, table.totals, contexts)
            kinds = _looked_up(table.contexts, table.kinds, contexts)
            seen = totals > 0
            divisor = np.where(seen, totals, 1.0)
            own = np.maximum(counts - _DISCOUNT, 0) / divisor
            probs = np.where(seen, own + _DISCOUNT * kinds / divisor * probs, probs)
        result: npt.NDArray[np.float64] = np.log(probs)
        return result


def numbers_of(common: Sequence[str]) -> Mapping[str, int]:
    """Known lexemes with their numbers."""
    return {lexeme: number for number, lexeme in enumerate(common, start=2)}


def ids_of(lexemes: Sequence[str], numbers: Mapping[str, int]) -> Ids:
    """Numbers of lexemes; `UNKNOWN` for those that are not known."""
    return np.array([numbers.get(one, UNKNOWN) for one in lexemes], dtype=np.uint64)


def windows_of(ids: Ids) -> Ids:
    """Each lexeme with the three before it: [L, ORDER]."""
    padded = np.concatenate((np.full(ORDER - 1, BEGIN, dtype=np.uint64), ids))
    return np.lib.stride_tricks.sliding_window_view(padded, ORDER)


def packed(windows: Ids) -> Ids:
    """[N, n] as one key each."""
    keys = np.zeros(len(windows), dtype=np.uint64)
    for column in range(windows.shape[1]):
        keys = (keys << np.uint64(BITS)) | windows[:, column]
    return keys


def _names(order: int) -> list[str]:
    """Names of a table's columns in a file."""
    return [f"{order}.{field.name}" for field in fields(Table)]


def _looked_up(keys: Ids, values: npt.NDArray[np.float64], wanted: Ids) -> npt.NDArray[np.float64]:
    """Values of keys; 0 for those that are not there."""
    if not len(keys):
        return np.zeros(len(wanted))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0.0)
