"""Statements as kinds see them: their lines, their indentation, what they alone bind."""

from __future__ import annotations

import ast
import textwrap

import pytest

from hrmgym.envs.edits.python.enumerator import PythonEdits
from hrmgym.envs.edits.python.places import FUNCTION, LOOP, Block
from hrmgym.envs.edits.python.program import Program


def program_of(lines: str) -> Program:
    text = "def f(a, b):\n" + textwrap.indent(f"{lines}\n", "    ")
    return PythonEdits(text, (0, len(text))).program


def first(program: Program) -> tuple[ast.stmt, Block]:
    block = program.blocks[0]
    return block.statements[0], block


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        ("a = 1  # one\nb = 2", "    a = 1  # one\n"),
        ("a = (1,\n     2)", "    a = (1,\n         2)\n"),
        ("a = 1; b = 2", None),  # others are on the line
        ("@a\ndef g(): pass", None),  # decorators go before
        ("def g(): pass", "    def g(): pass\n"),
    ],
)
def test_lines_of_a_statement(lines: str, whole: str | None) -> None:
    program = program_of(lines)
    span = program.lines(first(program)[0])
    assert (None if span is None else program.text[slice(*span)]) == whole


@pytest.mark.parametrize(
    ("lines", "droppable"),
    [
        ("x = 1\nreturn x", False),
        ("x = 1\nx = 2\nreturn x", True),  # bound elsewhere, too
        ("x = 1\nreturn a", True),  # read nowhere
        ("a = 1\nreturn a", True),  # a parameter
        ("x += 1\nreturn x", True),  # has to be bound before
        ("x = 1\nreturn f'{x}'", False),
        ("x = a\n@x\ndef g(): pass", False),
        ("x = a\nclass A(x): pass", False),
        ("x = a\ndef g(y: x) -> a: pass", False),
        ("x = 1\ndef g():\n    nonlocal x\n    x = 2", False),
        ("for x in a:\n    y = x\nreturn y", False),
        ("import x\nreturn x", False),
        ("with a as x: pass\nreturn x", False),
        ("if (x := a): pass\nreturn x", False),
        ("print(a)", True),
    ],
)
def test_what_may_be_dropped(lines: str, droppable: bool) -> None:
    program = program_of(lines)
    node, block = first(program)
    assert program.may_drop(node, block) is droppable


@pytest.mark.parametrize(
    ("lines", "legal"),
    [
        ("x = a\nreturn x", False),
        ("x = a\nreturn b", True),
        ("a = b\nreturn a", True),
        ("x = a\nx = x + 1", True),  # bound twice
        ("print(a)\nprint(b)", True),
    ],
)
def test_what_may_be_swapped(lines: str, legal: bool) -> None:
    program = program_of(lines)
    block = program.blocks[0]
    assert program.may_swap(*block.statements[:2], block) is legal


def test_texts_of_several_lines_stay_where_they_are() -> None:
    program = program_of('x = """a\nb"""')
    assert not program.may_shift(first(program)[0])
    program = program_of("x = (a +\n     b)")
    assert program.may_shift(first(program)[0])


def test_lines_shifted() -> None:
    program = program_of("if a:\n    x = 1\n\n    y = 2")
    inner = program.blocks[1].statements
    low, high = program.lines(inner[0]), program.lines(inner[1])
    assert low is not None
    assert high is not None
    span = low[0], high[1]
    step = program.step(first(program)[0], inner[0])
    assert step == program.unit == "    "
    assert program.shifted(span, less=step) == "    x = 1\n\n    y = 2\n"
    assert program.shifted(span, more=step).startswith("            x = 1\n")


def test_one_line_has_no_step() -> None:
    program = program_of("if a: x = 1")
    assert program.step(first(program)[0], program.blocks[1].statements[0]) == ""


#: (lines, where the block with `here` is legal for jumps)
LEGAL = [
    ("here", FUNCTION),
    ("for x in a:\n    here", LOOP | FUNCTION),
    ("while a:\n    if b:\n        here", LOOP | FUNCTION),
    ("for x in a: pass\nelse:\n    here", FUNCTION),
    ("for x in a:\n    def g():\n        here", FUNCTION),
    ("for x in a:\n    try: a\n    except b:\n        here", LOOP | FUNCTION),
    ("for x in a:\n    try: a\n    except* b:\n        here", 0),
    ("try: a\nexcept* b:\n    for x in a:\n        here", LOOP),
    ("try: a\nexcept* b:\n    def g():\n        here", FUNCTION),
    ("async def g():\n    here", FUNCTION),
    ("async def g():\n    yield a\n    here", 0),  # it may return no value
    ("async def g():\n    def h():\n        yield a\n    here", FUNCTION),
]


@pytest.mark.parametrize(("lines", "legal"), LEGAL)
def test_where_jumps_are_legal(lines: str, legal: int) -> None:
    program = program_of(lines)
    (block,) = (
        block
        for block in program.blocks
        for node in block.statements
        if program.source.segment(node) == "here"
    )
    assert block.legal == legal
