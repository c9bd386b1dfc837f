"""Statements that are added: where there is room for one, and which are legal there."""

from __future__ import annotations

import ast

import pytest

from hrmgym.envs.edits.python import phrases as ph
from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.canon import Canon
from hrmgym.envs.edits.python.enumerator import PythonEdits
from hrmgym.envs.edits.python.phrases import Phrase
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.program import Program

X, Y = Piece("x", "x", pc.ATOM), Piece("y", "y", pc.ATOM)
ITEM = pc.item(X, Y)

#: (a statement, how it is written)
PHRASES = [
    (ph.PASS, "pass"),
    (ph.BREAK, "break"),
    (ph.CONTINUE, "continue"),
    (ph.assign(X, Y), "x = y"),
    (ph.assign(ITEM, pc.constant(0)), "x[y] = 0"),
    (ph.augment(X, "-", Y), "x -= y"),
    (ph.augment(X, "**", Y), "x **= y"),
    (ph.expression(pc.call(X, [Y])), "x(y)"),
    (ph.returned(None), "return"),
    (ph.returned(Y), "return y"),
    (ph.guarded(pc.negated(X), ph.returned(Y), "    "), "if not x:\n    return y"),
]


@pytest.mark.parametrize(("phrase", "text"), PHRASES)
def test_a_statement_is_of_the_tree_that_it_claims(phrase: Phrase, text: str) -> None:
    assert phrase.text == text
    (node,) = ast.parse(text).body
    assert Canon(node).text == phrase.canon


def test_what_a_statement_reads() -> None:
    x, y = X._replace(reads=4), Y._replace(reads=8)
    assert ph.assign(x, y).reads == 8  # the target is bound by it
    assert ph.assign(pc.item(x, y), pc.constant(1)).reads == 12
    assert ph.augment(x, "+", y).reads == 12
    assert ph.guarded(x, ph.returned(y), "").reads == 12


def program_of(text: str) -> Program:
    return PythonEdits(text, (0, len(text))).program


TEXT = """\
def f(a):
    import os
    for b in a:
        if b: print(b)
        os.x()
    return a
"""


def test_gaps_are_before_statements_and_behind_the_last() -> None:
    program = program_of(TEXT)
    made = set()
    for gap in ph.gaps(program):
        change = ph.put(gap, ph.expression(Piece("new()", "Call(new;[];[];)", pc.ATOM)))
        assert change is not None
        made.add(program.text[: change.start] + change.text + program.text[change.end :])
    lines = TEXT.splitlines(keepends=True)
    places = [(2, 4), (3, 8), (4, 8), (5, 8), (5, 4)]  # none before the import, none behind return
    wanted = {"".join([*lines[:at], " " * deep + "new()\n", *lines[at:]]) for at, deep in places}
    assert made == wanted


@pytest.mark.parametrize(
    ("phrase", "count"),
    [(ph.PASS, 5), (ph.BREAK, 3), (ph.returned(None), 5), (ph.CONTINUE, 3)],
)
def test_jumps_are_put_where_they_are_legal(phrase: Phrase, count: int) -> None:
    gaps = ph.gaps(program_of(TEXT))
    legal = [gap for gap in gaps if ph.put(gap, phrase) is not None]
    assert len(legal) == count
    assert [change for gap in gaps for change in ph.put_all(gap, [phrase])] == [
        ph.put(gap, phrase) for gap in legal
    ]


def test_a_name_is_read_only_where_it_is_bound() -> None:
    program = program_of(TEXT)
    b = Piece("b", "b", pc.ATOM, "", program.flow.bit("b"))
    legal = [gap for gap in ph.gaps(program) if ph.put(gap, ph.returned(b)) is not None]
    assert len(legal) == 4  # all but the one before the loop
