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
from hrmgym.envs.edits.python.valuetypes import ATTRIBUTES

Changes = Iterator[Change | None]

_MOST_ARGUMENTS = 6
_CONVERSIONS = (
    *("len", "list", "sorted", "set", "tuple", "str", "abs", "int", "reversed", "sum"),
    *("bool", "float"),
)
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
_ADDED = tuple(map(pc.constant, (None, True, False, 0, 1, -1)))
_OF_BUILTIN_TYPES = frozenset(
    name for kind in ("str", "list", "dict", "set", "deque") for name in ATTRIBUTES[kind]
)
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
    ("ValueError", "TypeError", "KeyError", "IndexError", "RuntimeError", "AttributeError"),
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
    """An argument more: a variable, a constant, a keyword that another call gets, `x=x`."""
    words: dict[tuple[str, str], int] = {}
    for place in program.of_kind(ast.Call):
        for word in place.node.keywords:
            text = program.text[slice(*program.source.span(word))]
            if word.arg and "\n" not in text:
                canon = program.canon_of(word, place.region)
                words.setdefault((text, canon), program.at[word.value].piece.reads)
    for place in program.of_kind(ast.Call):
        if not any(isinstance(one, ast.Starred) for one in place.node.args):
            yield from _add_positional(program, place)
            yield from _add_keyword(program, place, words)


def _add_positional(program: Program, place: Place) -> Changes:
    node, inner, region = place.node, argument_pieces(place), place.region
    if not program.accepts(place, len(inner) + 1) or len(inner) >= _MOST_ARGUMENTS:
        return
    first = program.canons[region].blocks[node, "args"]
    opening = program.after(place.inner[0].high, "(")
    comma = ", " if node.args or node.keywords else ""
    bare = _bare_argument(program, inner)
    for piece in (*variables_beside(program, place), *_ADDED):
        new = f"{piece.canon},"
        if piece.reads & place.unbound:
            continue
        if bare is not None:
            low, high, text = bare
            behind = inner[0].canon_end + 1
            yield Change(low, high, f"{piece.text}, {text}", region, first, first, new)
            yield Change(low, high, f"{text}, {piece.text}", region, behind, behind, new)
            continue
        yield Change(opening, opening, piece.text + comma, region, first, first, new)
        for one in inner:
            at, text = one.canon_end + 1, f", {piece.text}"
            yield Change(one.high, one.high, text, region, at, at, new)


def _add_keyword(program: Program, place: Place, words: dict[tuple[str, str], int]) -> Changes:
    node, region = place.node, place.region
    items = _items(program, place)
    if not items or not isinstance(node.func, (ast.Attribute, ast.Name)):
        return
    given = {word.arg for word in node.keywords}
    start = end = items[-1][1]
    head, at = "", program.canons[region].spans[node][1] - len("];)")
    bare = _bare_argument(program, argument_pieces(place)) if len(items) == 1 else None
    if bare is not None:
        start, end, head = bare
    for (text, canon), reads in words.items():
        if text.partition("=")[0].strip() not in given and not reads & place.unbound:
            yield Change(start, end, f"{head}, {text}", region, at, at, f"{canon},")
    taken = _keywords_of(program, node.func, len(node.args))
    own = program.flow.parameters[place.scope]
    for piece in names_at(program, place):
        if not piece.reads & own or piece.text in given:
            continue
        if taken is None or piece.text in taken:
            canon = f"keyword({piece.text!r};{piece.canon};),"
            text = f"{head}, {piece.text}={piece.text}"
            yield Change(start, end, text, region, at, at, canon)


def _keywords_of(
    program: Program, function: ast.Name | ast.Attribute, given: int
) -> frozenset[str] | None:
    """Names of the keyword arguments that a function may take behind so many others; None: any."""
    name = function.id if isinstance(function, ast.Name) else function.attr
    known = program.arities.parameters.get(name)
    if known is not None:
        return frozenset(known[given:])
    if isinstance(function, ast.Name):
        return frozenset() if program.is_builtin(name) else None
    return frozenset() if name in _OF_BUILTIN_TYPES else None


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
                and program.is_defined(piece.text)
                and program.takes(piece.text, place.scope, 1, None)
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
