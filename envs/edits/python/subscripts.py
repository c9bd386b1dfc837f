"""Kinds that change subscripts, slices, and the elements of what is written out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.calls import dropped, wrappable
from hrmgym.envs.edits.python.numbers import counts
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Change, Place
from hrmgym.envs.edits.python.pools import names_at
from hrmgym.envs.edits.python.program import Program

Changes = Iterator[Change | None]

_ZERO, _ONE, _LAST = pc.constant(0), pc.constant(1), pc.constant(-1)
_NOT_SLICED = frozenset({"int", "float", "bool", "dict", "set", "iter", "func", "class", "none"})


def drop_subscript(program: Program) -> Changes:
    """The whole for one item or a slice of it."""
    for place in program.of_kind(ast.Subscript):
        yield program.put(place, place.inner[0].piece)


def slice_bound(program: Program) -> Changes:
    """A bound of a slice left out or added, or one item for the slice."""
    for place in program.of_kind(ast.Slice):
        node = place.node
        low, high, step = (
            program.at[one].piece if one is not None else None
            for one in (node.lower, node.upper, node.step)
        )
        candidates = [(None, high, step), (low, None, step), (low, high, None)]
        for one in (*indices(program, place), _ONE, _LAST):
            if low is None:
                candidates.append((one, high, step))
            if high is None:
                candidates.append((low, one, step))
        if low is None and high is not None:
            candidates.append((high, None, step))
        if high is None and low is not None:
            candidates.append((None, low, step))
        if step is None:
            candidates.append((low, high, _LAST))
        for candidate in candidates:
            yield program.replace(place, pc.bounds(*candidate))
        for bound in (low, high):
            if bound is not None and step is None:
                yield program.replace(place, bound)


def indices(program: Program, place: Place) -> list[Piece]:
    """The variables that may be an index."""
    return [
        piece
        for piece in names_at(program, place)
        if piece.type == "int" or (not piece.type and piece.text in program.numeric)
    ]


def index_to_slice(program: Program) -> Changes:
    """A slice for one item; the item from the other end."""
    for place in program.of_kind(ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Call):
        if place.field != "slice" or not counts(program, place):
            continue
        for bound in (pc.bounds(place.piece, None), pc.bounds(None, place.piece)):
            yield program.replace(place, bound)
        if isinstance(place.node, (ast.Name, ast.BinOp)):
            yield program.put(place, pc.minus(place.piece))


def add_slice(program: Program) -> Changes:
    """A slice of a value: all but the first or the last, from or up to a variable."""
    for place in program.of_kind(ast.Name, ast.Attribute, ast.Call):
        if not _sliceable(program, place):
            continue
        ends = [(_ONE, None, None), (None, _LAST, None), (None, None, _LAST), (None, None, None)]
        for one in indices(program, place):
            ends += [(one, None, None), (None, one, None)]
        for low, high, step in ends:
            kind = place.piece.type
            yield program.put(place, pc.item(place.piece, pc.bounds(low, high, step), kind))


def _sliceable(program: Program, place: Place) -> bool:
    if place.piece.type in _NOT_SLICED or counts(program, place) or not wrappable(place):
        return False
    return not (isinstance(place.parent, ast.Subscript) and place.field == "value")


def add_subscript(program: Program) -> Changes:
    """One item of a value: the first, the last, or the one that a variable says."""
    for place in program.of_kind(ast.Name, ast.Attribute, ast.Call, ast.Subscript):
        kind = place.piece.type
        if kind in _NOT_SLICED - {"dict"} or not wrappable(place) or counts(program, place):
            continue
        hashed = kind == "dict"
        if not hashed:
            for index in (_ZERO, _LAST, _ONE):
                yield program.put(place, pc.item(place.piece, index))
        for piece in names_at(program, place) if hashed or not kind else indices(program, place):
            if piece.type in ("", "int", "str"):
                yield program.put(place, pc.item(place.piece, piece))


def drop_element(program: Program) -> Changes:
    """An element of a list, tuple, set or dict written out left out."""
    for place in program.of_kind(ast.List, ast.Tuple, ast.Set, ast.Dict):
        node, canon = place.node, program.canons[place.region]
        if isinstance(node, ast.Dict):
            continue
        if isinstance(node, ast.Tuple):
            pieces = [one.piece for one in place.inner]
            if len(pieces) < 2 or any(isinstance(one.node, ast.Starred) for one in place.inner):
                continue
            for index in range(len(pieces)):
                rest = pieces[:index] + pieces[index + 1 :]
                if len(rest) > 1 and place.low == place.start and place.piece.binds == pc.TUPLE:
                    spans = [(o.low, o.high, o.canon_start, o.canon_end) for o in place.inner]
                    yield dropped(program, spans, index, place.region)
                elif len(rest) > 1:
                    yield program.put(place, pc.display("(", rest))
                else:
                    yield program.put(place, rest[0])
                    yield program.put(place, pc.display("(", rest))
            continue
        spans = [(one.low, one.high, *canon.spans[one.node]) for one in place.inner]
        if isinstance(node, ast.Set) and len(spans) == 1:
            continue
        for index in range(len(spans)):
            yield dropped(program, spans, index, place.region)
        if (
            isinstance(node, ast.List)
            and len(spans) == 1
            and not isinstance(place.inner[0].node, ast.Starred)
        ):
            yield program.put(place, place.inner[0].piece)


def add_element(program: Program) -> Changes:
    """An element more in a list or tuple written out, a list around one value."""
    for place in program.of_kind(ast.List, ast.Tuple, ast.Set):
        if isinstance(place.parent, ast.Subscript) and isinstance(place.node, ast.Tuple):
            continue
        first = program.canons[place.region].blocks[place.node, "elts"]
        extra = (*names_at(program, place), _ZERO, _ONE, pc.constant(None))
        if not place.inner:
            if isinstance(place.node, ast.List):
                for piece in extra:
                    yield program.put(place, pc.display("[", [piece]))
            continue
        low, high = place.inner[0].low, place.inner[-1].high
        last = place.inner[-1].canon_end + 1
        for piece in extra:
            new = f"{piece.canon},"
            yield Change(low, low, f"{piece.text}, ", place.region, first, first, new)
            yield Change(high, high, f", {piece.text}", place.region, last, last, new)
    for place in program.of_kind(ast.Name, ast.Call, ast.Subscript, ast.BinOp):
        if not wrappable(place) or place.field in ("iter", "slice"):
            continue
        parent = place.parent
        added = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add)
        if added or not isinstance(parent, (ast.BinOp, ast.Compare, ast.Subscript)):
            yield program.put(place, pc.display("[", [place.piece]))
