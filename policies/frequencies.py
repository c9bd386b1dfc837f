"""How often people make each kind of edit when they repair a function.

The shipped table counts the kinds of real fixes in training packages, those that are one legal edit
of the old function; `python -m hrmgym.trainers.data.edit_kinds` makes it anew.
"""

from __future__ import annotations

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
#: Added to every count, so that a kind that no fix was of is rare and not impossible.
_UNSEEN = 0.5
_FORMAT = {"language": str, "fixes": int, "tried": int, "source": str, "kinds": dict}


class Frequencies:
    """An edit is as probable as its kind is among real fixes, shared among the list's of its kind.

    Args:
        counts: Kind -> number of real fixes of it; by default the shipped ones of the task's
            language.
    """

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self.counts = counts

    def log_probs(self, state: State, edits: Sequence[FileEdit], spectra: Spectra) -> LogProbs:
        """See `Ranker.log_probs`.

        Raises:
            UnknownNameError: there is no table of the task's language.
        """
        counts = shipped(state.task.language) if self.counts is None else self.counts
        here = Counter(one.edit.kind for one in edits)
        score = {
            kind: np.log((counts.get(kind, 0) + _UNSEEN) / number) for kind, number in here.items()
        }
        return normalised(np.array([score[one.edit.kind] for one in edits]))


@cache
def shipped(language: str) -> Mapping[str, int]:
    """Kind -> count, from the table that comes with the package.

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


def read_table(path: Path) -> Mapping[str, int]:
    """Kind -> count, as `python -m hrmgym.trainers.data.edit_kinds` writes it.

    Raises:
        DataError: the file is missing, or is none; the message names the key.
    """
    table = read_object(path, DataError)
    if wrong := check_keys(table, _FORMAT, path):
        raise DataError(wrong)
    kinds: dict[str, int] = table["kinds"]
    for kind, count in kinds.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise DataError(
                f"{path}: kinds.{kind}: should be a number of fixes, not {shown(count)}"
            )
    return kinds
