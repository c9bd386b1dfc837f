"""Kinds that change the order and the depth of statements, and the frames around them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.flow import stored_by, stored_in
from hrmgym.envs.edits.python.places import Block, Change
from hrmgym.envs.edits.python.program import Program
from hrmgym.envs.edits.python.statements import statements

Changes = Iterator[Change | None]

_FRAMES = (ast.If, ast.With, ast.For, ast.While, ast.Try)
_FIXED = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)
_FAR = 4
_MOST_TOGETHER = 3


def swap_statements(program: Program) -> Changes:
    """Two neighbouring statements swapped."""
    for block in program.blocks:
        for first, second in pairwise(block.statements):
            yield _moved(program, block, first, second)


def _moved(program: Program, block: Block, first: ast.stmt, second: ast.stmt) -> Change | None:
    """The first of two neighbouring statements behind the second."""
    one, two = program.lines(first), program.lines(second)
    if one is None or two is None or isinstance(first, _FIXED) or isinstance(second, _FIXED):
        return None
    if not program.may_swap(first, second, block):
        return None
    (s1, e1), (s2, e2) = _own(program, first), _own(program, second)
    text, canon = program.text, program.canons[block.region]
    (c1, d1), (c2, d2) = canon.spans[first], canon.spans[second]
    trees = f"{canon.text[c2:d2]},{canon.text[c1:d1]}"
    return Change(s1, e2, text[s2:e2] + text[e1:s2] + text[s1:e1], block.region, c1, d2, trees)


_ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)


def _own(program: Program, node: ast.stmt) -> tuple[int, int]:
    return program.first(node), program.source.span(node)[1]


def move_statement(program: Program) -> Changes:
    """A statement moved past two to four others."""
    for block in program.blocks:
        nodes, canon = block.statements, program.canons[block.region]
        for index, node in enumerate(nodes):
            lines = program.lines(node)
            if lines is None or isinstance(node, (*_FIXED, *_ENDS)) or program.is_elif(node):
                continue
            text = program.text[slice(*lines)]
            begin, stop = canon.spans[node]
            for far in range(2, _FAR + 1):
                for other in (index + far, index - far):
                    if not 0 <= other < len(nodes):
                        continue
                    between = nodes[min(index, other) : max(index, other) + 1]
                    spans = [program.lines(one) for one in between]
                    if any(one is None for one in spans) or not text.endswith("\n"):
                        continue
                    low, high = spans[0], spans[-1]
                    assert low is not None
                    assert high is not None
                    if any(isinstance(one, (*_FIXED, *_ENDS)) for one in between):
                        continue
                    if other > index:
                        if not all(program.may_swap(node, one, block) for one in between[1:]):
                            continue
                        rest = program.text[lines[1] : high[1]]
                        if not rest.endswith("\n"):
                            continue
                        tree = canon.text[stop + 1 : canon.spans[nodes[other]][1] + 1]
                        yield Change(
                            lines[0],
                            high[1],
                            rest + text,
                            block.region,
                            begin,
                            canon.spans[nodes[other]][1] + 1,
                            f"{tree}{canon.text[begin:stop]},",
                        )
                    else:
                        if not all(program.may_swap(one, node, block) for one in between[:-1]):
                            continue
                        first = canon.spans[nodes[other]][0]
                        yield Change(
                            low[0],
                            lines[1],
                            text + program.text[low[0] : lines[0]],
                            block.region,
                            first,
                            stop + 1,
                            f"{canon.text[begin:stop]},{canon.text[first:begin]}",
                        )


def move_out(program: Program) -> Changes:
    """The last statement of a block moved behind what holds the block."""
    yield from _moved_out(program, 1)


def move_out_statements(program: Program) -> Changes:
    """The last two statements of a block moved behind what holds the block, or the last three."""
    for count in range(2, _MOST_TOGETHER + 1):
        yield from _moved_out(program, count)


def _moved_out(program: Program, count: int) -> Changes:
    for owner, block in statements(program, *_FRAMES):
        inner = _last_block(owner)
        if inner is None or program.is_elif(owner):
            continue
        while isinstance(inner[-1], ast.If) and program.is_elif(inner[-1]):
            inner = _last_block(inner[-1]) or inner
        if len(inner) <= count:
            continue
        nodes = inner[-count:]
        lines, step = _lines_of(program, nodes), program.step(owner, nodes[0])
        if lines is None or not step or not all(program.allows(block, node) for node in nodes):
            continue
        canon = program.canons[block.region]
        begin, stop = canon.spans[nodes[0]][0], canon.spans[nodes[-1]][1]
        behind = canon.spans[owner][1]
        text = program.shifted(lines, less=step)
        # the statements leave their block; what closes the owner comes before them
        closing = canon.text[stop + 1 : behind]
        tree = f"{closing},{canon.text[begin:stop]}"
        yield Change(*lines, text, block.region, begin, behind, tree)


def _lines_of(program: Program, nodes: Sequence[ast.stmt]) -> tuple[int, int] | None:
    """The whole lines of neighbours, from first to last; None where they may not be indented."""
    spans = [program.lines(node) for node in nodes]
    if spans[0] is None or spans[-1] is None or None in spans:
        return None
    if not all(map(program.may_shift, nodes)):
        return None
    return spans[0][0], spans[-1][1]


def _last_block(node: ast.stmt) -> list[ast.stmt] | None:
    """The block whose end is the statement's end."""
    for name in ("finalbody", "orelse", "handlers", "body"):
        block = getattr(node, name, None)
        if block:
            if name == "handlers":
                return block[-1].body  # type: ignore[no-any-return]
            return block  # type: ignore[no-any-return]
    return None


def move_in(program: Program) -> Changes:
    """A statement moved to the end of the block before it."""
    yield from _moved_in(program, 1)


def move_in_statements(program: Program) -> Changes:
    """Two neighbouring statements moved to the end of the block before them, or three."""
    for count in range(2, _MOST_TOGETHER + 1):
        yield from _moved_in(program, count)


def _moved_in(program: Program, count: int) -> Changes:
    for block in program.blocks:
        for index, owner in enumerate(block.statements):
            nodes = block.statements[index + 1 : index + 1 + count]
            inner = _last_block(owner) if isinstance(owner, _FRAMES) else None
            if inner is None or len(nodes) < count:
                continue
            if any(isinstance(node, _FIXED) for node in nodes):
                continue
            while isinstance(inner[-1], ast.If) and program.is_elif(inner[-1]):
                inner = _last_block(inner[-1]) or inner
            step, lines = program.step(owner, inner[-1]), _lines_of(program, nodes)
            if lines is None or not step or isinstance(inner[-1], _ENDS):
                continue
            if program.lines(inner[-1]) is None:
                continue
            canon = program.canons[block.region]
            begin, stop = canon.spans[nodes[0]][0], canon.spans[nodes[-1]][1]
            place = canon.spans[inner[-1]][1] + 1
            tree = f"{canon.text[begin:stop]},{canon.text[place : begin - 1]}"
            text = program.shifted(lines, more=step)
            yield Change(*lines, text, block.region, place, stop, tree)


def unwrap_block(program: Program) -> Changes:
    """What stands in an `if`, `with`, `for`, `while` or `try` without it."""
    for node, block in statements(program, *_FRAMES):
        body = getattr(node, "body", [])
        lines, step = program.lines(node), program.step(node, body[0])
        if lines is None or not step or program.is_elif(node):
            continue
        if isinstance(node, ast.If) and node.orelse:
            continue
        first, last = program.lines(body[0]), program.lines(body[-1])
        if first is None or last is None or not program.may_shift(node):
            continue
        if program.sole_binding(_bound_by_frame(node), _frame(program, node), block):
            continue
        if not all(program.allows(block, one) for one in body):
            continue
        canon = program.canons[block.region]
        tree = canon.text[canon.spans[body[0]][0] : canon.spans[body[-1]][1]]
        text = program.shifted((first[0], last[1]), less=step)
        if not program.text[lines[0] : lines[1]].endswith("\n"):
            text = text.rstrip("\n")
        begin, stop = canon.spans[node]
        yield Change(*lines, text, block.region, begin, stop, tree)


def _frame(program: Program, node: ast.stmt) -> list[tuple[int, int]]:
    """The spans of a statement that are not in its body."""
    start, end = program.source.span(node)
    body = node.body  # type: ignore[attr-defined]
    return [(start, program.first(body[0])), (program.source.span(body[-1])[1], end)]


def _bound_by_frame(node: ast.stmt) -> Iterator[str]:
    """What a statement binds itself, and in its other blocks."""
    if not isinstance(node, ast.Try):
        yield from stored_by(node)
    others = [*getattr(node, "orelse", ()), *getattr(node, "finalbody", ())]
    others += [one for handler in getattr(node, "handlers", ()) for one in handler.body]
    yield from stored_in(others)


def drop_else(program: Program) -> Changes:
    """An `else`, or a last `elif`, left out."""
    for node, block in statements(program, ast.If, ast.For, ast.While):
        assert isinstance(node, (ast.If, ast.For, ast.While))
        orelse = node.orelse
        if not orelse or not all(program.may_drop(one, block) for one in orelse):
            continue
        lines, end = program.lines(node.body[-1]), program.lines(orelse[-1])
        if lines is None or end is None:
            continue
        canon = program.canons[block.region]
        begin = canon.blocks[node, "orelse"]
        yield Change(lines[1], end[1], "", block.region, begin, canon.spans[orelse[-1]][1] + 1, "")


def swap_branches(program: Program) -> Changes:
    """What stands under `if` and under `else` swapped."""
    for node, block in statements(program, ast.If):
        assert isinstance(node, ast.If)
        if not node.orelse or program.is_elif(node.orelse[0]):
            continue
        one = program.lines(node.body[0]), program.lines(node.body[-1])
        two = program.lines(node.orelse[0]), program.lines(node.orelse[-1])
        if one[0] is None or one[1] is None or two[0] is None or two[1] is None:
            continue
        (s1, e1), (s2, e2) = (one[0][0], one[1][1]), (two[0][0], two[1][1])
        text, canon = program.text, program.canons[block.region]
        if not text[s2:e2].endswith("\n") or s1 >= s2:
            continue
        c1, c2 = canon.blocks[node, "body"], canon.blocks[node, "orelse"]
        d1 = canon.spans[node.body[-1]][1] + 1
        d2 = canon.spans[node.orelse[-1]][1] + 1
        tree = canon.text[c2:d2] + canon.text[d1:c2] + canon.text[c1:d1]
        yield Change(s1, e2, text[s2:e2] + text[e1:s2] + text[s1:e1], block.region, c1, d2, tree)


def elif_to_if(program: Program) -> Changes:
    """`if` for `elif`; `else` for the last `elif`."""
    for node, block in statements(program, ast.If):
        assert isinstance(node, ast.If)
        if program.is_elif(node):
            continue
        canon, last = program.canons[block.region], node
        while len(last.orelse) == 1 and program.is_elif(last.orelse[0]):
            other = last.orelse[0]
            assert isinstance(other, ast.If)
            start = program.source.span(other)[0]
            begin, stop = canon.spans[other]
            behind = canon.spans[node][1]
            tree = f"{canon.text[stop + 1 : behind]},{canon.text[begin:stop]}"
            yield Change(start, start + 4, "if", block.region, begin, behind, tree)
            if not other.orelse:
                end = program.after(program.at[other.test].high, ":") - 1
                body = canon.blocks[other, "body"]
                tree = canon.text[body : canon.spans[other.body[-1]][1] + 1]
                yield Change(start, end, "else", block.region, begin, stop + 1, tree)
            last = other


def if_to_elif(program: Program) -> Changes:
    """`elif` for an `if` that comes after another one."""
    for block in program.blocks:
        for first, second in pairwise(block.statements):
            if not isinstance(first, ast.If) or not isinstance(second, ast.If):
                continue
            if program.lines(first) is None or program.lines(second) is None:
                continue
            last = first
            while last.orelse:
                if len(last.orelse) != 1 or not program.is_elif(last.orelse[0]):
                    break
                assert isinstance(last.orelse[0], ast.If)
                last = last.orelse[0]
            if last.orelse:
                continue
            canon = program.canons[block.region]
            start = program.source.span(second)[0]
            begin, stop = canon.spans[second]
            place = canon.blocks[last, "orelse"]
            tree = f"{canon.text[begin:stop]},{canon.text[place : begin - 1]}"
            yield Change(start, start + 2, "elif", block.region, place, stop, tree)


def if_or_while(program: Program) -> Changes:
    """`while` for `if`, `if` for `while`."""
    for node, block in statements(program, ast.If, ast.While):
        assert isinstance(node, (ast.If, ast.While))
        if program.is_elif(node) or node.orelse:
            continue
        if isinstance(node, ast.While) and not program.allows_body(block, node):
            continue
        start = program.source.span(node)[0]
        begin = program.canons[block.region].spans[node][0]
        old, new = ("if", "While") if isinstance(node, ast.If) else ("while", "If")
        end = start + len(old)
        stop = begin + len(old)
        yield Change(start, end, new.lower(), block.region, begin, stop, new)


def swap_conditional(program: Program) -> Changes:
    """The two values of `a if c else b` swapped."""
    for place in program.of_kind(ast.IfExp):
        body, test, orelse = (one.piece for one in place.inner)
        text = (
            f"{pc.within(orelse, pc.OR)} if {pc.within(test, pc.OR)} "
            f"else {pc.within(body, pc.CONDITIONAL)}"
        )
        canon = f"IfExp({test.canon};{orelse.canon};{body.canon};)"
        yield program.put(
            place, pc.Piece(text, canon, pc.CONDITIONAL, place.piece.type, place.piece.reads)
        )
