"""What a prepared program is made of: changes, the places of expressions, blocks of statements."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from hrmgym.envs.edits.python.contexts import Rejected
from hrmgym.envs.edits.python.flow import Scope
from hrmgym.envs.edits.python.pieces import Piece


class Change(NamedTuple):
    """An edit of the text, with what it does to the tree of its region."""

    start: int
    end: int
    text: str
    region: int
    """Which of the program's regions."""
    canon_start: int
    canon_end: int
    canon: str
    """What comes in place of `canon_start:canon_end` of the region's `Canon`."""


class Place:
    """An expression of a program, and what has to hold of another one in its place."""

    __slots__ = (
        "canon_end",
        "canon_start",
        "end",
        "field",
        "glued",
        "high",
        "inner",
        "low",
        "need",
        "node",
        "parent",
        "piece",
        "region",
        "rejects",
        "scope",
        "start",
        "statement",
        "store",
        "unbound",
    )

    node: Any
    """The expression."""
    parent: Any
    """The node that holds it."""
    field: str
    """Where in the parent."""
    statement: ast.stmt
    scope: Scope
    start: int
    """Its span in the text, parentheses left out."""
    end: int
    low: int
    """Its span with the parentheses around it."""
    high: int
    glued: int
    """Whether a letter or a digit stands right before `low` (1), right behind `high` (2)."""
    region: int
    canon_start: int
    canon_end: int
    need: int
    """How tightly an expression has to bind here to need no parentheses."""
    piece: Piece
    """The expression itself, to be put elsewhere."""
    rejects: Rejected
    """Types that obviously fail here."""
    unbound: int
    """Names that are not bound here, as bits."""
    store: bool
    """Whether it is assigned to."""
    inner: tuple[Place, ...]
    """The places directly in it."""


class Block(NamedTuple):
    """A list of statements, docstrings left out."""

    owner: Any
    field: str
    statements: list[ast.stmt]
    region: int
    canon_start: int
    """Where the first of them begins in the region's `Canon`."""
    scope: Scope
    legal: int
    """Which statements are legal in it, `LOOP` and `FUNCTION` as bits."""


#: Where a statement is legal: inside loops, in functions that return values.
LOOP, FUNCTION = 1, 2
