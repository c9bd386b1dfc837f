"""Choosing the bugs that the present model misses (the idea of BugLab's selector, as a bandit).

Allamanis, Jackson-Flux, Brockschmidt 2021 (arXiv 2105.12787) train a second model to place bugs.
Here each class of bugs (operator, and what the repair must write) keeps a moving average of how
badly the model did on it, and of a few candidate bugs the stream takes one by these averages.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.sharedctypes import RawArray

import numpy as np

from hrmgym.envs.bugs.realistic import REALISTIC
from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.lexer import KEYWORDS, is_name, lex
from hrmgym.errors import ConfigError, UnknownNameError

KINDS = ("nothing", "layout", "name", "keyword", "number", "text", "sign")
"""What a repair writes first; `nothing` where it only takes away."""
_OPERATORS = tuple(REALISTIC)


def kind_of(repair: Edit) -> str:
    """The kind of the first lexeme that a repair writes, one of `KINDS`."""
    lexemes = [lexeme.strip() for lexeme in lex(repair.text)]
    first = next(filter(None, lexemes), "")
    if not first:
        return "layout" if repair.text else "nothing"
    if first in KEYWORDS:
        return "keyword"
    if is_name(first):
        return "name"
    if first[0].isdigit():
        return "number"
    return "text" if first[-1] in "\"'" else "sign"


class Selector:
    """Weights of bug classes, shared with worker processes that are started after it.

    With a selector, samples depend on what was reported: such a stream is not reproducible from
    its seed alone.

    Args:
        floor: Share of draws that ignore the weights, so that no class is forgotten.
        memory: How much of an average a new report leaves.

    Raises:
        ConfigError: a number is not between 0 and 1.
    """

    def __init__(self, floor: float = 0.3, memory: float = 0.99) -> None:
        for name, number in (("floor", floor), ("memory", memory)):
            if not 0 <= number <= 1:
                raise ConfigError(f"selector: {name} is {number}; it must be from 0 to 1")
        self.floor, self.memory = floor, memory
        # What was never tried is worth a try: averages begin at the worst.
        self._missed = RawArray("d", [1.0] * (len(_OPERATORS) * len(KINDS)))

    def report(self, operator: str, kind: str, missed: float) -> None:
        """Tells how badly the model did on one bug.

        Args:
            operator: Who made it; other than operators (`real`, a benchmark's tag) is not counted.
            kind: One of `KINDS`.
            missed: 0 (found) to 1 (missed), for example 1 - the chance of the right repair.

        Raises:
            UnknownNameError: no such kind.
        """
        if operator in REALISTIC:
            at = _place(operator, kind)
            self._missed[at] += (1 - self.memory) * (missed - self._missed[at])

    def missed(self, operator: str, kind: str) -> float:
        """The present average of a class."""
        return float(self._missed[_place(operator, kind)])

    def choose(self, classes: Sequence[tuple[str, str]], rng: np.random.Generator) -> int:
        """Index of the candidate to take, given each one's operator and kind."""
        if rng.random() < self.floor:
            return 0
        weights = np.array([self.missed(*one) for one in classes])
        if not weights.sum() > 0:
            return 0
        return int(rng.choice(len(classes), p=weights / weights.sum()))


def _place(operator: str, kind: str) -> int:
    if kind not in KINDS:
        raise UnknownNameError("kind of repair", kind, KINDS)
    return _OPERATORS.index(operator) * len(KINDS) + KINDS.index(kind)
