"""Obvious types of values: what a literal, a builtin or an assignment says of an expression.

A type is the name of a builtin ("int", "list", ...), or "func", "class", "module", "iter", "none".
"" is said of everything that is not obvious.
"""

from __future__ import annotations

import ast
import builtins
from collections import deque
from collections.abc import Iterator

from hrmgym.envs.edits.python.flow import Flow, Scope

_LITERALS: dict[type[ast.AST], str] = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Tuple: "tuple",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.GeneratorExp: "iter",
    ast.JoinedStr: "str",
    ast.Compare: "bool",
    ast.Lambda: "func",
}
_CALLS = {
    **{name: "int" for name in ("len", "int", "ord", "hash", "id")},
    **{name: "str" for name in ("str", "repr", "chr", "hex", "bin", "oct", "input", "format")},
    **{name: "bool" for name in ("bool", "isinstance", "issubclass", "any", "all", "callable")},
    **{name: "list" for name in ("list", "sorted", "dir")},
    **{name: name for name in ("dict", "set", "tuple", "float", "bytes", "frozenset")},
    **{name: "iter" for name in ("zip", "map", "filter", "reversed", "enumerate", "iter")},
    **{"hasattr": "bool", "range": "range", "print": "none", "defaultdict": "dict"},
    **{"Counter": "dict", "OrderedDict": "dict", "deque": "deque"},
}
_METHODS = {
    **{name: "int" for name in ("find", "rfind", "index", "rindex", "count", "bit_length")},
    **{name: "list" for name in ("split", "rsplit", "splitlines", "readlines")},
    **{
        name: "str"
        for name in (
            "strip",
            "lstrip",
            "rstrip",
            "lower",
            "upper",
            "title",
            "capitalize",
            "join",
            "replace",
            "format",
            "decode",
            "zfill",
            "ljust",
            "rjust",
            "center",
        )
    },
    **{name: "bool" for name in ("startswith", "endswith", "isdigit", "isalpha", "isspace")},
    **{name: "none" for name in ("append", "extend", "sort", "reverse", "insert", "clear")},
    **{name: "bytes" for name in ("encode",)},
}
_NUMBERS = ("int", "float", "bool")
_CLASSES = frozenset(name for name in dir(builtins) if isinstance(getattr(builtins, name), type))
_FUNCTIONS = frozenset(
    name for name in dir(builtins) if callable(getattr(builtins, name)) and name not in _CLASSES
)
_BUILTIN_CLASSES: dict[str, type] = {
    **{name: getattr(builtins, name) for name in _CLASSES},
    "none": type(None),
    "iter": type(iter([])),
    "deque": deque,
    "func": type(lambda: None),
}
#: Type -> names of its attributes, where they are known.
ATTRIBUTES = {
    name: frozenset(dir(_BUILTIN_CLASSES[name]))
    for name in (
        "int",
        "float",
        "complex",
        "bool",
        "str",
        "bytes",
        "list",
        "dict",
        "set",
        "frozenset",
        "tuple",
        "range",
        "none",
        "iter",
        "deque",
        "func",
    )
}
_VARIED = "?"  # a name with values of several types


class Types:
    """The obvious types of a program's names and expressions."""

    def __init__(self, tree: ast.Module, flow: Flow) -> None:
        self._flow = flow
        self._names: dict[tuple[Scope, str], str] = {}
        self._above: dict[Scope, Scope | None] = {tree: None}
        self._tree = tree
        for node, scope in flow.scope.items():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self._above[node] = scope
        for _ in range(2):  # what a name is may hang on names that come later
            found: dict[tuple[Scope, str], str] = {}
            for scope in flow.local:
                for name in _parameters(scope):
                    found[scope, name] = _VARIED
            for node, scope in flow.scope.items():
                for name, kind in self._bound(node, scope):
                    known = found.setdefault((scope, name), kind)
                    if known != kind:
                        found[scope, name] = _VARIED
            self._names = found

    def of(self, node: ast.AST, scope: Scope) -> str:
        """The type of an expression."""
        kind = _LITERALS.get(type(node))
        if kind is not None:
            return kind
        if isinstance(node, ast.Constant):
            return "none" if node.value is None else type(node.value).__name__
        if isinstance(node, ast.Name):
            return self.of_name(node.id, scope)
        if isinstance(node, ast.Call):
            return self._of_call(node, scope)
        if isinstance(node, ast.BinOp):
            return _of_binary(node, self.of(node.left, scope), self.of(node.right, scope))
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                return "bool"
            kind = self.of(node.operand, scope)
            return "int" if kind == "bool" else kind
        if isinstance(node, ast.BoolOp):
            kinds = {self.of(value, scope) for value in node.values}
            return kinds.pop() if len(kinds) == 1 else ""
        if isinstance(node, ast.IfExp):
            kind = self.of(node.body, scope)
            return kind if kind == self.of(node.orelse, scope) else ""
        if isinstance(node, ast.Subscript):
            kind = self.of(node.value, scope)
            if kind == "str" or (kind in ("list", "tuple") and isinstance(node.slice, ast.Slice)):
                return kind
        return ""

    def of_name(self, name: str, scope: Scope | None) -> str:
        """The type of a name, where it is read in a scope."""
        while scope is not None:
            if self._flow.local[scope] & self._flow.bit(name):
                kind = self._names.get((scope, name), _VARIED)
                return "" if kind == _VARIED else kind
            scope = self._above.get(scope)
        return "class" if name in _CLASSES else "func" if name in _FUNCTIONS else ""

    @staticmethod
    def of_called(name: str) -> str:
        """The type of what a builtin returns."""
        return _CALLS.get(name, "")

    @staticmethod
    def of_method(name: str) -> str:
        """The type of what a method of that name returns."""
        return _METHODS.get(name, "")

    @staticmethod
    def has(kind: str, name: str) -> bool:
        """Whether values of a type may have an attribute."""
        return kind not in ATTRIBUTES or name in ATTRIBUTES[kind]

    def _of_call(self, node: ast.Call, scope: Scope) -> str:
        if isinstance(node.func, ast.Name):
            return _CALLS.get(node.func.id, "") if self._is_foreign(node.func.id, scope) else ""
        if isinstance(node.func, ast.Attribute):
            kind = _METHODS.get(node.func.attr, "")
            owner = self.of(node.func.value, scope)
            if owner == "bytes" and kind == "str" and node.func.attr != "decode":
                return "bytes"
            return kind if owner or kind in ("int", "bool", "str") else ""
        return ""

    def _is_foreign(self, name: str, scope: Scope | None) -> bool:
        """Whether a name is a builtin, or imported."""
        return self.of_name(name, scope) in ("class", "func", "") and not any(
            isinstance(one, (ast.FunctionDef, ast.ClassDef)) and one.name == name
            for one in self._above
        )

    def _bound(self, node: ast.stmt, scope: Scope) -> Iterator[tuple[str, str]]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, "func" if not node.decorator_list else _VARIED
        elif isinstance(node, ast.ClassDef):
            yield node.name, "class" if not node.decorator_list else _VARIED
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], "module"
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, self.of(node.value, scope) or _VARIED
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    if len(target.elts) == len(node.value.elts):
                        for one, value in zip(target.elts, node.value.elts, strict=True):
                            if isinstance(one, ast.Name):
                                yield one.id, self.of(value, scope) or _VARIED
                    else:
                        yield from _varied(target)
                else:
                    yield from _varied(target)
        elif isinstance(node, ast.AnnAssign):
            if isinstance(node.target, ast.Name):
                kind = self.of(node.value, scope) if node.value is not None else ""
                yield node.target.id, kind or _VARIED
        elif isinstance(node, ast.AugAssign):
            if isinstance(node.target, ast.Name):
                kind, old = self.of(node.value, scope), self.of_name(node.target.id, scope)
                if old in ("str", "list"):
                    kind = old
                elif isinstance(node.op, ast.Div):
                    kind = "float"
                yield node.target.id, kind or _VARIED
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            target, source = node.target, node.iter
            called = source.func.id if _calls_a_name(source) else ""  # type: ignore[attr-defined]
            if called == "range" and isinstance(target, ast.Name):
                yield target.id, "int"
            elif called == "enumerate" and isinstance(target, ast.Tuple) and target.elts:
                if isinstance(target.elts[0], ast.Name):
                    yield target.elts[0].id, "int"
                for one in target.elts[1:]:
                    yield from _varied(one)
            else:
                yield from _varied(target)
        else:
            names = set(_varied(node))
            yield from names


def _varied(node: ast.AST) -> Iterator[tuple[str, str]]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id, _VARIED


def _calls_a_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def _parameters(scope: Scope) -> Iterator[str]:
    if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        for node in ast.walk(scope.args):
            if isinstance(node, ast.arg):
                yield node.arg


def _of_binary(node: ast.BinOp, left: str, right: str) -> str:
    operator = type(node.op)
    if operator is ast.Mod and left in ("str", "bytes"):
        return left
    if left in _NUMBERS and right in _NUMBERS:
        if operator is ast.Div or "float" in (left, right):
            return "float"
        return "int"
    if operator is ast.Mult:
        for kind in (left, right):
            if kind in ("str", "list", "tuple", "bytes"):
                return kind
    if operator is ast.Add and (left in ("str", "list") or right in ("str", "list")):
        return left if left in ("str", "list") else right
    if operator in (ast.FloorDiv, ast.LShift, ast.RShift) and (left == right == "int"):
        return "int"
    return left if left == right and left in ("set", "frozenset") else ""
