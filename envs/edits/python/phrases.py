"""Simple statements to be put into a program, and where they may go."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.flow import stored_in
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import FUNCTION, LOOP, Block, Change
from hrmgym.envs.edits.python.program import Program

_ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_FIXED = (ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom)


class Phrase(NamedTuple):
    """A statement of one line."""

    text: str
    canon: str
    """Its tree, as `Canon` writes it."""
    reads: int = 0
    """The names that it reads, as bits."""
    needs: int = 0
    """Where it is legal: `LOOP` inside loops, `FUNCTION` in functions that return values."""


PASS = Phrase("pass", "Pass()")
BREAK = Phrase("break", "Break()", 0, LOOP)
CONTINUE = Phrase("continue", "Continue()", 0, LOOP)


def assign(target: Piece, value: Piece) -> Phrase:
    """`target = value`; the target reads nothing by itself."""
    canon = f"Assign([{target.canon},];{value.canon};)"
    reads = value.reads | (0 if target.text.isidentifier() else target.reads)
    return pc.make(Phrase, (f"{target.text} = {value.text}", canon, reads, 0))


def augment(target: Piece, sign: str, value: Piece) -> Phrase:
    """`target sign= value`."""
    canon = f"AugAssign({target.canon};{pc.BINARY[sign][0]}();{value.canon};)"
    return pc.make(
        Phrase, (f"{target.text} {sign}= {value.text}", canon, target.reads | value.reads, 0)
    )


def expression(value: Piece) -> Phrase:
    """A value for itself, mostly a call."""
    return Phrase(value.text, f"Expr({value.canon};)", value.reads)


def returned(value: Piece | None) -> Phrase:
    """`return value`."""
    if value is None:
        return Phrase("return", "Return(-;)", 0, FUNCTION)
    return Phrase(f"return {value.text}", f"Return({value.canon};)", value.reads, FUNCTION)


def guarded(test: Piece, body: Phrase, indent: str) -> Phrase:
    """`if test: body`, on two lines."""
    return Phrase(
        f"if {test.text}:\n{indent}{body.text}",
        f"If({test.canon};[{body.canon},];[];)",
        test.reads | body.reads,
        body.needs,
    )


class Gap(NamedTuple):
    """A place between statements."""

    at: int
    before: str
    after: str
    """What comes before and after a statement's text there."""
    indent: str
    canon_at: int
    unbound: int
    """Names that are not bound there, as bits."""
    block: Block
    position: int
    """How many statements of the block come before."""


def gaps(program: Program) -> list[Gap]:
    """All places where a statement may be added."""
    known = program.memo.get("gaps")
    if known is None:
        known = program.memo["gaps"] = list(_gaps(program))
    assert isinstance(known, list)
    return known


def _gaps(program: Program) -> Iterator[Gap]:
    source = program.source
    for block in program.blocks:
        spans = program.canons[block.region].spans
        special, late = program.special(block.scope), program.flow.late[block.scope]
        for index, node in enumerate(block.statements):
            if isinstance(node, _FIXED) or program.lines(node) is None or program.is_elif(node):
                continue
            start, indent = program.first(node), source.indent(node)
            unbound = program.unbound(node)
            yield Gap(start, "", f"\n{indent}", indent, spans[node][0], unbound, block, index)
        last = block.statements[-1]
        lines = program.lines(last)
        if lines is None or isinstance(last, _ENDS) or program.is_elif(last):
            continue
        end = lines[1] - (program.text[lines[1] - 1] == "\n")
        indent = source.indent(last)
        bound = program.flow.before[last] | program.flow.mask(stored_in([last])) | special
        at = spans[last][1] + 1
        yield Gap(end, f"\n{indent}", "", indent, at, ~bound | late, block, len(block.statements))


def put(gap: Gap, phrase: Phrase) -> Change | None:
    """The change that adds a statement; None where it is not legal."""
    if phrase.reads & gap.unbound or phrase.needs & ~gap.block.legal:
        return None
    text = phrase.text
    return pc.make(
        Change,
        (
            gap.at,
            gap.at,
            f"{gap.before}{text}{gap.after}",
            gap.block.region,
            gap.canon_at,
            gap.canon_at,
            f"{phrase.canon},",
        ),
    )


def put_all(gap: Gap, phrases: Iterable[Phrase]) -> Iterator[Change]:
    """`put` of each of several statements, those that are legal."""
    at, before, after, _, place, unbound, block, _ = gap
    illegal, region, make = ~block.legal, block.region, pc.make
    for text, canon, reads, needs in phrases:
        if not (reads & unbound or needs & illegal):
            yield make(
                Change, (at, at, f"{before}{text}{after}", region, place, place, f"{canon},")
            )


def replace(program: Program, node: ast.stmt, block: Block, phrase: Phrase) -> Change | None:
    """The change that puts a statement in place of another."""
    unbound = program.unbound(node)
    if phrase.reads & unbound or phrase.needs & ~block.legal:
        return None
    begin, stop = program.canons[block.region].spans[node]
    start, end = program.source.span(node)
    return Change(start, end, phrase.text, block.region, begin, stop, phrase.canon)
