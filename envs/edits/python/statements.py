"""Kinds that change one statement: its operator, its jump, its target, or all of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.edits.python import phrases as ph
from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.operators import sign_of
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Block, Change
from hrmgym.envs.edits.python.pools import variables
from hrmgym.envs.edits.python.program import Program

Changes = Iterator[Change | None]

_AUGMENTED = {
    "+": ("-", "*", "|"),
    "-": ("+", "//"),
    "*": ("+", "/", "//", "**"),
    "/": ("*", "//", "-"),
    "//": ("/", "-", "%", "*"),
    "%": ("//", "-"),
    "&": ("|", "^", "-"),
    "|": ("&", "^", "+"),
    "^": ("&", "|"),
    "<<": (">>", "*"),
    ">>": ("<<", "//"),
    "**": ("*",),
    "@": ("*",),
}
_TARGETS = (ast.Name, ast.Attribute, ast.Subscript)
_VALUES = (pc.constant(None), pc.constant(True), pc.constant(False))


def statements(program: Program, *kinds: type[ast.stmt]) -> Iterator[tuple[ast.stmt, Block]]:
    """All statements of some kinds in the program's blocks."""
    for block in program.blocks:
        for node in block.statements:
            if isinstance(node, kinds):
                yield node, block


def delete_statement(program: Program) -> Changes:
    """A statement left out; `pass` where it is alone."""
    for block in program.blocks:
        for node in block.statements:
            if isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)):
                continue
            if program.is_elif(node) or not program.may_drop(node, block):
                continue
            lines = program.lines(node)
            begin, stop = program.canons[block.region].spans[node]
            if len(block.statements) == 1:
                start = program.first(node)
                end = program.source.span(node)[1]
                yield Change(start, end, "pass", block.region, begin, stop, "Pass()")
            elif lines is not None:
                yield Change(*lines, "", block.region, begin, stop + 1, "")


def delete_statements(program: Program) -> Changes:
    """Two neighbouring statements left out, or three."""
    for block in program.blocks:
        spans = program.canons[block.region].spans
        for count in (2, 3):
            for index in range(len(block.statements) - count):
                yield _without(program, block, block.statements[index : index + count], spans)
            if len(block.statements) > count:
                yield _without(program, block, block.statements[-count:], spans)


def _without(
    program: Program,
    block: Block,
    nodes: list[ast.stmt],
    spans: dict[ast.AST, tuple[int, int]],
) -> Change | None:
    first, last = program.lines(nodes[0]), program.lines(nodes[-1])
    fixed = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)
    if first is None or last is None or any(isinstance(node, fixed) for node in nodes):
        return None
    if any(program.lines(node) is None for node in nodes):
        return None
    if not all(program.may_drop(node, block) for node in nodes):
        return None
    begin, stop = spans[nodes[0]][0], spans[nodes[-1]][1] + 1
    return Change(first[0], last[1], "", block.region, begin, stop, "")


def augmented(program: Program) -> Changes:
    """Another operator of an augmented assignment; `=` for `+=`."""
    for node, block in statements(program, ast.AugAssign):
        assert isinstance(node, ast.AugAssign)
        target, value = program.at[node.target], program.at[node.value]
        start, end = program.source.operator_between(node.target, node.value)
        sign = sign_of(node.op)
        begin, stop = target.canon_end + 1, value.canon_start - 1
        for new in _AUGMENTED[sign]:
            if value.piece.type in ("str", "list") and new not in ("+", "*"):
                continue
            name = f"{pc.BINARY[new][0]}()"
            yield Change(start, end, f"{new}=", block.region, begin, stop, name)
        begin, stop = program.canons[block.region].spans[node]
        canon = f"Assign([{target.piece.canon},];{value.piece.canon};)"
        yield Change(start, end, "=", block.region, begin, stop, canon)


def to_augmented(program: Program) -> Changes:
    """`+=`, `-=`, `*=` or `|=` for `=`."""
    for node, block in statements(program, ast.Assign):
        assert isinstance(node, ast.Assign)
        if len(node.targets) != 1 or not isinstance(node.targets[0], _TARGETS):
            continue
        target, value = program.at[node.targets[0]], program.at[node.value]
        name = target.node
        if isinstance(name, ast.Name) and program.flow.bit(name.id) & target.unbound:
            continue
        kind = value.piece.type
        if kind in ("none", "bool", "func", "class"):
            continue
        start, end = program.source.operator_between(node.targets[0], node.value)
        begin, stop = program.canons[block.region].spans[node]
        for sign in ("+",) if kind in ("str", "list", "tuple") else ("+", "-", "*", "|", "&"):
            if sign in "|&" and kind in ("int", "float"):
                continue
            canon = f"AugAssign({target.piece.canon};{pc.BINARY[sign][0]}();{value.piece.canon};)"
            yield Change(start, end, f"{sign}=", block.region, begin, stop, canon)


def jump(program: Program) -> Changes:
    """`break`, `continue`, `pass` or `return` for one of them."""
    for node, block in statements(program, ast.Break, ast.Continue, ast.Pass, ast.Return):
        if isinstance(node, ast.Return) and node.value is not None:
            continue
        for phrase in (ph.BREAK, ph.CONTINUE, ph.PASS, ph.returned(None)):
            if phrase.text != type(node).__name__.lower():
                yield ph.replace(program, node, block, phrase)


def use_of_value(program: Program) -> Changes:
    """What becomes of a value: returned, assigned, yielded, or nothing of these."""
    for node, block in statements(program, ast.Assign, ast.AugAssign, ast.Return, ast.Expr):
        value = getattr(node, "value", None)
        if value is None:  # a `return` alone
            for one in _VALUES:
                yield ph.replace(program, node, block, ph.returned(one))
            continue
        if isinstance(value, (ast.Yield, ast.YieldFrom)):
            if isinstance(node, ast.Expr) and value.value is not None:
                yield from _of_yielded(program, node, block, value)
            continue
        piece, free = program.at[value].piece, program.may_drop(node, block)
        calls = isinstance(value, (ast.Call, ast.Await))
        if isinstance(node, ast.Return):
            if isinstance(block.scope, ast.FunctionDef):
                canon = f"Expr(Yield({piece.canon};);)"
                phrase = ph.Phrase(f"yield {piece.text}", canon, piece.reads)
                yield _changed(program, node, block, phrase, value)
            for one in _VALUES:
                yield ph.replace(program, node, block, ph.returned(one))
            yield ph.replace(program, node, block, ph.returned(None))
        elif free:
            yield _changed(program, node, block, ph.returned(piece), value)
        if calls and free and not isinstance(node, ast.Expr):
            yield _changed(program, node, block, ph.expression(piece), value)
        if isinstance(node, ast.Return) or (isinstance(node, ast.Expr) and calls):
            local = program.flow.local[block.scope]
            for one in variables(program, block.scope, 0, block.region):
                if one.reads & local and (calls or one.type in ("", piece.type)):
                    yield _changed(program, node, block, ph.assign(one, piece), value)


def _of_yielded(program: Program, node: ast.Expr, block: Block, value: ast.expr) -> Changes:
    """`return` or another `yield` for a `yield`."""
    assert isinstance(value, (ast.Yield, ast.YieldFrom))
    assert value.value is not None
    piece = program.at[value.value].piece
    yield _changed(program, node, block, ph.returned(piece), value.value)
    if isinstance(value, ast.YieldFrom):
        text, canon = f"yield {piece.text}", f"Expr(Yield({piece.canon};);)"
    elif isinstance(block.scope, ast.FunctionDef):
        text = f"yield from {pc.within(piece, pc.CONDITIONAL)}"
        canon = f"Expr(YieldFrom({piece.canon};);)"
    else:  # an asynchronous function has none
        return
    yield ph.replace(program, node, block, ph.Phrase(text, canon, piece.reads))


def _changed(
    program: Program, node: ast.stmt, block: Block, phrase: ph.Phrase, value: ast.expr
) -> Change | None:
    """A statement for another with the same value: the value's own text stays."""
    change = ph.replace(program, node, block, phrase)
    if change is None:
        return None
    place = program.at[value]
    if phrase.text.endswith(place.piece.text) and place.low == place.start:
        head = phrase.text[: len(phrase.text) - len(place.piece.text)]
        if program.text[place.start : change.end] == place.piece.text:
            return change._replace(end=place.start, text=head)
    return change


def call_to_assignment(program: Program) -> Changes:
    """`x = y` or `x += y` for `x.update(y)`."""
    for node, block in statements(program, ast.Expr):
        assert isinstance(node, ast.Expr)
        call = node.value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        owner = call.func.value
        if isinstance(owner, ast.Name) and owner.id in ("self", "cls"):
            continue
        if len(call.args) != 1 or call.keywords or not isinstance(owner, _TARGETS):
            continue
        if isinstance(call.args[0], (ast.Starred, ast.GeneratorExp)):
            continue
        left, right = program.at[owner].piece, program.at[call.args[0]].piece
        yield ph.replace(program, node, block, ph.assign(left, right))
        for sign in "+|":
            yield ph.replace(program, node, block, ph.augment(left, sign, right))


def assignment_to_call(program: Program) -> Changes:
    """`x.append(y)`, `x.extend(y)`, `x.update(y)` or `x.add(y)` for `x = y` or `x += y`."""
    methods = dict.fromkeys(("append", "extend", "update", "add"))
    for place in program.of_kind(ast.Attribute):
        if (
            place.field == "func"
            and isinstance(place.parent, ast.Call)
            and (
                isinstance(program.source.parent(place.parent), ast.Expr)
                and len(place.parent.args) == 1
            )
        ):
            methods[place.node.attr] = None
    for node, block in statements(program, ast.Assign, ast.AugAssign):
        assert isinstance(node, (ast.Assign, ast.AugAssign))
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if len(targets) != 1 or not isinstance(targets[0], _TARGETS):
            continue
        if isinstance(targets[0], ast.Name) and not program.may_drop(node, block):
            continue
        left, right = program.at[targets[0]].piece, program.at[node.value].piece
        if isinstance(targets[0], ast.Name):
            left = left._replace(reads=program.flow.bit(targets[0].id))
            left = left._replace(type=program.types.of_name(targets[0].id, block.scope))
        for method in methods:
            if program.types.has(left.type, method):
                called = pc.call(pc.attribute(left, method), [right])
                yield ph.replace(program, node, block, ph.expression(called))


def target_expression(program: Program) -> Changes:
    """Another target of an assignment: any that the region assigns to or reads."""
    donors: dict[tuple[int, str], Piece] = {}
    for place in program.places:
        if (
            isinstance(place.node, (ast.Subscript, ast.Attribute))
            and place.field != "func"
            and place.piece.type not in ("module", "class")
        ):
            donors.setdefault((place.region, place.piece.canon), place.piece)
    for place in program.places:
        if place.field not in ("targets", "target") or not place.store:
            continue
        if not isinstance(place.node, _TARGETS) or isinstance(place.parent, ast.comprehension):
            continue
        if not isinstance(place.parent, (ast.Assign, ast.AugAssign)):
            continue
        if isinstance(place.node, ast.Name) and not program.may_lose(place):
            continue
        pool = [piece for (region, _), piece in donors.items() if region == place.region]
        if not isinstance(place.node, ast.Name):
            names = variables(program, place.scope, 0, place.region)
            local = program.flow.local[place.scope]
            pool += [piece for piece in names if piece.reads & local]
        for piece in pool:
            if piece.text == place.piece.text:
                continue
            if not piece.text.isidentifier() and piece.reads & place.unbound:
                continue
            if isinstance(place.parent, ast.AugAssign) and piece.reads & place.unbound:
                continue
            yield program.replace(place, piece)
