"""Kinds that add conditions, terms and statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.edits.python import phrases as ph
from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.calls import wrappable
from hrmgym.envs.edits.python.numbers import counts
from hrmgym.envs.edits.python.operators import sign_of
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Change, Place
from hrmgym.envs.edits.python.pools import names_at, variables
from hrmgym.envs.edits.python.program import Program
from hrmgym.envs.edits.python.statements import statements

Changes = Iterator[Change | None]

_ZERO, _ONE, _TWO = pc.constant(0), pc.constant(1), pc.constant(2)
_NONE = pc.constant(None)
_VALUES = (_NONE, pc.constant(True), pc.constant(False), _ZERO, pc.display("[", []))
_ORDER = ("<", "<=", ">", ">=", "==", "!=")
_UNWRAPPED = (
    *(ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal),
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
)


def conditions(program: Program, scope: ast.AST, unbound: int, region: int) -> tuple[Piece, ...]:
    """Simple conditions on what may be read in a scope, and those of the region itself."""
    key = ("conditions", scope, unbound, region)
    known = program.memo.get(key)
    if known is None:
        found: dict[str, Piece] = {}
        for piece in _tests(program, region):
            for one in (piece, pc.negated(piece)):
                if not one.reads & unbound:
                    found.setdefault(one.canon, one)
        for piece in variables(program, scope, unbound, region):
            for one in _of_name(program, piece):
                found.setdefault(one.canon, one)
            if piece.type in ("dict", "set", "list"):
                for other in variables(program, scope, unbound, region):
                    if other.type in ("", "int", "str"):
                        for sign in ("in", "not in"):
                            one = pc.compare(other, sign, piece)
                            found.setdefault(one.canon, one)
        known = program.memo[key] = tuple(found.values())
    assert isinstance(known, tuple)
    return known


def _tests(program: Program, region: int) -> list[Piece]:
    """The conditions of a region, those joined by `and` and `or` apart."""
    found = []
    for place in program.places:
        if place.region != region or place.store or isinstance(place.node, ast.BoolOp):
            continue
        if (
            (place.field in ("test", "ifs") or isinstance(place.parent, ast.BoolOp))
            and not isinstance(place.node, ast.Constant)
            and "\n" not in place.piece.text
        ):
            found.append(place.piece)
    return found


def _of_name(program: Program, piece: Piece) -> Iterator[Piece]:
    if piece.type == "int" or (not piece.type and piece.text in program.numeric):
        for sign in ("==", ">", "<", "!="):
            yield pc.compare(piece, sign, _ZERO)
    elif piece.type not in ("func", "class", "module", "iter", "float"):
        yield piece
        yield pc.negated(piece)
        if piece.type in ("", "none"):
            yield pc.compare(piece, "is", _NONE)
            yield pc.compare(piece, "is not", _NONE)


def add_condition(program: Program) -> Changes:
    """A condition more, with `and` or `or`."""
    for place in program.places:
        if place.store or place.field not in ("test", "ifs"):
            continue
        operator = type(place.node.op).__name__ if isinstance(place.node, ast.BoolOp) else ""
        old = [one.piece for one in place.inner]
        for piece in conditions(program, place.scope, place.unbound, place.region):
            for word in ("and", "or"):
                values = old if operator.lower() == word else [place.piece]
                if piece in values or piece.canon == place.piece.canon:
                    continue
                yield program.put(place, pc.boolean(word, [*values, piece]))
                yield program.put(place, pc.boolean(word, [piece, *values]))
            if operator:
                other = "or" if operator == "And" else "and"
                for index, value in enumerate(old):
                    inner = pc.boolean(other, [value, piece])
                    rest = [*old[:index], inner, *old[index + 1 :]]
                    yield program.put(place, pc.boolean(operator.lower(), rest))


def to_condition(program: Program) -> Changes:
    """A condition for `True`, `False` or a whole condition."""
    for place in program.places:
        fixed = isinstance(place.node, ast.Constant) and isinstance(place.node.value, bool)
        if place.store or not (fixed or place.field in ("test", "ifs")):
            continue
        for piece in conditions(program, place.scope, place.unbound, place.region):
            yield program.put(place, piece)


def add_filter(program: Program) -> Changes:
    """A condition for a comprehension that has none."""
    for place in program.of_kind(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp):
        last = place.node.generators[-1]
        if last.ifs or len(place.inner) < 2:
            continue
        inner = program.at[last.iter]
        bound = place.inner[-1].unbound
        at = program.canons[place.region].blocks[last, "ifs"]
        for piece in conditions(program, place.scope, bound, place.region):
            text = f" if {pc.within(piece, pc.OR)}"
            yield Change(inner.high, inner.high, text, place.region, at, at, f"{piece.canon},")


def drop_filter(program: Program) -> Changes:
    """A condition of a comprehension left out."""
    for place in program.of_kind(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp):
        for one in place.node.generators:
            behind = program.at[one.iter].high
            for test in one.ifs:
                at = program.at[test]
                begin, stop = at.canon_start, at.canon_end + 1
                text = program.apart("", behind, at.high)
                yield Change(behind, at.high, text, place.region, begin, stop, "")
                behind = at.high


def comparison_and_bound(program: Program) -> Changes:
    """Another comparison with a number beside the old one."""
    for place in program.of_kind(ast.Compare):
        if len(place.inner) != 2 or sign_of(place.node.ops[0]) not in _ORDER:
            continue
        left, right = place.inner
        value = _written(right.node)
        if value is None:
            continue
        for number in (value - 1, value + 1):
            for sign in _ORDER:
                yield program.put(place, pc.compare(left.piece, sign, pc.constant(number)))


def _written(node: ast.expr) -> int | None:
    """The whole number that an expression writes out, with its sign; None if it is none."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _written(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    return None


def add_term(program: Program) -> Changes:
    """A term or a factor more: a variable added, subtracted, multiplied; a square, a half."""
    for place in program.places:
        node, kind = place.node, place.piece.type
        if not wrappable(place) or isinstance(node, (ast.Compare, ast.BoolOp)):
            continue
        if isinstance(node, ast.Constant):
            if type(node.value) is int and not isinstance(place.parent, ast.Subscript):
                yield from _beside_number(program, place)
            continue
        if kind in ("bool", "none", "dict", "func", "class", "module", "iter"):
            continue
        number = kind in ("int", "float") or counts(program, place)
        inside = isinstance(place.parent, ast.BinOp)
        if number or not kind:
            for other in names_at(program, place):
                if other.type in ("", "int", "float") and (
                    other.type or not number or other.text in program.numeric or not kind
                ):
                    yield program.put(place, pc.binary(place.piece, "-", other, kind))
                    yield program.put(place, pc.binary(place.piece, "+", other, kind))
                    if number or isinstance(node, ast.BinOp):
                        for sign in ("*", "//", "%"):
                            yield program.put(place, pc.binary(place.piece, sign, other, kind))
                        yield program.put(place, pc.binary(other, "-", place.piece, kind))
            if number or inside or isinstance(place.parent, ast.Compare):
                for sign in ("**", "*", "//", "/", "%"):
                    yield program.put(place, pc.binary(place.piece, sign, _TWO, kind))
        if not number and kind in ("", "list", "str", "tuple", "bytes"):
            for other in names_at(program, place):
                if other.type in ("", kind) or (not kind and other.type in ("list", "str")):
                    yield program.put(place, pc.binary(other, "+", place.piece, kind))
                    yield program.put(place, pc.binary(place.piece, "+", other, kind))


def _beside_number(program: Program, place: Place) -> Changes:
    """A variable before a number written out."""
    for other in names_at(program, place):
        if other.type in ("int", "float") or other.text in program.numeric:
            for sign in "+-*":
                yield program.put(place, pc.binary(other, sign, place.piece, "int"))


def insert_statement(program: Program) -> Changes:
    """A statement more: an assignment, a count, an item added to a collection, a jump, a return."""
    for gap in ph.gaps(program):
        block = gap.block
        names = variables(program, block.scope, gap.unbound, block.region)
        local = program.flow.local[block.scope]
        last = gap.position == len(block.statements)
        if last:
            yield ph.put(gap, ph.BREAK)
            yield ph.put(gap, ph.CONTINUE)
            for value in _VALUES:
                yield ph.put(gap, ph.returned(value))
            yield ph.put(gap, ph.returned(None))
            for piece in names:
                yield ph.put(gap, ph.returned(piece))
        for piece in names:
            number = piece.type == "int" or (not piece.type and piece.text in program.numeric)
            if piece.reads & local:
                if number:
                    yield ph.put(gap, ph.augment(piece, "+", _ONE))
                    yield ph.put(gap, ph.augment(piece, "-", _ONE))
                for other in names:
                    if other is not piece and _alike(piece, other):
                        yield ph.put(gap, ph.assign(piece, other))
                for value in (*_VALUES, _ONE):
                    if _alike(piece, value) or value is _NONE:
                        yield ph.put(gap, ph.assign(piece, value))
            for method in _added(program, piece):
                for other in names:
                    if other is not piece:
                        called = pc.call(pc.attribute(piece, method), [other])
                        yield ph.put(gap, ph.expression(called))


def _alike(one: Piece, two: Piece) -> bool:
    return not one.type or not two.type or one.type == two.type


def _added(program: Program, piece: Piece) -> tuple[str, ...]:
    """The methods that add one item to what a variable holds."""
    if piece.type in ("list", "set", "deque"):
        return ("add",) if piece.type == "set" else ("append",)
    if piece.type:
        return ()
    return tuple(
        method for method in ("append", "add") if (piece.text, method) in program.method_calls
    )


def insert_guard(program: Program) -> Changes:
    """An early return, or a jump, under a condition."""
    returns = dict.fromkeys(
        program.at[node.value].piece
        for node, _ in statements(program, ast.Return)
        if isinstance(node, ast.Return) and isinstance(node.value, (ast.Constant, ast.Name))
    )
    for gap in ph.gaps(program):
        block = gap.block
        if gap.position == len(block.statements):
            continue
        phrases = [ph.returned(piece) for piece in dict.fromkeys((*returns, *_VALUES))]
        phrases = [ph.returned(None), *phrases[:6], ph.CONTINUE, ph.BREAK]
        phrases = [one for one in phrases if not one.needs & ~block.legal]
        step = f"{gap.indent}{program.unit}"
        phrases = [one for one in phrases if not one.reads & gap.unbound]
        for test in _guards(program, gap):
            yield from ph.put_all(gap, (ph.guarded(test, phrase, step) for phrase in phrases))


def _guards(program: Program, gap: ph.Gap) -> Iterator[Piece]:
    block = gap.block
    for piece in variables(program, block.scope, gap.unbound, block.region):
        if piece.type == "int" or (not piece.type and piece.text in program.numeric):
            yield pc.compare(piece, "==", _ZERO)
            yield pc.compare(piece, "<", _ZERO)
        elif piece.type in ("", "list", "str", "dict", "set", "tuple", "none", "bool"):
            yield pc.negated(piece)
            if piece.type in ("", "none"):
                yield pc.compare(piece, "is", _NONE)


def wrap_in_if(program: Program) -> Changes:
    """A statement done only under a condition."""
    for block in program.blocks:
        canon = program.canons[block.region]
        for node in block.statements:
            lines = program.lines(node)
            if lines is None or isinstance(node, _UNWRAPPED) or program.is_elif(node):
                continue
            if not program.may_shift(node):
                continue
            indent = program.source.indent(node)
            unbound = program.unbound(node)
            begin, stop = canon.spans[node]
            body = program.shifted(lines, more=program.unit)
            for test in conditions(program, block.scope, unbound, block.region):
                text = f"{indent}if {test.text}:\n{body}"
                tree = f"If({test.canon};[{canon.text[begin:stop]},];[];)"
                yield Change(*lines, text, block.region, begin, stop, tree)


def add_fallback(program: Program) -> Changes:
    """A value instead of an empty one: `x or []` for `x`."""
    for place in program.places:
        if place.store or isinstance(place.node, (ast.Constant, ast.Compare, ast.BoolOp)):
            continue
        if place.field != "value" or not isinstance(place.parent, (ast.Assign, ast.Return)):
            continue
        if place.piece.type in ("bool", "func", "class", "list"):
            continue
        for value in (*_VALUES, pc.constant(""), Piece("{}", "Dict([];[];)", pc.ATOM, "dict")):
            if not isinstance(place.node, (ast.Starred, ast.Yield)):
                yield program.put(place, pc.boolean("or", [place.piece, value]))


def expression_swap(program: Program) -> Changes:
    """An expression of the region for another one."""
    donors: dict[int, dict[str, tuple[Piece, Place]]] = {}
    for place in program.places:
        if place.store or isinstance(place.node, (ast.Name, ast.Constant, ast.Starred, ast.Slice)):
            continue
        if (
            len(place.piece.text) <= 40
            and "\n" not in place.piece.text
            and place.field != "func"
            and not isinstance(place.parent, ast.Expr)
        ):
            donors.setdefault(place.region, {}).setdefault(place.piece.canon, (place.piece, place))
    for place in program.places:
        if place.store or isinstance(place.node, (ast.Starred, ast.Slice)):
            continue
        if place.field == "func" or isinstance(place.parent, (ast.Expr, ast.Attribute)):
            continue
        test = place.field in ("test", "ifs")
        number = counts(program, place)
        for piece, donor in donors.get(place.region, {}).values():
            if (donor.field in ("test", "ifs")) != test or donor.node is place.node:
                continue
            if number and piece.type not in ("", "int", "float"):
                continue
            yield program.put(place, piece)
