"""Kinds that change values written out, and numbers by one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.operators import is_test
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Change, Place
from hrmgym.envs.edits.python.pools import names_at
from hrmgym.envs.edits.python.program import Program

Changes = Iterator[Change | None]

_ONE = pc.constant(1)
_EMPTY = (
    Piece("[]", "List([];)", pc.ATOM, "list"),
    Piece("{}", "Dict([];[];)", pc.ATOM, "dict"),
    Piece("()", "Tuple([];)", pc.ATOM, "tuple"),
    Piece("set()", "Call(set;[];[];)", pc.ATOM, "set"),
    pc.constant(""),
)
_SINGLE = (pc.constant(None), pc.constant(True), pc.constant(False))
_INTEGERS = (pc.constant(0), pc.constant(1), pc.constant(-1), pc.constant(2))
_MOST_TEXTS = 12
_MOST_NUMBERS = 24
_TEXTS = (" ", ",", ", ", "-", "_", ".", ":", "/", "=", "?", "&", "\n", "0", "1")


def counts(program: Program, place: Place) -> bool:
    """Whether the value at a place looks like a whole number."""
    known = program.counted.get(place)
    if known is None:
        known = program.counted[place] = _counts(program, place)
    return known


def _counts(program: Program, place: Place) -> bool:
    kind = place.piece.type
    if kind:
        return kind == "int"
    if isinstance(place.node, (ast.Slice, ast.Starred)) or place.store:
        return False
    if place.field in ("lower", "upper"):
        return True
    if isinstance(place.node, ast.Name) and place.node.id in program.numeric:
        return True
    if isinstance(place.node, ast.Subscript) and isinstance(place.node.slice, ast.Slice):
        return False
    if isinstance(place.node, ast.BinOp):
        return any(counts(program, one) for one in place.inner)
    if isinstance(place.parent, ast.Call) and isinstance(place.parent.func, ast.Name):
        return place.parent.func.id == "range" and place.field == "args"
    if isinstance(place.parent, (ast.BinOp, ast.Compare)):
        beside = [one for one in program.at[place.parent].inner if one is not place]
        return any(one.piece.type == "int" for one in beside)
    if isinstance(place.parent, ast.Tuple) and place.field == "elts":
        return program.at[place.parent].field == "slice" and isinstance(place.node, ast.Name)
    return place.field == "slice" and isinstance(place.node, (ast.Name, ast.Call))


def off_by_one(program: Program) -> Changes:
    """One more or one less of a whole number."""
    for place in program.places:
        if place.store or isinstance(place.node, ast.Constant) or not counts(program, place):
            continue
        if isinstance(place.node, ast.UnaryOp) and isinstance(place.node.operand, ast.Constant):
            continue
        node = place.node
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, (ast.Add, ast.Sub))
            and _is_one(node.right)
        ):
            continue  # `drop_operand`, `arithmetic` and `number` change that
        parent = place.parent
        if (
            isinstance(parent, ast.BinOp)
            and isinstance(parent.op, (ast.Add, ast.Sub))
            and node is parent.left
            and _is_one(parent.right)
        ):
            continue
        for sign in "+-":
            yield program.put(place, pc.binary(place.piece, sign, _ONE, place.piece.type))


def _is_one(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1 and node.value is not True


def number(program: Program) -> Changes:
    """Another number written out: one more, one less, its opposite, another one of the file."""
    own: dict[type, dict[object, None]] = {int: {}, float: {}}
    for place in program.of_kind(ast.Constant):
        known = own.get(type(place.node.value))
        if known is not None and len(known) < _MOST_NUMBERS:
            known[place.node.value] = None
    for place in program.of_kind(ast.Constant):
        value = place.node.value
        if isinstance(place.parent, ast.UnaryOp) and isinstance(place.parent.op, ast.USub):
            if type(value) is int:  # the sign belongs to it
                whole = program.at[place.parent]
                for new in dict.fromkeys((1 - value, -value - 1, 0, 1, 2, value, *own[int])):
                    if new != -value:
                        yield program.put(whole, pc.constant(new))
        elif type(value) is int:
            for new in dict.fromkeys((value + 1, value - 1, 0, 1, 2, -value, *own[int])):
                if new != value:
                    yield program.put(place, pc.constant(new))
        elif type(value) is float:
            for other in dict.fromkeys((0.0, 1.0, -value, *own[float], *own[int])):
                if other != value:
                    yield program.put(place, pc.constant(other))


def single(program: Program) -> Changes:
    """`True`, `False` or `None` for each other, `None` for a value, 0 for `None`."""
    for place in program.of_kind(ast.Constant):
        value = place.node.value
        if value is None or value is True or value is False:
            for piece in (*_SINGLE, *(_INTEGERS[:3] if value is None else _INTEGERS[:2])):
                if piece.text != place.piece.text:
                    yield program.put(place, piece)
            if not is_test(place):
                for piece in _EMPTY:
                    yield program.put(place, piece)
        elif type(value) is int or value == "":
            for piece in _SINGLE if value else (*_SINGLE, *_EMPTY):
                yield program.put(place, piece)


def empty(program: Program) -> Changes:
    """Another empty collection; one in a list more or less; `None` for it."""
    for place in program.of_kind(ast.List, ast.Dict, ast.Tuple, ast.Call, ast.Constant):
        if place.piece.canon not in _EMPTY_CANONS:
            continue
        for piece in (*_EMPTY, *_SINGLE[:1], *_INTEGERS[:1]):
            if piece.canon != place.piece.canon:
                yield program.put(place, piece)
        if isinstance(place.node, ast.List):
            yield program.put(place, pc.display("[", [place.piece]))


_EMPTY_CANONS = frozenset(piece.canon for piece in _EMPTY)


def constant_to_name(program: Program) -> Changes:
    """A variable for a value written out."""
    for place in program.of_kind(ast.Constant, ast.List, ast.Dict, ast.Tuple):
        if isinstance(place.node, ast.Constant) or place.piece.canon in _EMPTY_CANONS:
            if isinstance(place.parent, ast.Expr):
                continue
            for piece in names_at(program, place):
                yield program.put(place, piece)


def name_to_constant(program: Program) -> Changes:
    """A value written out for a variable."""
    for place in program.of_kind(ast.Name):
        if place.piece.type in ("func", "class", "module") or place.field == "func":
            continue
        if counts(program, place):
            for piece in _INTEGERS:
                yield program.put(place, piece)
        for piece in (*_SINGLE, _INTEGERS[0], _EMPTY[0], _EMPTY[4]):
            yield program.put(place, piece)


def text(program: Program) -> Changes:
    """Another text written out: one of the file, the empty one, other letters' size, a blank."""
    own: dict[object, None] = {}
    for place in program.of_kind(ast.Constant):
        if isinstance(place.node.value, (str, bytes)) and len(place.node.value) <= 40:
            own[place.node.value] = None
    for place in program.of_kind(ast.Constant):
        value = place.node.value
        if isinstance(value, str) and not isinstance(place.parent, ast.Expr):
            stripped = value.strip()
            more = (
                *_TEXTS,
                value.lower(),
                value.upper(),
                stripped,
                f"{stripped} ",
                f" {stripped}",
                "",
            )
            for new in dict.fromkeys((*more, *list(own)[:_MOST_TEXTS])):
                if isinstance(new, str) and new != value:
                    yield program.put(place, pc.constant(new))
        elif isinstance(value, bytes):
            for new in list(own)[:_MOST_TEXTS]:
                if isinstance(new, bytes) and new != value:
                    yield program.put(place, pc.constant(new))
