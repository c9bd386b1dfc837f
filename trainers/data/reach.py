"""Which operators could have made the bug that a real edit took out."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hrmgym.envs.bugs.meaning import compiles
from hrmgym.envs.bugs.sites import Operator
from hrmgym.envs.bugs.spans import inverses
from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.edits.source import Source, parse
from hrmgym.trainers.data.real_edits import RealEdit

_BLANKS = re.compile(r"\s+")
_LAST_COMMA = re.compile(r",([)\]}])")


@dataclass(frozen=True, slots=True)
class Reach:
    """How operators reach one real edit, from the newer text back to the older one."""

    parts: tuple[Mapping[str, float], ...]
    """For each part that can stand alone: operator -> its chance of this very bug, were all its
    sites equally likely. One part where one operator makes the whole edit, or where the spans of
    the edit do not compile one without the other."""

    @property
    def reached(self) -> bool:
        """Whether operators can make every part."""
        return all(self.parts)


def reach(edit: RealEdit, operators: Mapping[str, Operator]) -> Reach:
    """What of an edit the operators could have made."""
    after = edit.after
    backward = inverses(edit.before, edit.edits)
    source = parse(after)
    whole = _chances(source, edit.before, operators)
    alone = [apply(after, one) for one in backward]
    if whole or len(alone) == 1 or not all(map(compiles, alone)):
        return Reach((whole,))
    return Reach(tuple(_chances(source, text, operators) for text in alone))


def coverage(edits: Iterable[RealEdit], operators: Mapping[str, Operator]) -> float:
    """Share of the edits that the operators reach."""
    reached = [reach(edit, operators).reached for edit in edits]
    return sum(reached) / len(reached)


def _chances(source: Source, wanted: str, operators: Mapping[str, Operator]) -> dict[str, float]:
    target, same = _squeezed(wanted), _squeezed(source.text)
    moved = target == same  # only the indentation tells
    most = max(len(wanted), len(source.text))
    grown = len(target) - len(same)

    def can(edit: Edit) -> bool:
        """A quick look: blanks and a last comma aside, lengths must fit."""
        cut = source.text[edit.start : edit.end]
        gain = len(_BLANKS.sub("", edit.text)) - len(_BLANKS.sub("", cut))
        return abs(gain - grown) <= 2 and len(edit.text) <= most

    tree = _dump(wanted) if moved else ""
    found = {}
    for name, operator in operators.items():
        sites = [edit for edit, _ in operator(source)]
        hits = sum(_hits(source.text, one, target, tree) for one in sites if can(one))
        if hits:
            found[name] = hits / len(sites)
    return found


def _hits(text: str, edit: Edit, target: str, tree: str) -> bool:
    made = apply(text, edit)
    return _squeezed(made) == target and (not tree or _dump(made) == tree)


def _squeezed(text: str) -> str:
    return _LAST_COMMA.sub(r"\1", _BLANKS.sub("", text))


def _dump(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError):
        return ""
