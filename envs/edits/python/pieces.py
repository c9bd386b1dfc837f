"""Expressions to be put in place of others: their text, how tightly it binds, and its meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# How tightly an expression binds, the loosest first.
TUPLE, NAMED, CONDITIONAL, OR, AND, NOT, COMPARE, BIT_OR, BIT_XOR, BIT_AND = range(10)
SHIFT, SUM, TERM, SIGN, POWER, AWAIT, NUMBER, ATOM = range(10, 18)

#: Binary operators: sign -> (name in the tree, how tightly it binds).
BINARY = {
    "+": ("Add", SUM),
    "-": ("Sub", SUM),
    "*": ("Mult", TERM),
    "/": ("Div", TERM),
    "//": ("FloorDiv", TERM),
    "%": ("Mod", TERM),
    "@": ("MatMult", TERM),
    "**": ("Pow", POWER),
    "<<": ("LShift", SHIFT),
    ">>": ("RShift", SHIFT),
    "&": ("BitAnd", BIT_AND),
    "^": ("BitXor", BIT_XOR),
    "|": ("BitOr", BIT_OR),
}
COMPARISONS = {
    "==": "Eq",
    "!=": "NotEq",
    "<": "Lt",
    "<=": "LtE",
    ">": "Gt",
    ">=": "GtE",
    "is": "Is",
    "is not": "IsNot",
    "in": "In",
    "not in": "NotIn",
}
#: Names in the tree -> signs.
SIGNS = {name: sign for sign, (name, _) in BINARY.items()} | {
    name: sign for sign, name in COMPARISONS.items()
}

#: Makes a named tuple without the call of its own `__new__`, which costs half the time.
make = tuple.__new__


class Piece(NamedTuple):
    """An expression."""

    text: str
    canon: str
    """Its tree, as `Canon` writes it."""
    binds: int
    """How tightly it binds: `TUPLE` to `ATOM`."""
    type: str = ""
    """Name of the obvious type of its value; "" if it is not obvious."""
    reads: int = 0
    """The names that it reads, as bits."""


def within(piece: Piece, least: int) -> str:
    """The text of a piece, in parentheses where it binds less tightly than `least`."""
    return piece.text if piece.binds >= least else f"({piece.text})"


def binary(left: Piece, sign: str, right: Piece, kind: str = "") -> Piece:
    """`left sign right`."""
    name, binds = BINARY[sign]
    if sign == "**":
        text = f"{within(left, AWAIT)} ** {within(right, SIGN)}"
    else:
        text = f"{within(left, binds)} {sign} {within(right, binds + 1)}"
    canon = f"BinOp({left.canon};{name}();{right.canon};)"
    return make(Piece, (text, canon, binds, kind, left.reads | right.reads))


def compare(left: Piece, sign: str, right: Piece) -> Piece:
    """`left sign right`."""
    text = f"{within(left, BIT_OR)} {sign} {within(right, BIT_OR)}"
    canon = f"Compare({left.canon};[{COMPARISONS[sign]}(),];[{right.canon},];)"
    return make(Piece, (text, canon, COMPARE, "bool", left.reads | right.reads))


def boolean(word: str, values: Sequence[Piece], kind: str = "") -> Piece:
    """`a and b and c`."""
    binds = AND if word == "and" else OR
    text = f" {word} ".join(within(value, binds + 1) for value in values)
    reads = 0
    for value in values:
        reads |= value.reads
    inner = "".join(f"{value.canon}," for value in values)
    return make(Piece, (text, f"BoolOp({word.title()}();[{inner}];)", binds, kind, reads))


def negated(value: Piece) -> Piece:
    """`not value`."""
    canon = f"UnaryOp(Not();{value.canon};)"
    return Piece(f"not {within(value, NOT)}", canon, NOT, "bool", value.reads)


def minus(value: Piece) -> Piece:
    """`-value`."""
    canon = f"UnaryOp(USub();{value.canon};)"
    return Piece(f"-{within(value, SIGN)}", canon, SIGN, value.type, value.reads)


def call(function: Piece, arguments: Sequence[Piece], kind: str = "") -> Piece:
    """`function(arguments)`, none of them a keyword."""
    if len(arguments) == 1:
        text, canon, binds, _, reads = arguments[0]
        head = function.text if function.binds == ATOM else f"({function.text})"
        text = f"{head}({text})" if binds >= NAMED else f"{head}(({text}))"
        canon = f"Call({function.canon};[{canon},];[];)"
        return make(Piece, (text, canon, ATOM, kind, reads | function.reads))
    reads, texts, canons = function.reads, [], []
    for text, canon, binds, _, read in arguments:
        texts.append(text if binds >= NAMED else f"({text})")
        canons.append(canon)
        reads |= read
    inner = f"{','.join(canons)}," if canons else ""
    canon = f"Call({function.canon};[{inner}];[];)"
    return make(Piece, (f"{within(function, ATOM)}({', '.join(texts)})", canon, ATOM, kind, reads))


def attribute(value: Piece, name: str, kind: str = "") -> Piece:
    """`value.name`."""
    canon = f"Attribute({value.canon};{name!r};)"
    return make(Piece, (f"{within(value, ATOM)}.{name}", canon, ATOM, kind, value.reads))


def item(value: Piece, index: Piece, kind: str = "") -> Piece:
    """`value[index]`."""
    canon = f"Subscript({value.canon};{index.canon};)"
    text = f"{within(value, ATOM)}[{index.text}]"
    return make(Piece, (text, canon, ATOM, kind, value.reads | index.reads))


def bounds(lower: Piece | None, upper: Piece | None, step: Piece | None = None) -> Piece:
    """`lower:upper:step`, to be an index."""
    reads, texts, canons = 0, [], []
    for bound in (lower, upper, step):
        texts.append(within(bound, CONDITIONAL) if bound is not None else "")
        canons.append(f"{bound.canon};" if bound is not None else "-;")
        reads |= bound.reads if bound is not None else 0
    text = ":".join(texts if step is not None else texts[:2])
    return Piece(text, f"Slice({''.join(canons)})", ATOM, "", reads)  # never in parentheses


def display(opening: str, elements: Sequence[Piece]) -> Piece:
    """A list or a tuple written out, by its opening bracket."""
    reads = 0
    for element in elements:
        reads |= element.reads
    text = ", ".join(within(element, CONDITIONAL) for element in elements)
    inner = "".join(f"{element.canon}," for element in elements)
    if opening == "[":
        return Piece(f"[{text}]", f"List([{inner}];)", ATOM, "list", reads)
    comma = "," if len(elements) == 1 else ""
    return Piece(f"({text}{comma})", f"Tuple([{inner}];)", ATOM, "tuple", reads)


def constant(value: object) -> Piece:
    """A constant written out."""
    text = repr(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0:
            return minus(constant(-value))
        return Piece(text, text, NUMBER, type(value).__name__)
    kind = "none" if value is None else type(value).__name__
    return Piece(text, ascii(value), ATOM, kind)
