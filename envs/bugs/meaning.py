"""What a Python text does, as far as its syntax says: equal meanings make no bug and no repair.

Two releases of a package differ mostly in ways that no program can feel: annotations, comments,
wording of messages, a new spelling of an old idiom, another name of a variable. `meaning` maps
all spellings of one kind to the same text.
"""

from __future__ import annotations

import ast
import re
import warnings

from hrmgym.errors import DataError

#: Another spelling -> the one that is kept: exception classes, helpers for two Pythons, modules.
_SPELLINGS = {
    **dict.fromkeys(("IOError", "EnvironmentError", "WindowsError"), "OSError"),
    **dict.fromkeys(("string_types", "text_type", "basestring", "unicode"), "str"),
    **{"numpy": "np", "scipy": "sp", "networkx": "nx", "xrange": "range", "Ellipsis": "None"},
}
_RELEASE = re.compile(r"v?\d+(\.\d+)+\w*")
_EMPTY = {"dict": "{}", "list": "[]", "tuple": "()"}


def meaning(code: str) -> str:
    """The syntax tree of a text as text, the same for all spellings of one program.

    Raises:
        DataError: the text is not Python.
    """
    return ast.dump(_simplified(code))


def meaning_without_names(code: str) -> str:
    """Like `meaning`, with numbers for local variables: a renamed variable changes nothing.

    Raises:
        DataError: the text is not Python.
    """
    tree = _simplified(code)
    local = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    } | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    numbers: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in local:
            node.id = numbers.setdefault(node.id, f"local{len(numbers)}")
        elif isinstance(node, ast.arg):
            node.arg = numbers.setdefault(node.arg, f"local{len(numbers)}")
        elif isinstance(node, ast.ExceptHandler) and node.name:
            node.name = "caught"
    return ast.dump(tree)


def compiles(code: str) -> bool:
    """Whether a text compiles without a warning."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(code, "<code>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _simplified(code: str) -> ast.AST:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError) as error:
        raise DataError(f"not Python source: {error}") from None
    return _Simplify().visit(tree)  # type: ignore[no-any-return]


class _Simplify(ast.NodeTransformer):
    """Drops what does not compute, and brings idioms to one spelling."""

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> ast.FunctionDef | ast.AsyncFunctionDef:
        node.returns = None
        node.name = "f"  # recursion by name is rare, renamed functions are not
        self.generic_visit(node)
        return node

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = node.type_comment = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.visit_Assign(ast.Assign(targets=[node.target], value=node.value))

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        node.type_comment = None
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = None
        return self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Assert(self, node: ast.Assert) -> None:
        return None  # for readers and type checkers

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        node.cause = None
        self.generic_visit(node)
        if isinstance(node.exc, ast.Call) and not (node.exc.args or node.exc.keywords):
            node.exc = node.exc.func
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = _SPELLINGS.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        module = node.value.id if isinstance(node.value, ast.Name) else ""
        if node.attr == "error" and module in ("socket", "select", "os"):
            return ast.Name("OSError", node.ctx)
        if module in ("six", "compat"):
            return self.visit_Name(ast.Name(node.attr, node.ctx))
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        node.kind = None
        if isinstance(node.value, str):
            if len(node.value.split()) > 2:
                node.value = "prose"
            elif _RELEASE.fullmatch(node.value):
                node.value = "release"
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("formatted")

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if isinstance(node.op, ast.Mod) and _is_text(node.left):
            return ast.Constant("formatted")
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        if isinstance(function, ast.Subscript):  # list[int]()
            function = node.func = function.value
        if isinstance(function, ast.Attribute):
            if function.attr == "format" and _is_text(function.value):
                return ast.Constant("formatted")
            if function.attr == "keys" and not node.args:
                return self.visit(function.value)  # type: ignore[no-any-return]
            if isinstance(function.value, ast.Name) and _names(node.args[:1]) == ("self",):
                if function.value.id.lstrip("_")[:1].isupper():  # Base.method(self)
                    function.value = ast.Name("super", ast.Load())
                    node.args = node.args[1:]
            elif _called(function.value) == "super":
                function.value = ast.Name("super", ast.Load())
            return self.generic_visit(node)
        name = _called(node)
        if name == "cast" and len(node.args) == 2:
            return self.visit(node.args[1])  # type: ignore[no-any-return]
        if name in _EMPTY and not (node.args or node.keywords):
            return ast.parse(_EMPTY[name], mode="eval").body
        if name == "dict" and not node.args and all(word.arg for word in node.keywords):
            keys: list[ast.expr | None] = [ast.Constant(word.arg) for word in node.keywords]
            return self.visit(ast.Dict(keys, [word.value for word in node.keywords]))  # type: ignore[no-any-return]
        if name == "set" and len(node.args) == 1:
            given = node.args[0]
            if isinstance(given, (ast.List, ast.Tuple)) and given.elts:
                return self.generic_visit(ast.Set(given.elts))
        if name in ("isinstance", "issubclass") and len(node.args) == 2:
            node.args[1] = ast.Tuple(sorted(_classes(node.args[1]), key=ast.dump), ast.Load())
        return self.generic_visit(node)


def _called(node: ast.expr) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    return ""


def _names(nodes: list[ast.expr]) -> tuple[str, ...]:
    return tuple(node.id for node in nodes if isinstance(node, ast.Name))


def _classes(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _classes(node.left) + _classes(node.right)
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
