"""A prepared program: its places, and what is put there."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.canon import Canon
from hrmgym.envs.edits.python.enumerator import PythonEdits
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Place
from hrmgym.envs.edits.python.program import Program

OR = Piece("p or q", "BoolOp(Or();[p,q,];)", pc.OR)
NAME = Piece("word", "word", pc.ATOM)
PAIR = Piece("p, q", "Tuple([p,q,];)", pc.TUPLE)
ONE = Piece("1", "1", pc.NUMBER, "int")
TEXT = Piece("'t'", "'t'", pc.ATOM, "str")


def place_of(line: str, mark: str = "here") -> tuple[Program, Place]:
    text = f"def f(a):\n    {line}\n"
    program = PythonEdits(text, (0, len(text))).program
    found = [one for one in program.places if program.text[one.start : one.end] == mark]
    return program, found[0]


def replaced(line: str, piece: Piece, mark: str = "here") -> str:
    """The line with an expression in place of the marked one; the tree has to be the parser's."""
    program, place = place_of(line, mark)
    start, end, text, region, begin, stop, canon = program.replace(place, piece)
    out = program.text[:start] + text + program.text[end:]
    whole = program.canons[region].text
    claimed = whole[:begin] + canon + whole[stop:]
    assert Canon(ast.parse(out).body[0]).text == claimed
    return out.split("\n", 1)[1].strip()


#: (a line, what comes in place of `here`, the line then)
REPLACED = [
    ("return here", OR, "return p or q"),
    ("return here", PAIR, "return p, q"),
    ("return here, a", PAIR, "return (p, q), a"),
    ("return not here", OR, "return not (p or q)"),
    ("return (here)", OR, "return p or q"),
    ("return (here) + a", OR, "return (p or q) + a"),
    ("return (here) + a", NAME, "return word + a"),
    ("return here.size", ONE, "return (1).size"),
    ("return here ** a", OR, "return (p or q) ** a"),
    ("return -here", OR, "return -(p or q)"),
    ("return a[here]", PAIR, "return a[p, q]"),
    ("return a[here:]", OR, "return a[p or q:]"),
    ("return f(here)", PAIR, "return f((p, q))"),
    ("return f(*here)", OR, "return f(*(p or q))"),
    ("return f(**here)", OR, "return f(**p or q)"),
    ("return f(a=here)", OR, "return f(a=p or q)"),
    ("return [here]", PAIR, "return [(p, q)]"),
    ("return {here: a}", OR, "return {p or q: a}"),
    ("return {**here}", OR, "return {**(p or q)}"),
    ("return here if a else a", OR, "return p or q if a else a"),
    ("return [a for a in a if here]", OR, "return [a for a in a if p or q]"),
    ("return lambda: here", PAIR, "return lambda: (p, q)"),
    ("x = here", PAIR, "x = p, q"),
    ("x: int = here", OR, "x: int = p or q"),
    ("for x in here: pass", PAIR, "for x in p, q: pass"),
    ("assert here, a", PAIR, "assert (p, q), a"),
    ("raise here from a", OR, "raise p or q from a"),
    ("return(here)", NAME, "return word"),
    ("return(here)", OR, "return p or q"),
    ("return a if(here)else a", NAME, "return a if word else a"),
    ("return a if(here)else a", TEXT, "return a if't'else a"),
    ("return(here)in a", ONE, "return 1 in a"),
    ("return (\n        here\n    )", OR, "return (\n        p or q\n    )"),
]


@pytest.mark.parametrize(("line", "piece", "wanted"), REPLACED)
def test_replaced(line: str, piece: Piece, wanted: str) -> None:
    assert replaced(line, piece) == wanted


def test_what_stays_is_no_part_of_the_change() -> None:
    program, place = place_of("return here + a")
    longer = pc.binary(place.piece, "*", NAME)
    change = program.replace(place, longer)
    assert (change.start, change.end, change.text) == (place.end, place.end, " * word")
    change = program.replace(place, pc.attribute(NAME, "here"))
    assert (change.start, change.end, change.text) == (place.start, place.start, "word.")


def test_what_is_unbound_or_of_a_wrong_type_is_not_put() -> None:
    program, place = place_of("return len(here)")
    unbound = Piece("zz", "zz", pc.ATOM, "", program.flow.bit("zz"))
    known = Piece("a", "a", pc.ATOM, "", program.flow.bit("a"))
    assert program.put(place, unbound) is None
    assert program.put(place, ONE) is None
    assert program.put(place, known) is not None


def test_a_generator_shares_its_parentheses_with_the_call() -> None:
    program, place = place_of("return f(b for b in a)", "b for b in a")
    assert program.is_bare(place)
    assert place.piece.text == "(b for b in a)"
    program, place = place_of("return f((b for b in a), a)", "(b for b in a)")
    assert not program.is_bare(place)


#: (a line, an expression in it, names that may not be read there)
UNBOUND = [
    ("return [x for y in a]", "x", ""),
    ("return [y for x in y]", "y", "z"),
    ("return a + b", "b", "b x"),
]


@pytest.mark.parametrize(("line", "mark", "names"), UNBOUND)
def test_names_unbound_at_a_place(line: str, mark: str, names: str) -> None:
    program, place = place_of(line, mark)
    assert all(place.unbound & program.flow.bit(name) for name in names.split())
    assert not place.unbound & program.flow.bit("a")


def test_a_place_in_a_comprehension_may_read_its_variable() -> None:
    program, place = place_of("return [here for y in a]")
    assert not place.unbound & program.flow.bit("y")
    outside = next(one for one in program.places if one.field == "iter")
    assert outside.unbound & program.flow.bit("y")
