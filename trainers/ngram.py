"""Fitting of the n-gram policy: counts of what functions are made of.

    python -m hrmgym.trainers.ngram FILE               fits to the standard library's functions
    python -m hrmgym.trainers.ngram FILE --packages    and to those of the training packages

FILE is what `policy.file` names. Functions that are held out from training are left out here too.
"""

from __future__ import annotations

import argparse
import logging
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from hrmgym.envs.cache import cache_dir
from hrmgym.envs.lexer import lex
from hrmgym.errors import DataError, UserError
from hrmgym.policies.config import NgramConfig
from hrmgym.policies.lexeme_model import (
    BITS,
    ORDER,
    Ids,
    LexemeModel,
    Table,
    ids_of,
    numbers_of,
    packed,
    windows_of,
)
from hrmgym.trainers.data.corpus import CORPUS_VERSION, stdlib_functions, write_whole
from hrmgym.trainers.data.heldout import is_held_out
from hrmgym.trainers.data.packages import package_functions, packages_version

VERSION = 1
"""Part of the cache's key: to be raised with every change of what `fit` yields."""
_MOST = (1 << BITS) - 2  # two numbers are no lexeme's
_log = logging.getLogger(__name__)


def with_file(config: NgramConfig) -> NgramConfig:
    """The configuration with a fitted file; one that names none gets the cache's, made if need be.

    Raises:
        DataError: a package is not cached and cannot be downloaded, or the cache's folder cannot be
            written.
    """
    if config.file is not None:
        return config
    version = f"{VERSION}-{CORPUS_VERSION}-{platform.python_version()}"
    version += f"-{packages_version()}" if config.packages else ""
    path = cache_dir() / f"ngram-{version}.safetensors"
    if not _is_fitted(path):
        write_whole(path, fit(training_texts(config.packages)).to_bytes())
        if not path.exists():
            raise DataError(f"{path}: the fitted n-gram model cannot be written; set HRMGYM_CACHE")
    return NgramConfig(kind=config.kind, file=str(path))


def _is_fitted(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        LexemeModel.load(path)
    except DataError as error:
        _log.warning("%s; building it anew", error)
        return False
    return True


def training_texts(packages: bool) -> list[str]:
    """The functions that networks are trained on.

    Args:
        packages: Whether those of the training packages are among them.

    Raises:
        DataError: a package is not cached and cannot be downloaded.
    """
    functions = [*stdlib_functions(), *(package_functions() if packages else ())]
    return [one.code for one in functions if not is_held_out(one.code)]


def fit(texts: Iterable[str], least: int = 2) -> LexemeModel:
    """The model of some texts.

    Args:
        texts: What it learns from.
        least: Lexemes seen less often are not known.
    """
    rows = [lex(text) for text in texts]
    seen = Counter(lexeme for row in rows for lexeme in row)
    known = [lexeme for lexeme, count in seen.most_common(_MOST) if count >= least]
    numbers = numbers_of(known)
    return LexemeModel(known, _tables([ids_of(row, numbers) for row in rows]))


def _tables(rows: Sequence[Ids]) -> list[Table]:
    """Tables of the orders 1 to `ORDER`."""
    windows = [windows_of(row) for row in rows if len(row)]
    every = np.concatenate(windows) if windows else np.zeros((0, ORDER), dtype=np.uint64)
    tables: list[Table] = []
    keys, counts = np.unique(packed(every), return_counts=True)
    for order in range(ORDER, 0, -1):
        if order < ORDER:  # how many different n-grams of the order above end in it
            mask = np.uint64((1 << (BITS * order)) - 1)
            keys, counts = np.unique(tables[0].keys & mask, return_counts=True)
        contexts, place = np.unique(keys >> np.uint64(BITS), return_inverse=True)
        totals = np.bincount(place, weights=counts, minlength=len(contexts)).astype(np.float64)
        kinds = np.bincount(place, minlength=len(contexts)).astype(np.float64)
        tables.insert(0, Table(keys, counts.astype(np.float64), contexts, totals, kinds))
    return tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit a model and write its file; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hrmgym.trainers.ngram")
    parser.add_argument("file", type=Path, help="where the fitted model goes")
    parser.add_argument(
        "--packages", action="store_true", help="learn from the training packages too"
    )
    options = parser.parse_args(arguments)
    texts = training_texts(options.packages)
    data = fit(texts).to_bytes()
    try:
        options.file.write_bytes(data)
    except OSError as error:
        raise DataError(f"{options.file}: cannot be written: {error.strerror}") from None
    print(f"{options.file}: {len(texts)} functions, {len(data)} bytes")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as problem:
        sys.exit(str(problem))
