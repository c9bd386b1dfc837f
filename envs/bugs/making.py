"""Making a training bug: one to three edits of a working function, by a mix of operators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

import numpy as np

from hrmgym.envs.bugs.operators import WEIGHTS, Mutation, is_bug, sample_mutation
from hrmgym.envs.bugs.realistic import REALISTIC
from hrmgym.envs.bugs.spans import applied, inverses
from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.edits.source import parse
from hrmgym.errors import UnknownNameError

MixName = Literal["hand", "uniform", "fitted", "blended"]
MIXES: tuple[MixName, ...] = ("hand", "uniform", "fitted", "blended")
FILE = "operator-weights-v1.json"
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each operator acts, and how many edits make one bug."""

    weights: Mapping[str, float]
    """Operator -> relative frequency; names of `REALISTIC`."""
    counts: tuple[float, ...] = (1.0,)
    """Chance of one edit, of two, and so on."""


@dataclass(frozen=True, slots=True)
class Bug:
    """A function with a bug, and the edits that take it out."""

    code: str
    """With the bug."""
    repairs: tuple[Edit, ...]
    """Edits of `code`, in order, none overlapping; all together they give the working function."""
    operators: tuple[str, ...]
    """Who made each of them; `real` for what maintainers did."""

    @property
    def fixed(self) -> str:
        """The working function."""
        return applied(self.code, self.repairs)

    def after(self, count: int) -> Bug:
        """The bug that is left once the first `count` repairs are done."""
        done, left = self.repairs[:count], self.repairs[count:]
        code = applied(self.code, done)
        shift = len(code) - len(self.code)
        moved = tuple(Edit(one.start + shift, one.end + shift, one.text) for one in left)
        return Bug(code, moved, self.operators[count:])


@cache
def mix(name: MixName) -> Mix:
    """A mix by name.

    `hand`: the weights of `operators`, one edit. `uniform`: every operator as often as the others.
    `fitted`: as often as real edits of the training packages undo what it does, with as many
    edits as they have. `blended`: half of `hand`, half of `fitted`: slips of logic, which few
    releases show since tests catch them first, and changes as maintainers make them.

    Raises:
        UnknownNameError: no such mix.
    """
    if name == "hand":
        return Mix(WEIGHTS)
    if name == "uniform":
        return Mix(MappingProxyType(dict.fromkeys(REALISTIC, 1.0)))
    if name == "fitted":
        file = resources.files("hrmgym.envs").joinpath(f"data/{FILE}")
        data = json.loads(file.read_text(encoding="utf-8"))
        return Mix(MappingProxyType(data["weights"]), tuple(data["counts"]))
    if name == "blended":
        hand, fitted = mix("hand").weights, mix("fitted")
        shares = {name: weight / sum(hand.values()) for name, weight in hand.items()}
        total = sum(fitted.weights.values())
        weights = {n: w / total + shares.get(n, 0.0) for n, w in fitted.weights.items()}
        return Mix(MappingProxyType(weights), fitted.counts)
    raise UnknownNameError("mix", name, MIXES)


def make_bug(text: str, rng: np.random.Generator, recipe: Mix) -> Bug | None:
    """A bug in a working function; None if no operator of the mix finds a place.

    Raises:
        DataError: the text is not Python.
    """
    wanted = 1
    if len(recipe.counts) > 1:
        wanted += int(rng.choice(len(recipe.counts), p=np.array(recipe.counts)))
    made: list[Mutation] = []
    for _ in range(wanted * _ATTEMPTS):
        found = sample_mutation(text, rng, REALISTIC, recipe.weights)
        if found is None:
            return None
        if all(_apart(found.edit, other.edit) for other in made):
            made.append(found)
        if len(made) == wanted:
            break
    made.sort(key=lambda one: one.edit)
    edits = [one.edit for one in made]
    if len(edits) > 1 and not is_bug(parse(text), applied(text, edits)):
        made, edits = made[:1], edits[:1]
    code = applied(text, edits)
    return Bug(code, inverses(text, edits), tuple(one.operator for one in made))


def _apart(one: Edit, other: Edit) -> bool:
    """Whether there is at least a character between two spans."""
    return one.end < other.start or other.end < one.start
