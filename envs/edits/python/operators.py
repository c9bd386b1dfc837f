"""Kinds that change operators: comparisons, arithmetic, `and` and `or`, `not`, operands."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Change, Place
from hrmgym.envs.edits.python.program import Program

Changes = Iterator[Change | None]

_ORDER = ("<", "<=", ">", ">=", "==", "!=")
_COMPARED = {
    **{sign: _ORDER for sign in _ORDER},
    "==": (*_ORDER, "is", "in"),
    "!=": (*_ORDER, "is not", "not in"),
    "is": ("is not", "=="),
    "is not": ("is", "!="),
    "in": ("not in", "=="),
    "not in": ("in", "!="),
}
_BITS = ("&", "|", "^")
_ARITHMETIC = {
    "+": ("-", "*", "//", "/", "%", "|"),
    "-": ("+", "*", "//", "%", "&"),
    "*": ("+", "-", "//", "/", "**", "%"),
    "/": ("//", "*", "-", "%", "+"),
    "//": ("/", "%", "*", "-", "+", ">>"),
    "%": ("//", "*", "-", "+", "/", "&"),
    "**": ("*", "//", "<<", "+"),
    "&": ("|", "^", "-", "%"),
    "|": ("&", "^", "+"),
    "^": ("&", "|", "-"),
    "<<": (">>", "*", "**"),
    ">>": ("<<", "//"),
    "@": ("*",),
}
_SAME_EITHER_WAY = frozenset({"Add", "Mult", "BitAnd", "BitOr", "BitXor"})
_TESTS = ("test", "ifs")


def sign_of(operator: ast.AST) -> str:
    """How an operator is written."""
    return pc.SIGNS[type(operator).__name__]


def comparison(program: Program) -> Changes:
    """Another comparison: `<` for `<=`, `is not` for `is`, `in` for `==`."""
    for place in program.of_kind(ast.Compare):
        node, sides = place.node, place.inner
        for index, operator in enumerate(node.ops):
            sign = sign_of(operator)
            left, right = sides[index], sides[index + 1]
            start, end = program.source.operator_between(left.node, right.node)
            begin, stop = _operator_canon(program, place, index)
            for new in _COMPARED[sign]:
                if new == sign or _pointless(new, left.piece, right.piece):
                    continue
                name = pc.COMPARISONS[new]
                if new.isalpha() or " " in new:  # `a==b` may have no blanks
                    around = program.text[start - 1], program.text[end]
                    new = f"{'' if around[0].isspace() else ' '}{new}"
                    new += "" if around[1].isspace() else " "
                yield Change(start, end, new, place.region, begin, stop, f"{name}()")


def _operator_canon(program: Program, place: Place, index: int) -> tuple[int, int]:
    """Where the operator of a comparison is in its region's `Canon`."""
    start = program.canons[place.region].blocks[place.node, "ops"]
    for operator in place.node.ops[:index]:
        start += len(type(operator).__name__) + 3
    return start, start + len(type(place.node.ops[index]).__name__) + 2


def _pointless(sign: str, left: Piece, right: Piece) -> bool:
    if sign in ("in", "not in"):
        return right.type in ("int", "float", "bool", "none", "func", "class") or (
            right.type == "str" and left.type not in ("", "str")
        )
    if sign in ("is", "is not"):
        return right.type in ("int", "float", "str", "list", "dict", "tuple", "set")
    if sign in ("<", "<=", ">", ">="):
        known = {left.type, right.type} - {""}
        return bool(known & {"none", "func", "class", "dict"}) or (
            len(known) == 2 and not known <= {"int", "float", "bool"}
        )
    return False


def arithmetic(program: Program) -> Changes:
    """Another arithmetic or bit operator."""
    for place in program.of_kind(ast.BinOp):
        sign = sign_of(place.node.op)
        left, right = (one.piece for one in place.inner)
        for new in _ARITHMETIC[sign]:
            if not _computes(left.type, new, right.type):
                continue
            piece = pc.binary(left, new, right)
            if piece.binds < place.need and place.low == place.start:
                yield program.replace(place, piece)  # with parentheses around the whole
            elif _fits(place, new):
                start, end = program.source.operator_between(*(one.node for one in place.inner))
                begin = place.inner[0].canon_end + 1
                stop = place.inner[1].canon_start - 1
                name = pc.BINARY[new][0]
                yield Change(start, end, new, place.region, begin, stop, f"{name}()")
            else:
                yield program.replace(place, piece)


def _fits(place: Place, sign: str) -> bool:
    """Whether both operands need no new parentheses beside another operator."""
    left, right = place.inner
    binds = pc.BINARY[sign][1]
    least = (pc.AWAIT, pc.SIGN) if sign == "**" else (binds, binds + 1)
    return (left.low < left.start or left.piece.binds >= least[0]) and (
        right.low < right.start or right.piece.binds >= least[1]
    )


def _computes(left: str, sign: str, right: str) -> bool:
    """Whether an operator may work on values of two types."""
    numbers = ("int", "float", "bool", "")
    if sign == "+":
        return (left == right or "" in (left, right)) or (left in numbers and right in numbers)
    if sign == "*":
        return left in numbers or right in numbers
    if sign == "%" and left in ("str", "bytes"):
        return True
    if sign in ("-", *_BITS):
        sets = ("set", "frozenset", "")
        return (left in sets and right in sets) or (left in numbers and right in numbers)
    return left in numbers and right in numbers


def boolean_operator(program: Program) -> Changes:
    """`or` for `and`, `and` for `or`."""
    for place in program.of_kind(ast.BoolOp):
        word, new = ("and", "or") if isinstance(place.node.op, ast.And) else ("or", "and")
        piece = pc.boolean(new, [one.piece for one in place.inner])
        wrapped = place.low < place.start
        least = pc.NOT if new == "and" else pc.AND
        if (len(place.inner) == 2 and (piece.binds >= place.need or wrapped)) and (
            all(one.low < one.start or one.piece.binds >= least for one in place.inner)
        ):
            left, right = place.inner
            start, end = program.source.operator_between(left.node, right.node)
            begin = place.canon_start + len("BoolOp(")
            stop = begin + len(word) + 2
            canon = f"{new.title()}()"
            yield Change(start, end, new, place.region, begin, stop, canon)
            continue
        yield program.replace(place, piece)


def is_test(place: Place) -> bool:
    """Whether a place decides something."""
    return place.field in _TESTS or (
        isinstance(place.parent, ast.BoolOp)
        or (isinstance(place.parent, ast.UnaryOp) and isinstance(place.parent.op, ast.Not))
    )


def negation(program: Program) -> Changes:
    """`not` before a condition, or taken away; a minus, or taken away."""
    for place in program.places:
        node = place.node
        if place.store or isinstance(node, (ast.Starred, ast.Slice)):
            continue
        if isinstance(node, ast.UnaryOp):
            yield program.put(place, place.inner[0].piece)
        elif (
            is_test(place)
            and not (isinstance(place.parent, ast.UnaryOp) and isinstance(place.parent.op, ast.Not))
        ) or (
            place.piece.type == "bool"
            and place.field == "value"
            and isinstance(place.parent, (ast.Return, ast.Assign))
        ):
            yield program.put(place, pc.negated(place.piece))
        if (
            place.piece.type in ("int", "float")
            and isinstance(node, (ast.Name, ast.Constant))
            and node is not None
            and getattr(node, "value", 1) != 0
        ):
            yield program.put(place, pc.minus(place.piece))


def explicit_test(program: Program) -> Changes:
    """`x is not None` or `x is None` for the condition `x`."""
    none = pc.constant(None)
    for place in program.of_kind(ast.Name, ast.Attribute, ast.Call, ast.Subscript):
        if is_test(place) and place.piece.type not in ("bool", "int", "str", "list"):
            for sign in ("is not", "is"):
                yield program.put(place, pc.compare(place.piece, sign, none))


def operands(program: Program) -> Changes:
    """The two operands of an operator swapped."""
    for place in program.of_kind(ast.BinOp, ast.Compare):
        if len(place.inner) != 2:
            continue
        left, right = (one.piece for one in place.inner)
        if isinstance(place.node, ast.Compare):
            if isinstance(place.node.ops[0], (ast.Is, ast.IsNot)) or right.type == "none":
                continue
            yield program.put(place, pc.compare(right, sign_of(place.node.ops[0]), left))
            continue
        numbers = ("int", "float", "bool")
        if type(place.node.op).__name__ in _SAME_EITHER_WAY and (
            left.type in numbers or right.type in numbers
        ):
            continue
        yield program.put(place, pc.binary(right, sign_of(place.node.op), left, place.piece.type))


def drop_operand(program: Program) -> Changes:
    """One operand for the whole: `a` for `a + b`, for `a < b`, for `a if c else b`."""
    for place in program.of_kind(ast.BinOp, ast.Compare, ast.IfExp):
        if (
            isinstance(place.node, ast.Compare)
            and place.field not in _TESTS
            and not isinstance(place.parent, ast.BoolOp)
        ):
            continue
        for one in place.inner:
            yield program.put(place, one.piece)


def drop_condition(program: Program) -> Changes:
    """One condition fewer in an `and` or `or`."""
    for place in program.of_kind(ast.BoolOp):
        values = [one.piece for one in place.inner]
        word = "and" if isinstance(place.node.op, ast.And) else "or"
        for index in range(len(values)):
            rest = values[:index] + values[index + 1 :]
            piece = rest[0] if len(rest) == 1 else pc.boolean(word, rest)
            yield program.put(place, piece)
