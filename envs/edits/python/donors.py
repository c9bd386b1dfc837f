"""Kinds that add lines of the file elsewhere, with up to two of their names changed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations

from hrmgym.envs.edits.python import phrases as ph
from hrmgym.envs.edits.python.flow import stored_by
from hrmgym.envs.edits.python.phrases import Phrase
from hrmgym.envs.edits.python.places import FUNCTION, Change, Place
from hrmgym.envs.edits.python.pools import variables
from hrmgym.envs.edits.python.program import Program

Changes = Iterator[Change | None]

_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.Raise)
_MOST_LENGTH = 60
_MOST_NAMES = 4
_MOST_TWICE = 5


_Line = tuple[ast.stmt, int, list[Place]]


def _lines(program: Program) -> list[_Line]:
    """The simple statements of one short line, with the variables in each."""
    known = program.memo.get("donor lines")
    if known is None:
        known = program.memo["donor lines"] = _find_lines(program)
    assert isinstance(known, list)
    return known


def _find_lines(program: Program) -> list[_Line]:
    found: list[tuple[ast.stmt, int, list[Place]]] = []
    seen = set()
    for block in program.blocks:
        canon = program.canons[block.region]
        for node in block.statements:
            start, end = program.source.span(node)
            text = program.text[start:end]
            if not isinstance(node, _SIMPLE) or "\n" in text or len(text) > _MOST_LENGTH:
                continue
            if program.flow.mask(stored_by(node)) & program.flow.late[block.scope]:
                continue
            tree = canon.text[slice(*canon.spans[node])]
            if (block.region, tree) in seen or any(
                isinstance(one, (ast.Yield, ast.Await, ast.Lambda, ast.NamedExpr))
                for one in ast.walk(node)
            ):
                continue
            seen.add((block.region, tree))
            found.append((node, block.region, program.names_of(node)))
    return found


def _phrase(program: Program, node: ast.stmt, region: int, changed: dict[Place, str]) -> Phrase:
    """A statement with other names at some places."""
    start, end = program.source.span(node)
    begin, stop = program.canons[region].spans[node]
    text, canon = program.text, program.canons[region].text
    parts, trees, reads = [], [], 0
    places = program.names_of(node)
    for place in places:
        name = changed.get(place, place.node.id)
        parts += [text[start : place.start], name]
        start = place.end
        if not place.store or isinstance(node, ast.AugAssign):
            reads |= program.flow.bit(name)
    for place in sorted(places, key=lambda one: one.canon_start):
        trees += [canon[begin : place.canon_start], changed.get(place, place.node.id)]
        begin = place.canon_end
    parts.append(text[start:end])
    trees.append(canon[begin:stop])
    needs = FUNCTION if isinstance(node, ast.Return) else 0
    # names bound inside the statement alone, by comprehensions, are bound wherever it goes
    reads &= ~program.bound_inside(node)
    return Phrase("".join(parts), "".join(trees), reads, needs)


def donor_line(program: Program) -> Changes:
    """A line of the same function elsewhere, too."""
    yield from _donated(program, 0)


def donor_line_renamed(program: Program) -> Changes:
    """A line of the same function elsewhere, with one variable changed, wherever it is in it."""
    yield from _donated(program, 1)


def donor_line_renamed_twice(program: Program) -> Changes:
    """A line of the same function elsewhere, with two variables changed."""
    yield from _donated(program, 2)


def _donated(program: Program, renamed: int) -> Changes:
    lines = _lines(program)
    if renamed == 2:
        lines = [one for one in lines if len(one[2]) <= _MOST_NAMES]
    made: dict[ast.stmt, list[Phrase]] = {}
    gaps = ph.gaps(program)
    for node, region, places in lines:
        last = isinstance(node, (ast.Return, ast.Raise))
        scope = program.flow.scope[node]
        if node not in made:
            made[node] = list(_renamed(program, node, region, places, renamed, scope))
        for gap in gaps:
            if gap.block.region != region or gap.block.scope is not scope:
                continue
            if last and gap.position != len(gap.block.statements):
                continue
            yield from ph.put_all(gap, made[node])


def _renamed(
    program: Program,
    node: ast.stmt,
    region: int,
    places: list[Place],
    renamed: int,
    scope: ast.AST,
) -> Iterator[Phrase]:
    if not renamed:
        yield _phrase(program, node, region, {})
        return
    inside = program.bound_inside(node)
    pool = variables(program, scope, 0, region)
    texts = list(dict.fromkeys(place.node.id for place in places))
    known = {piece.text for piece in pool if not piece.reads & inside}
    for chosen in combinations([text for text in texts if text in known], renamed):
        for names in _choices(pool, chosen):
            new = dict(zip(chosen, names, strict=True))
            changed = {place: new[place.node.id] for place in places if place.node.id in new}
            yield _phrase(program, node, region, changed)


def _choices(pool: tuple[object, ...], chosen: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    names = [piece.text for piece in pool]  # type: ignore[attr-defined]
    if len(chosen) == 1:
        for name in names:
            if name != chosen[0]:
                yield (name,)
        return
    for one in names[:_MOST_TWICE]:
        for two in names[:_MOST_TWICE]:
            if one != chosen[0] and two != chosen[1] and one != two:
                yield one, two
