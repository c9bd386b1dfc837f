"""Kinds that change what a function takes and what a handler catches."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.calls import dropped
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Block, Change
from hrmgym.envs.edits.python.pools import name
from hrmgym.envs.edits.python.program import Program

Changes = Iterator[Change | None]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFAULTS = (pc.constant(None), pc.constant(True), pc.constant(False), pc.constant(0))
_MOST_PARAMETERS = 6
#: What a handler often has to catch, too, or instead: others of a family, and what they have above.
_CAUGHT: tuple[tuple[str, ...], ...] = (
    ("KeyError", "IndexError", "LookupError"),
    ("KeyError", "AttributeError"),
    ("ValueError", "TypeError"),
    ("ValueError", "UnicodeDecodeError", "UnicodeError"),
    ("AttributeError", "TypeError"),
    ("ImportError", "ModuleNotFoundError"),
    ("OSError", "FileNotFoundError", "PermissionError", "FileExistsError", "NotADirectoryError"),
    ("OSError", "ConnectionError", "TimeoutError"),
    ("ZeroDivisionError", "OverflowError", "ArithmeticError"),
    ("RuntimeError", "NotImplementedError", "RecursionError"),
    ("Exception", "ValueError", "TypeError", "KeyError", "RuntimeError", "OSError"),
)
_ALWAYS = "Exception"


# --- parameters ----------------------------------------------------------------------------------


def _functions(program: Program) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, Block]]:
    """The functions with a body in the program's blocks, and that block."""
    for block in program.blocks:
        if isinstance(block.owner, _FUNCTIONS) and block.field == "body":
            yield block.owner, block


def _positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args]


def default_value(program: Program) -> Changes:
    """A default value for a parameter that has none; none for one that has."""
    for node, block in _functions(program):
        arguments, canon = node.args, program.canons[block.region]
        parameters, defaults = _positional(node), arguments.defaults
        first = len(parameters) - len(defaults)
        if defaults:
            yield _without_default(program, block, parameters[first], defaults[0], "")
        if first and parameters[first - 1].arg not in ("self", "cls"):
            at = canon.blocks[arguments, "defaults"]
            yield from _with_default(program, block, parameters[first - 1], (at, at), ",")
        at = canon.blocks[arguments, "kw_defaults"]
        for parameter, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if value is None:
                yield from _with_default(program, block, parameter, (at, at + 1), "")
                at += len("-,")
            else:
                yield _without_default(program, block, parameter, value, "-,")
                at = canon.spans[value][1] + 1


def _with_default(
    program: Program, block: Block, parameter: ast.arg, span: tuple[int, int], comma: str
) -> Changes:
    end = program.source.span(parameter)[1]
    equals = " = " if parameter.annotation is not None else "="
    for value in _DEFAULTS:
        text = f"{equals}{value.text}"
        yield Change(end, end, text, block.region, *span, value.canon + comma)


def _without_default(
    program: Program, block: Block, parameter: ast.arg, value: ast.expr, canon: str
) -> Change:
    begin, stop = program.canons[block.region].spans[value]
    start = program.source.span(parameter)[1]
    return Change(start, program.at[value].high, "", block.region, begin, stop + 1, canon)


def parameter(program: Program) -> Changes:
    """A parameter more, of a name that nothing binds; one that is never read left out."""
    calls = _called(program)
    for node, block in _functions(program):
        if node.name not in calls:
            yield from _less(program, node, block)
        yield from _more(program, node, block, called=node.name in calls)


def _called(program: Program) -> frozenset[str]:
    """The functions and methods that the file calls."""
    functions = (place.node.func for place in program.of_kind(ast.Call))
    return frozenset(
        one.id if isinstance(one, ast.Name) else getattr(one, "attr", "") for one in functions
    )


def _less(program: Program, node: ast.FunctionDef | ast.AsyncFunctionDef, block: Block) -> Changes:
    arguments, canon = node.args, program.canons[block.region]
    if arguments.posonlyargs:
        return
    read = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Nonlocal):
            read.update(inner.names)
    defaults = dict(
        zip(arguments.args[::-1], arguments.defaults[::-1], strict=False)  # the last ones have them
    )
    spans = []
    for one in arguments.args:
        low, high = program.source.span(one)
        if one in defaults:
            high = program.at[defaults[one]].high
        spans.append((low, high, *canon.spans[one]))
    more = arguments.vararg or arguments.kwonlyargs or arguments.kwarg
    for index, one in enumerate(arguments.args):
        if one.arg in ("self", "cls") or (len(spans) == 1 and more):
            continue
        if one.arg in read:
            continue
        change = dropped(program, spans, index, block.region)
        stop = change.canon_end
        tail = ""
        if one in defaults:
            low, high = canon.spans[defaults[one]]
            tail, stop = canon.text[change.canon_end : low], high + 1
        yield change._replace(canon_end=stop, canon=tail)


def _more(
    program: Program,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    block: Block,
    *,
    called: bool,
) -> Changes:
    arguments, canon = node.args, program.canons[block.region]
    parameters = _positional(node)
    if not parameters or not arguments.args:
        return
    last = parameters[-1]
    end = program.source.span(last)[1]
    if arguments.defaults:
        end = program.at[arguments.defaults[-1]].high
    first = len(parameters) - len(arguments.defaults)
    at = canon.spans[last][1] + 1
    behind = canon.blocks[arguments, "defaults"]
    if arguments.defaults:
        behind = canon.spans[arguments.defaults[-1]][1] + 1
    middle = canon.text[at:behind]
    none = _DEFAULTS[0]
    for text in _free(program, node)[:_MOST_PARAMETERS]:
        new = f"arg({text!r};),"
        yield Change(
            end,
            end,
            f", {text}={none.text}",
            block.region,
            at,
            behind,
            f"{new}{middle}{none.canon},",
        )
        if not called and not arguments.posonlyargs and first > 0:
            before = arguments.args[first - 1]
            place, stop = program.source.span(before)[1], canon.spans[before][1] + 1
            yield Change(place, place, f", {text}", block.region, stop, stop, new)


def _free(program: Program, node: ast.AST) -> list[str]:
    """Names that a function reads and nothing in the file binds, as they come."""
    start, end = program.source.span(node)  # type: ignore[arg-type]
    return [text for text, at in program.free.items() if start <= at < end]


# --- handlers ------------------------------------------------------------------------------------


def exception_type(program: Program) -> Changes:
    """Another exception caught, one more, one fewer; the class above it; `Exception`."""
    raised = _exceptions(program)
    for block in program.blocks:
        if not isinstance(block.owner, ast.ExceptHandler) or block.owner.type is None:
            continue
        caught = block.owner.type
        canon = program.canons[block.region]
        begin, stop = canon.spans[caught]
        start, end = program.source.outer_span(caught)
        several = isinstance(caught, ast.Tuple)
        nodes = caught.elts if isinstance(caught, ast.Tuple) else [caught]
        if any(isinstance(one, ast.Starred) for one in nodes):
            continue
        old = [
            Piece(program.source.segment(one), canon.text[slice(*canon.spans[one])], pc.ATOM)
            for one in nodes
        ]
        others = [
            piece
            for piece in _instead(program, block, old, raised)
            if piece.canon not in {one.canon for one in old}
        ]
        made: list[Piece] = []
        if several:
            made += _fewer(old)
            for index in range(len(old)):
                made += [
                    pc.display("(", [*old[:index], piece, *old[index + 1 :]]) for piece in others
                ]
        made += others
        made += [pc.display("(", [*old, piece]) for piece in others]
        for piece in made:
            text = program.apart(piece.text, start, end)
            yield Change(start, end, text, block.region, begin, stop, piece.canon)


def _fewer(old: Sequence[Piece]) -> list[Piece]:
    """One exception of a tuple left out; a tuple of one is its only one."""
    found = [[*old[:index], *old[index + 1 :]] for index in range(len(old))]
    return [pc.display("(", some) if len(some) > 1 else some[0] for some in found if some]


def _exceptions(program: Program) -> dict[int, dict[str, Piece]]:
    """What each region raises or catches by a name: canon -> exception."""
    found: dict[int, dict[str, Piece]] = {}
    for block in program.blocks:
        nodes: list[ast.AST] = []
        if isinstance(block.owner, ast.ExceptHandler) and block.owner.type is not None:
            caught = block.owner.type
            nodes += caught.elts if isinstance(caught, ast.Tuple) else [caught]
        for node in block.statements:
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                nodes.append(node.exc.func)
        for one in nodes:
            if isinstance(one, (ast.Name, ast.Attribute)):
                canon = program.canon_of(one, block.region)
                text = program.source.segment(one)
                if "\n" not in text:
                    piece = Piece(text, canon, pc.ATOM)
                    found.setdefault(block.region, {}).setdefault(canon, piece)
    return found


def _instead(
    program: Program, block: Block, old: Sequence[Piece], raised: dict[int, dict[str, Piece]]
) -> list[Piece]:
    texts = {piece.text for piece in old}
    names = [one for family in _CAUGHT if texts & set(family) for one in family]
    pieces = [
        name(program, one, block.scope)
        for one in dict.fromkeys((*names, _ALWAYS))
        if program.is_builtin(one)
    ]
    return list(
        {one.canon: one for one in (*pieces, *raised.get(block.region, {}).values())}.values()
    )
