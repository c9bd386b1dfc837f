"""Kinds that change calls: arguments, what is called, a call more or less around a value."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations

from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.numbers import counts
from hrmgym.envs.edits.python.operators import is_test
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Change, Place
from hrmgym.envs.edits.python.pools import callables, name, names_at
from hrmgym.envs.edits.python.program import Program

Changes = Iterator[Change | None]

_MOST_ARGUMENTS = 6
_CONVERSIONS = ("len", "list", "sorted", "set", "tuple", "str", "abs", "int", "reversed", "sum")
_OF_NUMBERS = ("abs", "int", "str", "float", "range")
_OF_LISTS = ("len", "list", "sorted", "set", "tuple", "reversed", "sum", "enumerate", "dict")
_OF_TEXTS = ("len", "int", "list", "sorted", "float", "set", "reversed", "ord")
_METHODS_OF = {
    "str": ("strip", "lower", "upper", "split", "copy", "encode"),
    "dict": ("items", "keys", "values", "copy"),
    "list": ("copy", "pop"),
    "bytes": ("decode",),
    "": ("copy", "items", "keys", "values", "strip", "lower", "pop"),
}
_ADDED = ("None", "True", "False", "0", "1", "-1")
_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("min", "max", "sum", "len"),
    ("any", "all", "sum", "bool"),
    ("sorted", "list", "reversed", "set", "tuple"),
    ("int", "round", "float", "str", "abs"),
    ("ord", "chr"),
    ("zip", "enumerate"),
    ("isinstance", "issubclass"),
    ("getattr", "hasattr"),
    ("range", "enumerate"),
    ("str", "repr"),
    ("list", "iter", "dict"),
)
_RELATED: dict[str, tuple[str, ...]] = {
    one: tuple(dict.fromkeys(o for family in _FAMILIES if one in family for o in family))
    for family in _FAMILIES
    for one in family
}


def argument_pieces(place: Place) -> list[Place]:
    """The places of the positional arguments of a call."""
    return [one for one in place.inner if one.field == "args"]


def swap_arguments(program: Program) -> Changes:
    """Two arguments of a call swapped, or the first parts of two."""
    for place in program.places:
        if not isinstance(place.node, (ast.Call, ast.Tuple, ast.List)):
            continue
        inner = argument_pieces(place) if isinstance(place.node, ast.Call) else list(place.inner)
        for left, right in combinations(inner[:_MOST_ARGUMENTS], 2):
            yield swapped(program, left, right)


def swapped(program: Program, left: Place, right: Place) -> Change | None:
    """Two expressions of one statement, each in place of the other."""
    one, two = program.put(left, right.piece), program.put(right, left.piece)
    if one is None or two is None:
        return None
    return both(program, one, two)


def both(program: Program, one: Change, two: Change) -> Change:
    """Two changes of one region as one, the first before the second."""
    canon = program.canons[one.region].text
    return Change(
        one.start,
        two.end,
        one.text + program.text[one.end : two.start] + two.text,
        one.region,
        one.canon_start,
        two.canon_end,
        one.canon + canon[one.canon_end : two.canon_start] + two.canon,
    )


def dropped(
    program: Program, places: list[tuple[int, int, int, int]], index: int, region: int
) -> Change:
    """One of several items left out, with a comma.

    Args:
        program: The program.
        places: The items: start and end in the text, start and end in the region's `Canon`.
        index: Which one.
        region: Their region.
    """
    start, end, begin, stop = places[index]
    if index:
        start = places[index - 1][1]
    elif len(places) > 1:
        end = places[1][0]
    else:  # a comma behind it goes, too
        after = program.source.tokens_between(end, end + 200)
        if after and after[0].text == ",":
            end = after[0].end
    return Change(start, end, "", region, begin, stop + 1, "")


def _items(program: Program, place: Place) -> list[tuple[int, int, int, int]]:
    """The arguments of a call, keywords and starred ones among them, as `dropped` takes them."""
    canon = program.canons[place.region].spans
    found = []
    for one in (*place.node.args, *place.node.keywords):
        if isinstance(one, ast.keyword):
            start, end = program.source.span(one)
            end = program.at[one.value].high
        else:
            start, end = program.at[one].low, program.at[one].high
        found.append((start, end, *canon[one]))
    return sorted(found)


def drop_argument(program: Program) -> Changes:
    """An argument of a call left out."""
    for place in program.of_kind(ast.Call):
        arguments = len(place.node.args)
        items = _items(program, place)
        for index in range(len(items)):
            if program.accepts(place, arguments - 1) or len(items) != arguments:
                yield dropped(program, items, index, place.region)


def add_argument(program: Program) -> Changes:
    """An argument too many: a variable, a constant, a keyword that another call gets."""
    words = dict.fromkeys(
        (program.text[slice(*program.source.span(word))], program.canon_of(word, place.region))
        for place in program.of_kind(ast.Call)
        for word in place.node.keywords
        if word.arg
    )
    for place in program.of_kind(ast.Call):
        node = place.node
        if any(isinstance(one, ast.Starred) for one in node.args):
            continue
        inner = argument_pieces(place)
        canon = program.canons[place.region]
        bare = _bare_argument(program, inner)
        if program.accepts(place, len(inner) + 1) and len(inner) < _MOST_ARGUMENTS:
            first = canon.blocks[node, "args"]
            opening = program.after(place.inner[0].high, "(")
            fixed = (Piece(one, one, pc.ATOM) if one != "-1" else pc.constant(-1) for one in _ADDED)
            for piece in (*variables_beside(program, place), *fixed):
                new = f"{piece.canon},"
                if piece.reads & place.unbound:
                    continue
                if bare is not None:
                    low, high, text = bare
                    behind = inner[0].canon_end + 1
                    before, after = f"{piece.text}, {text}", f"{text}, {piece.text}"
                    yield Change(low, high, before, place.region, first, first, new)
                    yield Change(low, high, after, place.region, behind, behind, new)
                    continue
                comma = ", " if node.args or node.keywords else ""
                yield Change(opening, opening, piece.text + comma, place.region, first, first, new)
                for one in inner:
                    yield Change(
                        one.high,
                        one.high,
                        f", {piece.text}",
                        place.region,
                        one.canon_end + 1,
                        one.canon_end + 1,
                        new,
                    )
        given = {word.arg for word in node.keywords}
        last = canon.spans[node][1] - 3
        for text, word_canon in words:
            if text.partition("=")[0].strip() in given or "\n" in text:
                continue
            items = _items(program, place)
            if items and isinstance(place.node.func, (ast.Attribute, ast.Name)):
                start = end = items[-1][1]
                first = ""
                if bare is not None:
                    start, end, first = bare
                new = f"{first}, {text}"
                yield Change(start, end, new, place.region, last, last, f"{word_canon},")


def _bare_argument(program: Program, inner: list[Place]) -> tuple[int, int, str] | None:
    """Span and new text, in parentheses, of a generator that a call's own were enough for.

    Beside another argument it needs some of its own.
    """
    if len(inner) != 1 or not program.is_bare(inner[0]):
        return None
    start, end = inner[0].start, inner[0].end
    return start, end, f"({program.text[start:end]})"


def variables_beside(program: Program, place: Place) -> tuple[Piece, ...]:
    """The variables that a call may get besides its arguments."""
    used = {one.piece.text for one in place.inner}
    return tuple(piece for piece in names_at(program, place) if piece.text not in used)


def callee(program: Program) -> Changes:
    """Another function: one of the same family, or one of the file."""
    for place in program.of_kind(ast.Name):
        text = place.node.id
        if place.field != "func" and place.piece.type not in ("func", "class"):
            continue
        known = callables(program, place.scope, place.unbound, place.region)
        others = dict.fromkeys(_RELATED.get(text, ())) if program.is_builtin(text) else {}
        for piece in (
            *(name(program, other, place.scope) for other in others),
            *known,
        ):
            if piece.text == text or piece.reads & place.unbound:
                continue
            if place.field == "func":
                call = place.parent
                if not program.takes(piece.text, place.scope, len(call.args), call):
                    continue
            yield program.put(place, piece)


def unwrap_call(program: Program) -> Changes:
    """An argument for its call, or what the method was called on."""
    for place in program.of_kind(ast.Call):
        for one in place.inner:
            if isinstance(one.node, ast.Starred) or one.field == "func":
                continue
            if isinstance(one.node, ast.GeneratorExp) and place.field == "test":
                continue
            yield program.put(place, one.piece)
        function = place.inner[0]
        if isinstance(function.node, ast.Attribute) and not isinstance(place.parent, ast.Expr):
            yield program.put(place, function.inner[0].piece)
        if not place.node.args and not place.node.keywords:
            yield program.put(place, function.piece)


def wrap_in_call(program: Program) -> Changes:
    """A call around a value: a conversion, `min` or `max` with another value, a method of it."""
    for place in program.places:
        node, kind = place.node, place.piece.type
        if not wrappable(place):
            continue
        if isinstance(node, ast.Constant):
            continue
        number = kind in ("int", "float") or counts(program, place)
        around: tuple[str, ...] = _CONVERSIONS
        if number and kind:
            around = _OF_NUMBERS
        elif number:
            around = (*_OF_NUMBERS, "len", "sum")
        elif kind in ("list", "tuple", "set", "dict", "iter", "range"):
            around = _OF_LISTS
        elif kind == "str":
            around = _OF_TEXTS
        elif kind == "bool":
            around = ("int", "any", "all")
        parent = place.parent
        called = parent.func.id if is_named_call(parent) and place.field == "args" else ""
        for text in around:
            function = name(program, text, place.scope)
            if text != called and not function.reads & place.unbound:
                result = program.types.of_called(text)
                yield program.put(place, pc.call(function, [place.piece], result))
        if number or (not kind and is_computed(place)):
            for text in ("min", "max"):
                function = name(program, text, place.scope)
                for other in (*names_at(program, place), pc.constant(0), pc.constant(1)):
                    if other.type not in ("list", "dict", "set", "str", "none"):
                        if other.reads & place.piece.reads and other.text == place.piece.text:
                            continue
                        yield program.put(place, pc.call(function, [other, place.piece], kind))
                        if other.reads:
                            yield program.put(place, pc.call(function, [place.piece, other], kind))


def add_method(program: Program) -> Changes:
    """A method called on a value, or the value itself called."""
    used = dict.fromkeys(
        place.node.func.attr
        for place in program.of_kind(ast.Call)
        if isinstance(place.node.func, ast.Attribute) and not place.node.args
    )
    for place in program.places:
        node, kind = place.node, place.piece.type
        if not wrappable(place) or isinstance(node, (ast.Constant, ast.BinOp, ast.Compare)):
            continue
        if kind in ("int", "float", "bool", "func", "class", "module") or counts(program, place):
            continue
        for method in dict.fromkeys((*used, *_METHODS_OF.get(kind, ()))):
            result = program.types.of_method(method)
            yield program.put(place, pc.call(pc.attribute(place.piece, method), [], result))
        if isinstance(node, (ast.Name, ast.Attribute)) and not kind:
            yield program.put(place, pc.call(place.piece, []))


def recursion(program: Program) -> Changes:
    """The function of the file called on a value."""
    for place in program.of_kind(ast.Name, ast.Call, ast.Subscript, ast.BinOp):
        if not wrappable(place):
            continue
        for piece in callables(program, place.scope, place.unbound, place.region):
            if (
                piece.type == "func"
                and program.takes(piece.text, place.scope, 1, None)
                and program.is_defined(piece.text)
            ):
                yield program.put(place, pc.call(piece, [place.piece]))


def is_named_call(node: ast.AST) -> bool:
    """Whether a node calls a function by its bare name."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def is_computed(place: Place) -> bool:
    """Whether a place holds the result of a computation."""
    return isinstance(place.node, (ast.BinOp, ast.Call)) and isinstance(
        place.parent, (ast.Assign, ast.Return)
    )


def wrappable(place: Place) -> bool:
    """Whether a call may be put around a place."""
    node = place.node
    if place.store or isinstance(node, (ast.Starred, ast.Slice, ast.Lambda, ast.JoinedStr)):
        return False
    if place.field == "func" or (is_test(place) and isinstance(node, (ast.Compare, ast.BoolOp))):
        return False
    if isinstance(place.parent, (ast.Expr, ast.Attribute)):
        return False
    if isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await, ast.NamedExpr)):
        return False
    return not (isinstance(node, ast.Name) and node.id in ("self", "cls"))


def add_bound(program: Program) -> Changes:
    """A first bound or a step for `range`."""
    for place in program.of_kind(ast.Call):
        if not is_named_call(place.node) or place.node.func.id != "range":
            continue
        inner = argument_pieces(place)
        first = program.canons[place.region].blocks[place.node, "args"]
        if len(inner) == 1 and not isinstance(inner[0].node, (ast.Starred, ast.GeneratorExp)):
            for piece in (pc.constant(1), pc.constant(2)):
                low = inner[0].low
                new = f"{piece.canon},"
                yield Change(low, low, f"{piece.text}, ", place.region, first, first, new)
        if len(inner) == 2:
            for piece in (pc.constant(2), pc.constant(-1)):
                end, at = inner[1].high, inner[1].canon_end + 1
                yield Change(end, end, f", {piece.text}", place.region, at, at, f"{piece.canon},")
