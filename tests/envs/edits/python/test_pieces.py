"""Expressions put together: with the parentheses that they need, of the trees that they claim."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.canon import Canon
from hrmgym.envs.edits.python.pieces import Piece

A = Piece("a", "a", pc.ATOM)
B = Piece("b", "b", pc.ATOM, "int", 2)
OR = pc.boolean("or", [A, B])
AND = pc.boolean("and", [A, B])
SUM = pc.binary(A, "+", B)
LESS = pc.compare(A, "<", B)
NOT = pc.negated(A)
MINUS = pc.minus(A)
TUPLE = Piece("a, b", "Tuple([a,b,];)", pc.TUPLE)

#: (a piece, how it is written)
MADE = [
    (SUM, "a + b"),
    (pc.binary(SUM, "*", B), "(a + b) * b"),
    (pc.binary(A, "-", SUM), "a - (a + b)"),
    (pc.binary(SUM, "-", A), "a + b - a"),
    (pc.binary(MINUS, "**", MINUS), "(-a) ** -a"),
    (pc.binary(A, "**", pc.binary(A, "**", B)), "a ** a ** b"),
    (pc.binary(pc.binary(A, "**", B), "**", A), "(a ** b) ** a"),
    (pc.binary(A, "|", pc.binary(A, "&", B)), "a | a & b"),
    (pc.binary(A, "@", B), "a @ b"),
    (pc.binary(A, "<<", SUM), "a << a + b"),
    (pc.compare(LESS, "==", B), "(a < b) == b"),
    (pc.compare(A, "not in", OR), "a not in (a or b)"),
    (pc.compare(NOT, "is", B), "(not a) is b"),
    (pc.boolean("and", [OR, AND]), "(a or b) and (a and b)"),
    (pc.boolean("or", [AND, NOT]), "a and b or not a"),
    (pc.negated(LESS), "not a < b"),
    (pc.negated(AND), "not (a and b)"),
    (pc.minus(SUM), "-(a + b)"),
    (pc.minus(pc.constant(3)), "-3"),
    (pc.call(A, []), "a()"),
    (pc.call(A, [OR]), "a(a or b)"),
    (pc.call(A, [TUPLE]), "a((a, b))"),
    (pc.call(A, [TUPLE, B]), "a((a, b), b)"),
    (pc.call(SUM, [A, B]), "(a + b)(a, b)"),
    (pc.attribute(SUM, "size"), "(a + b).size"),
    (pc.attribute(pc.constant(1), "real"), "(1).real"),
    (pc.item(A, pc.constant(-1)), "a[-1]"),
    (pc.item(SUM, TUPLE), "(a + b)[a, b]"),
    (pc.item(A, pc.bounds(None, B)), "a[:b]"),
    (pc.item(A, pc.bounds(A, None, pc.constant(-1))), "a[a::-1]"),
    (pc.item(A, pc.bounds(None, None)), "a[:]"),
    (pc.display("[", []), "[]"),
    (pc.display("[", [TUPLE, A]), "[(a, b), a]"),
    (pc.display("(", [A]), "(a,)"),
    (pc.display("(", [A, OR]), "(a, a or b)"),
    (pc.constant(None), "None"),
    (pc.constant(-2.5), "-2.5"),
    (pc.constant("it's"), '"it\'s"'),
    (pc.constant(b"a"), "b'a'"),
]


@pytest.mark.parametrize(("piece", "text"), MADE)
def test_a_piece_is_written_as_python_reads_it(piece: Piece, text: str) -> None:
    assert piece.text == text
    tree = ast.parse(text, mode="eval").body
    assert Canon(tree).text == piece.canon


@pytest.mark.parametrize(("piece", "text"), MADE)
def test_a_piece_has_parentheses_where_something_binds_tighter(piece: Piece, text: str) -> None:
    whole = pc.binary(piece, "**", piece)
    assert Canon(ast.parse(whole.text, mode="eval").body).text == whole.canon
    assert piece.text in whole.text


def test_a_piece_reads_what_its_parts_read() -> None:
    one, two = Piece("x", "x", pc.ATOM, "", 4), Piece("y", "y", pc.ATOM, "", 8)
    for piece in (
        pc.binary(one, "+", two),
        pc.compare(one, "<", two),
        pc.boolean("or", [one, two]),
        pc.call(one, [two]),
        pc.call(one, [two, one]),
        pc.item(one, two),
        pc.item(one, pc.bounds(two, None)),
        pc.display("(", [one, two]),
    ):
        assert piece.reads == 12, piece
    assert pc.negated(one).reads == pc.minus(one).reads == pc.attribute(one, "a").reads == 4


def test_types_of_pieces() -> None:
    assert LESS.type == NOT.type == "bool"
    assert pc.constant(True).type == "bool"
    assert pc.constant(1).type == pc.constant(-1).type == "int"
    assert pc.constant(1.5).type == "float"
    assert pc.constant(None).type == "none"
    assert pc.constant("").type == "str"
    assert pc.display("[", [A]).type == "list"
    assert pc.minus(B).type == "int"
