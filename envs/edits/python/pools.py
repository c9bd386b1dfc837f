"""What may be put at a place of a program: its variables, its functions, its attributes."""

from __future__ import annotations

import ast

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Place
from hrmgym.envs.edits.python.program import Program

_NOT_VALUES = frozenset({"func", "class", "module"})
_HIDDEN = frozenset({"self", "cls", "_", "__name__", "__file__", "__doc__", "__debug__"})


def names_at(program: Program, place: Place) -> tuple[Piece, ...]:
    """The variables that may be read at a place, itself left out, as they come in the file."""
    every = variables(program, place.scope, place.unbound, place.region)
    if not isinstance(place.node, ast.Name):
        return every
    key = ("others", place.piece.text, place.scope, place.unbound, place.region)
    known = program.memo.get(key)
    if known is None:
        known = program.memo[key] = tuple(
            piece for piece in every if piece.text != place.piece.text
        )
    assert isinstance(known, tuple)
    return known


def variables(program: Program, scope: ast.AST, unbound: int, region: int) -> tuple[Piece, ...]:
    """The variables that may be read in a scope, where these names are unbound."""
    key = ("variables", scope, unbound, region)
    known = program.memo.get(key)
    if known is None:
        known = program.memo[key] = tuple(
            piece
            for piece in _mentioned(program, scope, region)
            if not piece.reads & unbound and piece.type not in _NOT_VALUES
        )
    assert isinstance(known, tuple)
    return known


def callables(program: Program, scope: ast.AST, unbound: int, region: int) -> tuple[Piece, ...]:
    """The functions and classes that the region names or the module defines."""
    key = ("callables", scope, unbound, region)
    known = program.memo.get(key)
    if known is None:
        found = {piece.text: piece for piece in _mentioned(program, scope, region)}
        for node in program.source.nodes(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
            assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            found.setdefault(node.name, name(program, node.name, scope))
        known = program.memo[key] = tuple(
            piece
            for piece in found.values()
            if not piece.reads & unbound and piece.type in ("func", "class")
        )
    assert isinstance(known, tuple)
    return known


def name(program: Program, text: str, scope: ast.AST) -> Piece:
    """A name, as it is read in a scope."""
    key = ("name", text, scope)
    known = program.memo.get(key)
    if known is None:
        kind = program.types.of_name(text, scope)  # type: ignore[arg-type]
        known = program.memo[key] = Piece(text, text, pc.ATOM, kind, program.flow.bit(text))
    assert isinstance(known, Piece)
    return known


def _mentioned(program: Program, scope: ast.AST, region: int) -> tuple[Piece, ...]:
    """All names in a region, but those that the scope may use in some of its statements alone."""
    key = ("mentioned", scope, region)
    known = program.memo.get(key)
    if known is None:
        texts: dict[str, None] = {}
        for node in ast.walk(program.regions[region]):
            if isinstance(node, ast.arg):
                texts[node.arg] = None
        for node in program.names_in(region):
            texts[node.id] = None
        late = program.flow.late[scope]  # type: ignore[index]
        known = program.memo[key] = tuple(
            name(program, text, scope)
            for text in texts
            if text not in _HIDDEN and not program.flow.bit(text) & late
        )
    assert isinstance(known, tuple)
    return known
