"""Kinds that change names: variables, attributes, keywords, and expressions for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.edits.names import alike
from hrmgym.envs.edits.python import pieces as pc
from hrmgym.envs.edits.python.flow import WALRUS
from hrmgym.envs.edits.python.pieces import Piece
from hrmgym.envs.edits.python.places import Change, Place
from hrmgym.envs.edits.python.pools import names_at, variables
from hrmgym.envs.edits.python.program import Program

Changes = Iterator[Change | None]

_METHODS: tuple[tuple[str, ...], ...] = (
    ("append", "extend", "add", "insert", "remove", "appendleft"),
    ("add", "discard", "remove", "update"),
    ("update", "setdefault", "intersection_update", "extend"),
    ("pop", "popleft", "popitem"),
    ("keys", "values", "items"),
    ("startswith", "endswith"),
    ("lower", "upper", "title", "capitalize"),
    ("strip", "lstrip", "rstrip"),
    ("split", "rsplit", "partition", "splitlines"),
    ("strip", "split", "partition", "replace", "join", "startswith"),
    ("partition", "rpartition"),
    ("find", "rfind", "index", "rindex", "count"),
    ("ljust", "rjust", "center"),
    ("isdigit", "isalpha", "isalnum", "isspace"),
    ("isupper", "islower"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("issubset", "issuperset", "isdisjoint"),
    ("sort", "reverse"),
    ("read", "readline", "readlines"),
    ("get", "pop", "setdefault"),
    ("match", "search", "fullmatch"),
    ("acquire", "release"),
    ("encode", "decode"),
)
_RELATED: dict[str, tuple[str, ...]] = {
    one: tuple(dict.fromkeys(o for family in _METHODS if one in family for o in family))
    for family in _METHODS
    for one in family
}


def identifier(program: Program) -> Changes:
    """Another variable."""
    for place in program.of_kind(ast.Name):
        if place.piece.type in ("func", "class", "module") or place.node.id in ("self", "cls"):
            continue
        if place.field == "func" and place.piece.type:
            continue
        for piece in names_at(program, place):
            yield program.put(place, piece)


def target(program: Program) -> Changes:
    """Another variable assigned to, one that the function assigns to or reads."""
    walrus = program.flow.bit(WALRUS)
    for place in program.places:
        if not place.store or not isinstance(place.node, ast.Name):
            continue
        if place.unbound & walrus:  # in a comprehension: what reads it would not find it
            continue
        if isinstance(place.statement, ast.Delete) or not program.may_lose(place):
            continue
        local = program.flow.local[place.scope]
        for piece in variables(program, place.scope, 0, place.region):
            known = piece.reads & (local | place.unbound)  # or read, and bound nowhere
            if piece.text != place.node.id and known:
                if isinstance(place.parent, ast.AugAssign) and piece.reads & place.unbound:
                    continue
                yield program.replace(place, piece)


def _of_attribute(place: Place, name: str) -> Change:
    """The change that gives an attribute another name."""
    end, old = place.end, place.node.attr
    stop = place.canon_end - 2
    canon = f"{name!r}"
    return Change(end - len(old), end, name, place.region, stop - len(repr(old)), stop, canon)


def _attributes(program: Program) -> dict[str, bool]:
    """Attributes of the file -> whether they are called."""
    found: dict[str, bool] = {}
    for place in program.places:
        if isinstance(place.node, ast.Attribute):
            found.setdefault(place.node.attr, place.field == "func")
    return found


def attribute(program: Program) -> Changes:
    """Another attribute or method: of the same family, of the file."""
    own = _attributes(program)
    for place in program.places:
        if not isinstance(place.node, ast.Attribute):
            continue
        old, called = place.node.attr, place.field == "func"
        others = dict.fromkeys(_RELATED.get(old, ()) if called else ())
        others |= dict.fromkeys(one for one, calls in own.items() if calls == called)
        holder = place.inner[0].piece.type
        for new in others:
            if new != old and program.types.has(holder, new):
                yield _of_attribute(place, new)


def attribute_alike(program: Program) -> Changes:
    """An attribute that shares a word with the old one, or has one underscore more or less."""
    own = _attributes(program)
    for place in program.places:
        if isinstance(place.node, ast.Attribute):
            holder = place.inner[0].piece.type
            old = place.node.attr
            others = dict.fromkeys((*alike(old, "attribute"), _other_access(old), *own))
            for new in others:
                if new != old and program.types.has(holder, new):
                    yield _of_attribute(place, new)


def _other_access(name: str) -> str:
    """The private name for a public one, the public one for a private one."""
    if not name.startswith("_"):
        return f"_{name}"
    public = name.lstrip("_")
    return name if name.startswith("__") or not public.isidentifier() else public


def drop_attribute(program: Program) -> Changes:
    """What the attribute is of, for the attribute: `x` or `x.z` for `x.y.z`."""
    for place in program.of_kind(ast.Attribute):
        base = place.inner[0]
        if place.field != "func":
            yield program.put(place, base.piece)
        if isinstance(base.node, ast.Attribute):
            yield program.put(place, pc.attribute(base.inner[0].piece, place.node.attr))


def add_attribute(program: Program) -> Changes:
    """An attribute of a value, one that the file knows; a name of another one's."""
    own = [name for name, called in _attributes(program).items() if not called]
    prefixes: dict[str, Piece] = {}
    for place in program.of_kind(ast.Attribute):
        base = place.inner[0]
        if isinstance(base.node, (ast.Name, ast.Attribute)) and len(base.piece.text) < 24:
            prefixes.setdefault(base.piece.text, base.piece)
    for place in program.of_kind(ast.Name, ast.Attribute, ast.Subscript, ast.Call):
        if place.piece.type in ("module", "int", "str", "list", "dict", "func"):
            continue
        if isinstance(place.parent, ast.Expr) or place.field == "func":
            continue
        for name in own:
            yield program.put(place, pc.attribute(place.piece, name))
        if isinstance(place.node, ast.Name) and place.node.id != "self":
            for piece in prefixes.values():
                if not piece.reads & place.unbound and piece.text != place.node.id:
                    yield program.put(place, pc.attribute(piece, place.node.id))


def keyword(program: Program) -> Changes:
    """Another name of a keyword argument, one of the file."""
    words = dict.fromkeys(
        word.arg for place in program.of_kind(ast.Call) for word in place.node.keywords if word.arg
    )
    for place in program.of_kind(ast.Call):
        given = {word.arg for word in place.node.keywords}
        for word in place.node.keywords:
            if not word.arg:
                continue
            start = program.source.span(word)[0]
            begin = program.canons[place.region].spans[word][0] + len("keyword(")
            stop = begin + len(repr(word.arg))
            for new in dict.fromkeys((*words, *alike(word.arg, "keyword"))):
                if new not in given:
                    end = start + len(word.arg)
                    yield Change(start, end, new, place.region, begin, stop, repr(new))


def expression_to_name(program: Program) -> Changes:
    """A variable for an expression."""
    for place in program.places:
        node = place.node
        if place.store or isinstance(
            node, (ast.Name, ast.Constant, ast.Slice, ast.Starred, ast.JoinedStr)
        ):
            continue
        if isinstance(place.parent, ast.Expr) or place.field == "func":
            continue
        if place.piece.canon in ("List([];)", "Dict([];[];)", "Tuple([];)"):
            continue
        for piece in names_at(program, place):
            yield program.put(place, piece)
