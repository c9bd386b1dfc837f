"""Real fixes between releases that are one legal edit, as samples to learn the order from."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from hrmgym.envs.bugs.making import Bug
from hrmgym.envs.cache import cache_dir
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.python.kinds import BULKY, LEAN
from hrmgym.envs.edits.reach import differences
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.errors import ConfigError, DataError
from hrmgym.trainers.data.corpus import write_whole
from hrmgym.trainers.data.dressing import Surroundings, dress
from hrmgym.trainers.data.edit_kinds import fixes_of
from hrmgym.trainers.data.ranked_bugs import Broken, RankSample, rank_sample
from hrmgym.trainers.data.real_edits import VERSION, RealEdit, real_edits

_SEED = 9_000_011
_ATTEMPTS = 50
_log = logging.getLogger(__name__)


def legal_fixes(split: str) -> list[tuple[str, str, str]]:
    """Function, old text and new text of a split's fixes that are one legal edit.

    Looked for once, which takes minutes, then read from a cache.
    """
    edits = real_edits(split)
    kinds = "-".join(str(len(some)) for some in (LEAN, BULKY))
    path = cache_dir() / f"legal-fixes-{VERSION}-{split}-{kinds}.json"
    try:
        numbers: list[tuple[int, int]] = [
            (int(edit), int(part)) for edit, part in json.loads(path.read_text("utf-8"))
        ]
    except FileNotFoundError:
        numbers = _looked_for(edits)
        write_whole(path, json.dumps(numbers).encode())
    except (ValueError, TypeError) as error:
        _log.warning("%s: broken (%s); building it anew", path, error)
        numbers = _looked_for(edits)
        write_whole(path, json.dumps(numbers).encode())
    found = []
    for edit, part in numbers:
        old, new = list(fixes_of(edits[edit]))[part]
        found.append((edits[edit].name, old, new))
    return found


def _looked_for(edits: Sequence[RealEdit]) -> list[tuple[int, int]]:
    found = []
    for number, edit in enumerate(tqdm(edits, desc="real fixes that are legal edits", unit="edit")):
        for part, (old, new) in enumerate(fixes_of(edit)):
            try:
                if legal_edits(old).find(new) is not None:
                    found.append((number, part))
            except DataError:
                continue
    return found


class RankedFixes:
    """Draws from the real fixes of a split, each time in other surroundings.

    Args:
        split: Whose packages.
        interface: Lays out the canvases.
        kinds: Kind -> number, for the network.
        seed: With the index, all that a sample depends on.
        dressed: Share that is shown in a file with more in it.

    Raises:
        ConfigError: none of the fixes is a legal edit.
    """

    def __init__(
        self,
        split: str,
        interface: EditInterface,
        kinds: Mapping[str, int],
        *,
        seed: int,
        dressed: float = 0.0,
    ) -> None:
        self._fixes = legal_fixes(split)
        if not self._fixes:
            raise ConfigError(f"no real fix of split {split!r} is one legal edit")
        self._interface, self._kinds = interface, kinds
        self._seed, self._dressed = seed, dressed

    def sample(self, index: int) -> RankSample:
        """Sample number `index`."""
        rng = np.random.default_rng((self._seed + _SEED, index))
        for _ in range(_ATTEMPTS):
            name, old, new = self._fixes[int(rng.integers(len(self._fixes)))]
            if rng.random() < self._dressed:
                old, new = self._dressed_alike(old, new, rng)
            broken = Broken(old, new, name.rpartition(".")[2], path="program.py")
            made = rank_sample(broken, self._interface, self._kinds, rng)
            if made is not None:
                return made
        raise ConfigError(f"{_ATTEMPTS} real fixes in a row fit no canvas; use a larger one")

    def _dressed_alike(self, old: str, new: str, rng: np.random.Generator) -> tuple[str, str]:
        other = self._fixes[int(rng.integers(len(self._fixes)))][2]
        forward = differences(old, new)
        bug = dress(Bug(old, tuple(forward), ("",) * len(forward)), Surroundings("", other), rng)
        return bug.code, bug.fixed


def real_samples(
    split: str, interface: EditInterface, kinds: Mapping[str, int], most: int
) -> list[RankSample]:
    """Up to `most` of a split's fixes as they are, whole lists, the same each time."""
    fixes = legal_fixes(split)
    found: list[RankSample] = []
    for at in np.random.default_rng(_SEED).permutation(len(fixes)).tolist():
        name, old, new = fixes[at]
        broken = Broken(old, new, name.rpartition(".")[2], path="program.py")
        made = rank_sample(broken, interface, kinds, None)
        found += [made] if made is not None else []
        if len(found) == most:
            break
    return found
