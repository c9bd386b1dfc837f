"""Bugs that are legal repairs inverted: everything that is made here, a legal edit unmakes.

A working program is changed by legal edits at disjoint places, and a change is kept only if the way
back is a legal edit of the changed program, small enough for one action of the canvas. How often a
kind of bug is made follows from how often its *repair* is seen in real fixes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from types import MappingProxyType

import numpy as np

from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.edits.legal import LegalEdit, legal_edits
from hrmgym.envs.edits.python.enumerator import PythonEdits
from hrmgym.envs.tokens import load_tokens
from hrmgym.errors import DataError

MOST_TOKENS = 16
"""Tokens that one action of the canvas can put in the place of others."""
MOST_EDITS = 3
_TRIES = 60

#: Kind of repair -> how often real fixes are of it, in thousands of 1 M single-statement fixes in
#: Python (TSSB-3M, without duplicates). What it counts as one pattern is shared among the kinds
#: that it has here: a numeric literal is `number` or `off_by_one`, a binary operand `operands`,
#: `drop_operand`, `add_term` or an expression for a name, a stricter condition `add_condition` or a
#: guard. It is a published table, and not one that a policy here orders edits by.
FIX_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "identifier": 77,
        "add_argument": 41,
        "callee": 39,
        "wrap_in_call": 32,
        "attribute": 30,
        "number": 20,
        "expression_to_name": 20,
        "add_method": 17,
        "add_element": 15,
        "drop_operand": 10,
        "drop_argument": 14,
        "off_by_one": 13,
        "add_condition": 12,
        "single": 13,
        "add_attribute": 10,
        "name_to_constant": 8,
        "text": 8,
        "keyword": 6,
        "constant_to_name": 6,
        "add_term": 5,
        "drop_condition": 5,
        "insert_guard": 4,
        "operands": 5,
        "comparison": 4,
        "negation": 4,
        "arithmetic": 3,
        "boolean_operator": 2,
        "swap_arguments": 2,
    }
)
#: Of every kind that the table does not name: fixes of no named pattern.
OTHER_WEIGHT = 5.0

#: Kind of repair -> kinds of change that it can unmake; others are tried among all kinds.
UNMAKES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "wrap_in_call": ("unwrap_call",),
        "unwrap_call": ("wrap_in_call", "add_method", "recursion"),
        "add_method": ("unwrap_call",),
        "add_argument": ("drop_argument",),
        "drop_argument": ("add_argument", "add_bound"),
        "add_element": ("drop_element",),
        "drop_element": ("add_element",),
        "off_by_one": ("drop_operand",),
        "drop_operand": ("off_by_one", "add_term"),
        "add_term": ("drop_operand",),
        "add_condition": ("drop_condition",),
        "drop_condition": ("add_condition", "add_fallback"),
        "insert_guard": ("delete_statement",),
        "insert_statement": ("delete_statement",),
        "donor_line": ("delete_statement",),
        "delete_statement": ("insert_statement", "insert_guard", "donor_line"),
        "unwrap_block": ("wrap_in_if",),
        "move_in": ("move_out",),
        "move_out": ("move_in",),
        "move_in_statements": ("move_out_statements",),
        "move_out_statements": ("move_in_statements",),
        "drop_filter": ("add_filter",),
        "add_filter": ("drop_filter",),
        "if_to_elif": ("elif_to_if",),
        "elif_to_if": ("if_to_elif",),
        "call_to_assignment": ("assignment_to_call",),
        "assignment_to_call": ("call_to_assignment",),
        "to_augmented": ("augmented",),
        "augmented": ("to_augmented", "augmented"),
        "add_subscript": ("drop_subscript",),
        "drop_subscript": ("add_subscript", "add_slice"),
        "slice_bound": ("index_to_slice", "slice_bound"),
        "name_to_constant": ("constant_to_name",),
        "constant_to_name": ("name_to_constant",),
        "expression_to_name": ("add_attribute", "expression_swap"),
        "add_attribute": ("drop_attribute", "expression_to_name"),
        "drop_attribute": ("add_attribute",),
        **{
            kind: (kind,)
            for kind in (
                *("comparison", "arithmetic", "boolean_operator", "negation", "identifier"),
                *("operands", "target", "swap_arguments", "keyword", "text", "number", "single"),
                *("attribute", "callee", "empty", "jump", "swap_statements", "swap_branches"),
                *("if_or_while", "move_statement", "target_expression", "swap_conditional"),
                *("use_of_value", "comparison_and_bound", "to_condition"),
                *("default_value", "exception_type", "parameter"),
            )
        },
    }
)


@dataclass(frozen=True, slots=True)
class InvertedBug:
    """A program with a bug, and the legal edits that take it out."""

    code: str
    """With the bug."""
    made: tuple[Edit, ...]
    """What made it: the first of the working program, each other of what the one before left."""
    repairs: tuple[LegalEdit, ...]
    """What unmakes it: the first is a legal edit of `code`, each other of what the one before left;
    after the last the program has the working one's syntax."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the repairs, in their order."""
        return tuple(one.kind for one in self.repairs)


def make_inverted(
    text: str,
    rng: np.random.Generator,
    count: int = 1,
    *,
    within: tuple[int, int] | None = None,
    weights: Mapping[str, float] = FIX_WEIGHTS,
) -> InvertedBug | None:
    """A bug in a working program; None if no place is found for so many edits.

    Args:
        text: The program.
        rng: Where chance comes from.
        count: Number of edits, 1 to `MOST_EDITS`, no two of which touch.
        within: Only edits inside this span of characters; by default the whole text.
        weights: Kind of repair -> how often it is wanted; 0: never.

    Raises:
        DataError: the text is not Python, or the count is out of range.
    """
    if not 1 <= count <= MOST_EDITS:
        raise DataError(f"{count} edits for a bug; from 1 to {MOST_EDITS} can be made")
    code, made, repairs = text, list[Edit](), list[LegalEdit]()
    low, high = within or (0, len(text))
    taken: list[tuple[int, int]] = []  # spans of `code` that edits have made
    for _ in range(count):
        step = _step(code, (low, high), taken, rng, weights)
        if step is None:
            return None
        edit, repair = step
        grown = len(edit.text) - (edit.end - edit.start)
        taken = [(a + grown, b + grown) if a >= edit.end else (a, b) for a, b in taken]
        taken.append((edit.start, edit.start + len(edit.text)))
        code, high = apply(code, edit), high + grown
        made.append(edit)
        repairs.insert(0, repair)
    return InvertedBug(code, tuple(made), tuple(repairs))


def _step(
    code: str,
    within: tuple[int, int],
    taken: list[tuple[int, int]],
    rng: np.random.Generator,
    weights: Mapping[str, float],
) -> tuple[Edit, LegalEdit] | None:
    """One more edit, and the legal edit that unmakes it."""
    kinds: Mapping[str, Sequence[Edit]]
    if taken:
        every = _by_kind(code, within)
        free = {kind: [one for one in edits if _apart(one, taken)] for kind, edits in every.items()}
        kinds = {kind: edits for kind, edits in free.items() if edits}
    else:
        kinds = _of_untouched(code, within)
    wanted = sorted({*weights, *kinds})
    shares = np.array([weights.get(kind, OTHER_WEIGHT) for kind in wanted])
    if not kinds or not shares.sum():
        return None
    for at in rng.choice(len(wanted), size=_TRIES, p=shares / shares.sum()):
        sources = [one for one in UNMAKES.get(wanted[at], sorted(kinds)) if one in kinds]
        if not sources:
            continue
        edits = kinds[sources[int(rng.integers(len(sources)))]]
        edit = edits[int(rng.integers(len(edits)))]
        repair = way_back(code, edit, within)
        if repair is not None and repair.kind == wanted[at]:
            return edit, repair
    return None


def _by_kind(code: str, within: tuple[int, int]) -> Mapping[str, Sequence[Edit]]:
    """The legal edits of a program."""
    found = legal_edits(code, within=within)
    kinds: dict[str, list[Edit]] = {}
    for one in chain(found.lean(), found.bulky()):
        kinds.setdefault(one.kind, []).append(one.edit)
    return kinds


#: Several bugs of one program are made one after the other. A program may have a million edits.
_of_untouched = lru_cache(maxsize=2)(_by_kind)


def _apart(edit: Edit, taken: Sequence[tuple[int, int]]) -> bool:
    """Whether an edit touches none of some spans."""
    return all(edit.end < start or end < edit.start for start, end in taken)


def way_back(code: str, edit: Edit, within: tuple[int, int]) -> LegalEdit | None:
    """The legal edit that unmakes another one; None where none of a canvas' size does.

    Args:
        code: A program.
        edit: A legal edit of it.
        within: The span of characters that legal edits of `code` are inside of.

    Raises:
        DataError: the program is not Python.
    """
    changed = apply(code, edit)
    grown = len(changed) - len(code)
    try:
        found = PythonEdits(changed, (within[0], within[1] + grown)).find(code)
    except DataError:  # an edit that the enumerator wrongly took for legal
        return None
    if found is None or _tokens(found.edit.text) > MOST_TOKENS:
        return None
    return found if _tokens(changed[found.edit.start : found.edit.end]) <= MOST_TOKENS else None


def _tokens(text: str) -> int:
    return len(load_tokens().encode(text).ids)
