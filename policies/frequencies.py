"""How often people make each kind of edit when they repair a function.

The shipped table has a weight for each kind, from real fixes in training packages that are one
legal edit of the old function; `python -m hrmgym.trainers.data.edit_kinds` makes it anew.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from hrmgym.envs.edits.places import FileEdit
from hrmgym.envs.state import State
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.jsonfile import check_keys, read_object, shown
from hrmgym.policies.ranking import LogProbs, Spectra, normalised

#: Those that there is a table of.
LANGUAGES = ("python",)
_FORMAT = {
    "language": str,
    "fixes": int,
    "tried": int,
    "source": str,
    "kinds": dict,
    "weights": dict,
}


class Frequencies:
    """Of the kinds that a list has, each is as probable as its weight; its edits share that.

    Args:
        weights: Kind -> weight; by default the shipped ones of the task's language. Kinds without
            one have the least of the others.
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self.weights = weights

    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        """See `Ranker.log_probs`.

        Raises:
            UnknownNameError: there is no table of the task's language.
        """
        weights = shipped(state.task.language) if self.weights is None else self.weights
        least = min(weights.values())
        here = Counter(one.edit.kind for one in edits)
        score = {kind: np.log(weights.get(kind, least) / number) for kind, number in here.items()}
        return normalised(np.array([score[one.edit.kind] for one in edits]))


@cache
def shipped(language: str) -> Mapping[str, float]:
    """Kind -> weight, from the table that comes with the package.

    Raises:
        UnknownNameError: there is none for that language.
        DataError: it is broken.
    """
    if language not in LANGUAGES:
        raise UnknownNameError("language", language, LANGUAGES, "frequencies of edits: ")
    with resources.as_file(resources.files("hrmgym.policies")) as folder:
        return read_table(folder / file_name(language))


def file_name(language: str) -> str:
    """Where a language's table is, below this package."""
    return f"data/edit-kinds-{language}.json"


def read_table(path: Path) -> Mapping[str, float]:
    """Kind -> weight, as `python -m hrmgym.trainers.data.edit_kinds` writes it.

    Raises:
        DataError: the file is missing, or is none; the message names the key.
    """
    table = read_object(path, DataError)
    if wrong := check_keys(table, _FORMAT, path):
        raise DataError(wrong)
    weights: dict[str, float] = table["weights"]
    if not weights:
        raise DataError(f"{path}: weights: should name at least one kind")
    for kind, weight in weights.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not (number and 0 < weight < math.inf):
            raise DataError(
                f"{path}: weights.{kind}: should be a number above 0, not {shown(weight)}"
            )
    return weights
