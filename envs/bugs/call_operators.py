"""Bug operators on calls: arguments, families of functions and methods, calls left out or added."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hrmgym.envs.bugs.sites import Site, drop, insert, is_callee, neighbours, swap
from hrmgym.envs.edits.source import Source
from hrmgym.envs.edits.syntax import called, counts

_FUNCTION_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("min", "max"),
    ("any", "all"),
    ("len", "sum", "max"),
    ("sorted", "list", "reversed"),
    ("list", "set"),
    ("int", "round", "float", "str"),
    ("floor", "ceil", "trunc"),
    ("ord", "chr"),
    ("zip", "zip_longest"),
    ("isinstance", "issubclass"),
    ("getattr", "hasattr"),
)
_METHOD_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("append", "extend"),
    ("append", "add"),
    ("add", "discard", "remove"),
    ("update", "setdefault", "intersection_update"),
    ("pop", "popleft"),
    ("keys", "values", "items"),
    ("startswith", "endswith"),
    ("lower", "upper", "title", "capitalize"),
    ("strip", "lstrip", "rstrip"),
    ("split", "rsplit"),
    ("split", "partition"),
    ("partition", "rpartition"),
    ("find", "rfind"),
    ("index", "find", "rindex", "count"),
    ("ljust", "rjust", "center"),
    ("isdigit", "isalpha", "isalnum", "isspace"),
    ("isupper", "islower"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("issubset", "issuperset", "isdisjoint"),
    ("floor", "ceil", "trunc"),
    ("sort", "reverse"),
    ("read", "readline", "readlines"),
    ("get", "pop", "setdefault"),
    ("match", "search", "fullmatch"),
    ("acquire", "release"),
    ("encode", "decode"),
)
_UNWRAPPED = frozenset(
    {"len", "abs", "sorted", "list", "set", "int", "str", "round", "reversed", "sum", "tuple"}
    | {"float", "ord", "chr", "bool", "dict", "iter", "next", "frozenset"}
)
_UNWRAPPED_METHODS = frozenset(
    {"strip", "lstrip", "rstrip", "lower", "upper", "copy", "items", "keys", "values", "pop"}
    | {"encode", "decode", "group", "splitlines", "split", "replace", "get", "read"}
)
_WRAPPERS = ("len", "sorted", "str")
_NUMBER_WRAPPERS = ("abs", "str", "int")


def arguments(source: Source) -> Iterator[Site]:
    """Two neighbouring arguments of a call swapped."""
    for node in source.nodes(ast.Call):
        assert isinstance(node, ast.Call)
        yield from neighbours(source, node.args)


def method(source: Source) -> Iterator[Site]:
    """A function or method of the same family, such as `min` for `max`, `append` for `extend`."""
    for node in source.nodes(ast.Name, ast.Attribute):
        if isinstance(node, ast.Name):
            families, old = _FUNCTION_FAMILIES, node.id
            if old not in ("min", "max") and not is_callee(source, node):
                continue
        else:
            assert isinstance(node, ast.Attribute)
            families, old = _METHOD_FAMILIES, node.attr
            if not is_callee(source, node):
                continue
        end = source.span(node)[1]
        for new in dict.fromkeys(n for family in families if old in family for n in family):
            if new != old:
                yield swap(end - len(old), end, old, new)


def unwrap(source: Source) -> Iterator[Site]:
    """A call left out: `x` for `len(x)`, `a` for `max(a, b)`, `x` for `x.strip()`."""
    for node in source.nodes(ast.Call):
        assert isinstance(node, ast.Call)
        start, end = source.span(node)
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            continue
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in _UNWRAPPED_METHODS and not isinstance(
                source.parent(node), ast.Expr
            ):
                yield drop(source, source.outer_span(node.func.value)[1], end)
        elif (called(node) in _UNWRAPPED and len(node.args) == 1) or (
            called(node) in ("min", "max") and len(node.args) == 2
        ):
            for argument in node.args:
                yield swap(start, end, source.text[start:end], source.segment(argument))


def wrap(source: Source) -> Iterator[Site]:
    """A call too many, such as `len(x)` for `x`, or a recursive one."""
    for node in source.nodes(ast.Name):
        assert isinstance(node, ast.Name)
        if isinstance(node.ctx, ast.Store) or is_callee(source, node):
            continue
        parent = source.parent(node)
        if not isinstance(parent, (ast.Return, ast.Yield, ast.Call, ast.Assign)):
            continue
        wrappers = _NUMBER_WRAPPERS if counts(source, node) else _WRAPPERS
        inside = [a.name for a in source.ancestors(node) if isinstance(a, ast.FunctionDef)]
        for wrapper in (*inside[:1], *wrappers):
            if wrapper != called(parent):
                start, end = source.span(node)
                yield swap(start, end, node.id, f"{wrapper}({node.id})")


def range_bounds(source: Source) -> Iterator[Site]:
    """The first bound or the step of a range left out, added or turned."""
    for node in source.nodes(ast.Call):
        assert isinstance(node, ast.Call)
        if called(node) not in ("range", "enumerate") or not node.args:
            continue
        spans = [source.outer_span(argument) for argument in node.args]
        if called(node) == "enumerate":
            if len(spans) == 2:
                yield drop(source, spans[0][1], spans[1][1])
            elif not node.keywords:
                yield insert(spans[0][1], ", 1")
        elif len(spans) == 1:
            yield insert(spans[0][0], "1, ")
        else:
            if len(spans) == 2:
                yield drop(source, spans[0][0], spans[1][0])
            else:
                yield drop(source, spans[1][1], spans[2][1])
                if not source.text.startswith("-", spans[2][0]):
                    yield insert(spans[2][0], "-")
